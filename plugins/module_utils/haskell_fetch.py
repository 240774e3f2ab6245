"""What a Haskell project needs: found and fetched before it is compiled.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils.haskell_archive import Archive
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import Package
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_settings import (
    Settings,
    package_files,
    settings,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_tools import (
    CABAL,
    WORK,
    Tools,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

SOURCES = WORK / "sources"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the options say: which executables (``NAME`` or ``PACKAGE:NAME``; none: all), which
    one the image runs, flags by package, the Hackage repository, whether for profiling, and the
    distribution's package of a foreign library, module or tool where the rules do not find it."""

    executables: tuple[str, ...] = ()
    main: str = ""
    command_needed: bool = True
    flags: Mapping[str, str] = field(default_factory=dict)
    repository: str = ""
    profiling: bool = False
    system_packages: Mapping[str, str] = field(default_factory=dict)


class Fetch:
    """The search for all that one project needs."""

    def __init__(self, prefix: Path, cabal_file: str, tools: Tools, wishes: Wishes) -> None:
        self.warnings: list[str] = []
        self._prefix = prefix
        self._cabal_file = cabal_file
        self._tools = tools
        self._wishes = wishes
        self._fetched: dict[str, Path] = {}
        self._updated = False

    def fetch(self) -> dict[str, Any]:
        """Fetch the sources that the distribution lacks; return its packages, and the plan.

        Raises ``StepError`` with everything that neither has.
        """
        said = self._settings()
        files = self._files(said)
        archive, installed = self._tools.archive(), self._tools.installed()
        local = self._describe(said, files, archive, installed, {})
        roots = chosen(local, self._wishes.executables)
        wanted: dict[str, tuple[str, ...]] = {
            package.name: roots.get(package.name, ()) for package in local
        }
        pins = dict(said.pins) if self._wishes.repository else {}
        while True:
            paths = (*files, *self._fetched.values())
            known = self._describe(said, paths, archive, installed, wanted)
            packages = reached(known, roots)
            lacking = self._lacking(packages, known, archive)
            new = sorted(name for name in lacking - set(self._fetched) if name in pins)
            for name in new:
                self._get(name, pins[name])
            # Of a package that others need, only the tools among its executables are wanted.
            needed = dict.fromkeys(self._fetched, ()) | _tools_of(packages, roots)
            if not new and needed.items() <= wanted.items():
                break
            wanted |= needed
        found = _Found(self._tools, self._wishes, archive, installed, said)
        debs = found.packages(packages, {package.name for package in known})
        return {
            "packages": sorted({*debs, *archive.with_data(debs)}),
            "plan": {
                "packages": [package.to_json() for package in ordered(packages)],
                "roots": {name: list(executables) for name, executables in roots.items()},
                "local": [package.name for package in local],
                "main": main_of(roots, self._wishes),
                "options": [list(option) for option in said.options],
            },
        }

    def _settings(self) -> Settings:
        project = self._prefix / "cabal.project"
        said = settings(
            self._tools.project(project),
            self._tools.project(self._prefix / "cabal.project.freeze"),
        )
        if said.unfollowed:
            self.warnings.append(
                f"cabal.project says what is not followed: {', '.join(said.unfollowed)}"
            )
        return said

    def _files(self, said: Settings) -> tuple[Path, ...]:
        if self._cabal_file:
            return (self._prefix / self._cabal_file,)
        return package_files(self._prefix, said.packages)

    def _describe(
        self,
        said: Settings,
        files: Iterable[Path],
        archive: Archive,
        installed: Mapping[str, str],
        wanted: Mapping[str, Sequence[str]],
    ) -> tuple[Package, ...]:
        available = {name: library.version for name, library in archive.libraries.items()}
        lines = [
            f"available {name} {version}" for name, version in {**available, **installed}.items()
        ]
        lines += [f"constraint {name} {text}" for name, text in said.constraints]
        # The last word counts.
        flags = (*said.flags, *self._wishes.flags.items())
        lines += [f"flag {name} {text}" for name, text in flags if name != "*"]
        lines += [f"executables {name} {' '.join(some)}" for name, some in wanted.items()]
        lines += [f"package {path}" for path in files]
        return self._tools.packages(lines, self._prefix)

    def _lacking(
        self, packages: Iterable[Package], known: Iterable[Package], archive: Archive
    ) -> set[str]:
        """Return the names of the packages that the distribution does not satisfy."""
        here = {package.name for package in known}
        return {
            *(lack.name for package in packages for lack in package.missing),
            *(
                tool.package
                for package in packages
                for tool in package.tools
                if tool.package not in here
                and not self._tools.has_program(tool.program)
                and not archive.program(tool.package, tool.program)
            ),
        }

    def _get(self, name: str, version: str) -> None:
        repository = self._wishes.repository
        WORK.mkdir(parents=True, exist_ok=True)
        (WORK / "config").write_text(
            f"repository rootfs\n  url: {repository}\nremote-repo-cache: {WORK}/packages\n"
        )
        hint = "see stack_haskell_repository and cabal.project.freeze"
        if not self._updated and not repository.startswith("file+noindex:"):
            self._tools.output(
                ("cabal", "update"), "the repository does not answer", repository, hint,
                environment=CABAL,
            )  # fmt: skip
        self._updated = True
        self._tools.output(
            ("cabal", "get", f"{name}-{version}", f"--destdir={SOURCES}"),
            f"{name}-{version} could not be fetched", repository, hint, environment=CABAL,
        )  # fmt: skip
        self._fetched[name] = next((SOURCES / f"{name}-{version}").glob("*.cabal"))


class _Found:
    """The distribution's packages for what is needed, and all that nobody has."""

    def __init__(
        self,
        tools: Tools,
        wishes: Wishes,
        archive: Archive,
        installed: Mapping[str, str],
        said: Settings,
    ) -> None:
        self._tools = tools
        self._wishes = wishes
        self._archive = archive
        self._installed = installed
        self._pins = dict(said.pins)
        self._problems: list[str] = []
        self._unpinned = False
        self._foreign = False

    def packages(self, packages: Iterable[Package], sources: set[str]) -> set[str]:
        found = set()
        for package in packages:
            self._problems += [
                self._missing(package, lack.name, str(lack)) for lack in package.missing
            ]
            lacks = {lack.name for lack in package.missing}
            for dependency in package.dependencies:
                # Those of GHC itself are in no package of their own.
                library = self._archive.libraries.get(dependency.name)
                if library and dependency.name not in {*sources, *lacks}:
                    found |= self._library(library.package)
            found |= set(filter(None, self._foreign_packages(package, sources)))
        if self._problems:
            hints = []
            if self._unpinned:
                hints.append(
                    "what the distribution lacks is taken from Hackage in the version that"
                    " cabal.project.freeze says, where stack_haskell_repository is set"
                )
            if self._foreign:
                hints.append(
                    "say which package brings it: stack_haskell_system_packages:"
                    " {NAME: libNAME-dev}, or rootfs_build_packages"
                )
            raise StepError(
                "what it needs is not to be had", lines=self._problems, hint="; ".join(hints)
            )
        return found | ({"ghc-prof"} if self._wishes.profiling else set())

    def _library(self, package: str) -> set[str]:
        if not self._wishes.profiling:
            return {package}
        return {package, re.sub("-dev$", "-prof", package)}

    def _missing(self, package: Package, name: str, wanted: str) -> str:
        self._unpinned = True
        library = self._archive.libraries.get(name)
        version = self._installed.get(name) or (library.version if library else "")
        has = f"the distribution has {name} {version}" if version else "the distribution has none"
        pin = self._pins.get(name)
        pinned = f", cabal.project.freeze pins {pin}" if pin else ""
        return f"{package.identity} needs {wanted}: {has}{pinned}"

    def _foreign_packages(self, package: Package, sources: set[str]) -> Iterator[str]:
        wanted = [
            *(("C library", name, self._tools.has_library) for name in package.libraries),
            *(("pkg-config module", name, self._tools.has_module) for name in package.modules),
        ]
        for kind, name, is_there in wanted:
            if not is_there(name):
                yield self._package(package, kind, name, self._archive.development(name))
        for tool in package.tools:
            if tool.package not in sources and not self._tools.has_program(tool.program):
                brings = self._archive.program(tool.package, tool.program)
                yield self._package(package, "build tool", tool.program, brings)

    def _package(self, package: Package, kind: str, name: str, rule: str) -> str:
        found = self._wishes.system_packages.get(name, rule)
        if not found:
            self._foreign = True
            self._problems.append(
                f"{package.identity} needs the {kind} {name}:"
                " no package of the distribution is known for it"
            )
        return found


def chosen(local: Sequence[Package], wanted: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the executables to build by their package: the wanted ones, or all.

    Raises ``StepError`` with every one that is not there, and where there is none at all.
    """
    every = {package.name: package.executables for package in local}
    names = [f"{package}:{name}" for package, some in every.items() for name in some]
    if not names:
        raise StepError(
            "has no executable to build",
            ", ".join(package.file for package in local),
            [
                f"{package.name}: {name} is not buildable as its conditions are here"
                for package in local
                for name in package.declared
            ],
            "an image needs a program: add an executable section, or build the package that"
            " uses this library",
        )
    picked = [
        [name for name in names if name == wish or name.partition(":")[2] == wish]
        for wish in wanted
    ]
    problems = [
        f"{wish}: {'is in several packages: ' + ', '.join(found) if found else 'is not there'}"
        for wish, found in zip(wanted, picked, strict=True)
        if len(found) != 1
    ]
    if problems:
        raise StepError(
            "executables are not clear",
            "stack_haskell_executables",
            problems,
            f"name some of {', '.join(names)}",
        )
    taken = [name for found in picked for name in found] or names
    return {
        package: some
        for package in every
        if (some := tuple(n for p, _, n in (name.partition(":") for name in taken) if p == package))
    }


def main_of(roots: Mapping[str, Sequence[str]], wishes: Wishes) -> str:
    """Return the executable that the image runs: the only one, or the one that an option names."""
    names = [name for some in roots.values() for name in some]
    if wishes.main in names:
        return wishes.main
    if wishes.main or (len(names) > 1 and wishes.command_needed):
        raise StepError(
            f"there is no executable {wishes.main} among those that are built"
            if wishes.main
            else "has several executables, and nothing says which one the image runs",
            lines=names,
            hint=f"set stack_haskell_main to one of {', '.join(names)}, or rootfs_command",
        )
    return names[0] if len(names) == 1 else ""


def reached(known: Iterable[Package], roots: Iterable[str]) -> tuple[Package, ...]:
    """Return the packages that ``roots`` need, of those whose sources are here."""
    by_name = {package.name: package for package in known}
    todo, found = list(roots), dict[str, Package]()
    while todo:
        name = todo.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name]
            todo += _needs(found[name])
    return tuple(found.values())


def ordered(packages: Iterable[Package]) -> tuple[Package, ...]:
    """Return packages in the order in which they are built."""
    by_name = {package.name: package for package in packages}
    done: dict[str, Package] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise StepError("packages need each other", lines=[" → ".join((*above, name))])
        if name in by_name and name not in done:
            for need in _needs(by_name[name]):
                visit(need, (*above, name))
            done[name] = by_name[name]

    for name in sorted(by_name):
        visit(name, ())
    return tuple(done.values())


def _needs(package: Package) -> list[str]:
    names = [dependency.name for dependency in package.dependencies]
    names += [tool.package for tool in package.tools]
    return sorted(set(names) - {package.name})


def _tools_of(
    packages: Iterable[Package], roots: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Return the executables of each package that is built: its roots, and tools of the others."""
    packages = tuple(packages)
    return {
        package.name: tuple(
            sorted(
                {
                    *roots.get(package.name, ()),
                    *(
                        tool.program
                        for other in packages
                        for tool in other.tools
                        if tool.package == package.name
                    ),
                }
            )
        )
        for package in packages
    }
