"""The compile of a Haskell project, with all that it needs at hand.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils.haskell_libraries import (
    InstalledLibrary,
    closure,
    parse,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import (
    Package,
    parse_package,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_tools import (
    CABAL,
    INSTALLED,
    WORK,
    Tools,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

DATABASE = WORK / "packages.db"
_HEADER = re.compile(r"fatal error: ([^\s:]+\.h): No such file")
_PROGRAM = re.compile(r"(\S+): (?:\w*[pP]rocess|rawSystem|system): .*does not exist")
"""What a Setup of a package's own says of a program that it runs and does not find."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How executables are built: with Haskell's libraries as files beside them, for profiling,
    without their symbols."""

    dynamic: bool = False
    profiling: bool = False
    strip: bool = True


class Build:
    """The compile of what ``plan`` (of the fetch) holds, in its order."""

    def __init__(self, plan: Mapping[str, Any], tools: Tools, manner: Manner) -> None:
        self._plan = plan
        self._tools = tools
        self._manner = manner
        self._packages = tuple(parse_package(item) for item in plan["packages"])

    def build(self) -> dict[str, Any]:
        """Compile and install the packages; return what the image runs and ships."""
        self._check()
        for directory in (WORK, Path(CABAL["HOME"])):
            directory.mkdir(parents=True, exist_ok=True)
        Path(CABAL["CABAL_CONFIG"]).touch()
        if not DATABASE.is_dir():
            self._tools.output(
                ("ghc-pkg", "init", str(DATABASE)), "the package database cannot be made"
            )
        for package in self._packages:
            self._package(package)
        return self._shipped()

    def _check(self) -> None:
        """See that what the packages were installed for is there, all of it at once."""
        here = {package.name for package in self._packages}
        problems = []
        for package in self._packages:
            wanted = [
                *(("C library", name, self._tools.has_library) for name in package.libraries),
                *(("pkg-config module", name, self._tools.has_module) for name in package.modules),
                *(
                    ("build tool", tool.program, self._tools.has_program)
                    for tool in package.tools
                    if tool.package not in here
                ),
            ]
            problems += [
                f"{package.identity} needs the {kind} {name}"
                for kind, name, is_there in wanted
                if not is_there(name)
            ]
        if problems:
            raise StepError(
                "foreign parts are missing",
                lines=problems,
                hint="say which package brings it: stack_haskell_system_packages:"
                " {NAME: libNAME-dev}, or rootfs_build_packages",
            )

    def _package(self, package: Package) -> None:
        directory = Path(package.file).parent
        setup = self._setup(package, directory)
        executables = [f"exe:{name}" for name in package.executables]
        if not package.componentwise:
            library = ["lib:" + package.name] if package.library else []
            self._component(package, setup, "", [*library, *executables], library=package.library)
            return
        if package.library:
            component = f"lib:{package.name}"
            self._component(package, setup, component, [], library=True)
        for component in executables:
            self._component(package, setup, component, [], library=False)

    def _setup(self, package: Package, directory: Path) -> list[str]:
        """Return the command that is the package's Setup, compiled where it is its own."""
        if package.build_type != "Custom":
            return ["cabal", "act-as-setup", f"--build-type={package.build_type}", "--"]
        made = WORK / "setup" / package.identity
        made.mkdir(parents=True, exist_ok=True)
        source = next(
            (name for name in ("Setup.hs", "Setup.lhs") if (directory / name).is_file()), "Setup.hs"
        )
        command = [
            "ghc", "--make", "-package-env=-", "-clear-package-db", "-global-package-db",
            f"-package-db={DATABASE}", f"-outputdir={made}", "-o", f"{made}/setup", source,
        ]  # fmt: skip
        self._run(command, "its Setup does not compile", package, directory)
        return [f"{made}/setup"]

    def _component(
        self,
        package: Package,
        setup: list[str],
        component: str,
        targets: list[str],
        *,
        library: bool,
    ) -> None:
        directory = Path(package.file).parent
        build = WORK / "build" / package.identity / (component.replace(":", "-") or "all")
        where = f"--builddir={build}"
        what = component or "it"
        configure = [*setup, "configure", where, *self._flags(package), *filter(None, [component])]
        self._run(configure, f"{what} cannot be configured", package, directory)
        self._run(
            [*setup, "build", where, *targets], f"{what} does not compile", package, directory
        )
        copy = [*setup, "copy", where, *targets]
        self._run(copy, f"{what} cannot be installed", package, directory)
        if library:
            register = [*setup, "register", where]
            self._run(register, f"{what} cannot be registered", package, directory)

    def _flags(self, package: Package) -> list[str]:
        manner = self._manner
        options = [
            option
            for name, option in self._plan["options"]
            if name == package.name or (name == "*" and package.name in self._plan["local"])
        ]
        return [
            "--ghc", "--global", f"--prefix={INSTALLED}", "--datasubdir=$pkgid",
            "--package-db=clear", "--package-db=global", f"--package-db={DATABASE}",
            "--disable-tests", "--disable-benchmarks",
            f"--flags={' '.join(package.flags)}",
            f"--{'enable' if manner.dynamic else 'disable'}-executable-dynamic",
            f"--{'enable' if manner.profiling else 'disable'}-profiling",
            f"--{'enable' if manner.strip else 'disable'}-executable-stripping",
            f"--{'enable' if manner.strip else 'disable'}-library-stripping",
            *(f"--ghc-option={option}" for option in options),
        ]  # fmt: skip

    def _run(self, command: Iterable[str], what: str, package: Package, directory: Path) -> None:
        try:
            self._tools.output(command, what, package.identity, "", directory, CABAL)
        except StepError as error:
            raise StepError(error.what, error.where, error.lines, _advice(error.lines)) from error

    def _shipped(self) -> dict[str, Any]:
        """Return what the image runs, and what of the build container it is made of."""
        plan = self._plan
        programs = [f"{INSTALLED}/bin/{name}" for some in plan["roots"].values() for name in some]
        database = parse(
            self._tools.output(
                ("ghc-pkg", "dump", "--global", f"--package-db={DATABASE}"),
                "GHC does not say what libraries there are",
            )
        )
        wanted = {need.name for package in self._packages for need in package.dependencies}
        libraries = closure(database, wanted | {package.name for package in self._packages})
        own = {package.name for package in self._packages if package.name in plan["local"]}
        data = self._data(programs, [item for item in libraries if item.name not in own])
        own_data = [
            f"{INSTALLED}/share/{package.identity}"
            for package in self._packages
            if package.name in plan["local"] and package.data_files
        ]
        main = [package for package in self._packages if plan["main"] in package.executables]
        return {
            "command": [f"{INSTALLED}/bin/{plan['main']}"] if plan["main"] else [],
            "labels": _labels(main[0]) if main else {},
            "programs": [*programs, *(path for path in own_data if Path(path).is_dir())],
            "libraries": self._shared(programs) if self._manner.dynamic else [],
            "data": data,
            "licences": _licences(libraries),
            "components": self._components(programs, libraries),
        }

    def _components(
        self, programs: list[str], libraries: Iterable[InstalledLibrary]
    ) -> list[dict[str, Any]]:
        """Return what the programs are made of: the packages of the plan, what they are linked
        from, and the compiler's own part."""
        compiler = self._tools.output(
            ("ghc", "--numeric-version"), "GHC does not say which version it is"
        )
        found = {("generic", "ghc", compiler.strip()): "BSD-3-Clause"}
        found |= {
            ("hackage", item.package, item.version): item.licence
            for item in libraries
            # What runs every program is the compiler's, what names libstdc++ is nothing itself.
            if item.package not in ("rts", "system-cxx-std-lib")
        }
        found |= {
            ("hackage", package.name, package.version): package.licence
            for package in self._packages
        }
        return [
            {
                "type": kind,
                "name": name,
                "version": version,
                "licence": "" if licence == "NONE" else licence,
                "paths": programs,
            }
            for (kind, name, version), licence in sorted(found.items())
            if version
        ]

    def _data(self, programs: Iterable[str], libraries: Iterable[InstalledLibrary]) -> list[str]:
        """Return the data of libraries that a program of ours names by its path."""
        texts = [Path(program).read_bytes() for program in programs]
        found = []
        for library in libraries:
            path = library.data_directory
            if path and Path(path).is_dir() and any(path.encode() in text for text in texts):
                found.append(path)
        return found

    def _shared(self, programs: Iterable[str]) -> list[str]:
        """Return the files of Haskell's libraries that dynamic programs load."""
        found = set()
        for program in programs:
            text = self._tools.output(("ldd", program), "a program cannot be loaded", program)
            found |= set(re.findall(r"=> (/\S*/libHS\S+\.so)", text))
        return sorted(found)


def _labels(package: Package) -> dict[str, str]:
    labels = {
        "org.opencontainers.image.title": package.name,
        "org.opencontainers.image.version": package.version,
        "org.opencontainers.image.description": package.synopsis,
        "org.opencontainers.image.licenses": "" if package.licence == "NONE" else package.licence,
        "org.opencontainers.image.url": package.homepage,
    }
    return {name: value for name, value in labels.items() if value}


def _licences(libraries: Iterable[InstalledLibrary]) -> list[str]:
    """Return the licences of the distribution's libraries that a program is linked from."""
    paths = {"/usr/share/doc/ghc/copyright"}
    paths |= {f"/usr/share/doc/libghc-{item.name.lower()}-dev/copyright" for item in libraries}
    return sorted(path for path in paths if Path(path).exists())


def _advice(lines: Iterable[str]) -> str:
    for line in lines:
        if found := _HEADER.search(line):
            return (
                f"{found[1]} is missing: name the package that has it in rootfs_build_packages"
                " (such as libNAME-dev)"
            )
        if found := _PROGRAM.search(line):
            return (
                f"{found[1]} is missing: name the package that has this program in"
                " rootfs_build_packages, and in rootfs_packages where the app runs it as well"
            )
        if "multiple versions of the same package" in line:
            return (
                "a library from Hackage and one of the distribution want another version of the"
                " same package: pin a version that fits the distribution's"
            )
    return ""
