"""What cabal.project and cabal.project.freeze say, as far as a build of ours follows it.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import Statement
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

_OWN = ("./*.cabal",)
_EXACT = re.compile(r"==\s*([0-9]+(?:\.[0-9]+)*)")
# What has no say in what is built, or what an option of ours says.
_SILENT = {
    "benchmarks", "documentation", "haddock-all", "index-state", "active-repositories", "jobs",
    "keep-going", "tests", "test-show-details", "verbose", "with-compiler", "build-summary",
    "semaphore", "write-ghc-environment-files", "optional-packages", "multi-repl",
    "allow-boot-library-installs", "reorder-goals", "max-backjumps", "minimize-conflict-set",
    "preferences", "package-dbs", "executable-stripping", "library-stripping", "shared", "static",
    "debug-info", "library-profiling", "profiling", "executable-dynamic", "store-dir",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """A project: its packages as globs, what it demands of versions and flags, by package.

    ``pins`` are the versions of cabal.project.freeze. ``options`` are those of GHC, with the
    package that they concern (``*``: every one of the project). ``unfollowed`` is what else is
    said, and not done.
    """

    packages: tuple[str, ...] = _OWN
    constraints: tuple[tuple[str, str], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()
    pins: tuple[tuple[str, str], ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    unfollowed: tuple[str, ...] = ()


def settings(project: Iterable[Statement], freeze: Iterable[Statement]) -> Settings:
    """Return what the two files say together."""
    project, freeze = tuple(project), tuple(freeze)
    globs = [item for s in project if s.kind == "packages" and not s.of for item in _list(s.value)]
    flags = [(s.of[0], s.value) for s in (*project, *freeze) if s.kind == "constraint-flags"]
    options: list[tuple[str, str]] = []
    unfollowed: dict[str, None] = {}
    for statement in project:
        package = _package(statement.of)
        if package and statement.kind == "flags":
            flags.append((package, " ".join(_signed(statement.value.split()))))
        elif package and statement.kind == "ghc-options":
            options += [(package, word) for word in statement.value.split()]
        elif package and statement.kind == "optimization":
            options.append((package, _optimization(statement.value.strip())))
        elif statement.kind not in {"packages", "constraint", "constraint-flags", *_SILENT} and (
            statement.kind != "constraint-source" or statement.value == "source"
        ):
            unfollowed[" ".join((*statement.of, statement.kind))] = None
    return Settings(
        packages=tuple(globs) or _OWN,
        constraints=tuple((s.of[0], s.value) for s in project if s.kind == "constraint"),
        flags=tuple(flags),
        pins=tuple(
            (s.of[0], found[1])
            for s in freeze
            if s.kind == "constraint" and (found := _EXACT.fullmatch(s.value.strip()))
        ),
        options=tuple(options),
        unfollowed=tuple(unfollowed),
    )


def package_files(root: Path, globs: Iterable[str]) -> tuple[Path, ...]:
    """Return the ``.cabal`` files that the ``packages`` of a project name.

    Raises ``StepError`` with all that match nothing, or a directory that has none or several.
    """
    found: dict[Path, None] = {}
    problems = []
    for glob in globs:
        if "://" in glob or glob.endswith((".tar.gz", ".tgz")):
            problems.append(f"{glob}: only packages that lie in the project are built")
            continue
        matches = [path for name in _braces(glob) for path in _matches(root, name)]
        files = [path for path in matches if path.suffix == ".cabal" and path.is_file()]
        for directory in (path for path in matches if path.is_dir()):
            held = sorted(directory.glob("*.cabal"))
            if len(held) > 1:
                names = ", ".join(path.name for path in held)
                problems.append(f"{glob}: {directory} has several .cabal files: {names}")
            files += held
        if not files:
            problems.append(f"{glob}: matches no .cabal file")
        found |= dict.fromkeys(files)
    if problems:
        raise StepError("the packages of the project are not clear", "cabal.project", problems)
    return tuple(found)


def _matches(root: Path, glob: str) -> list[Path]:
    glob = glob.removeprefix("./").rstrip("/")
    return [root] if glob in ("", ".") else sorted(root.glob(glob))


def _package(of: tuple[str, ...]) -> str:
    """Return the package that the fields of a section concern; at the top those of the project."""
    if not of:
        return "*"
    return of[1] if len(of) == 2 and of[0] == "package" else ""


def _list(value: str) -> list[str]:
    """Return the items of a list, parted by commas or space, some in quotes."""
    return [word.strip('"') for word in re.split(r"[,\s]+(?![^{]*\})", value) if word.strip('"')]


def _signed(flags: Iterable[str]) -> list[str]:
    return [flag if flag[0] in "+-" else f"+{flag}" for flag in flags]


def _optimization(value: str) -> str:
    return {"true": "-O1", "false": "-O0"}.get(value.lower(), f"-O{value}")


def _braces(glob: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", glob)
    if not found:
        return [glob]
    head, tail = glob[: found.start()], glob[found.end() :]
    return [whole for part in found[1].split(",") for whole in _braces(f"{head}{part}{tail}")]
