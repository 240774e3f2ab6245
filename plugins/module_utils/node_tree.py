"""The packages that lie in a project's node_modules directories, whoever installed them.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

INSTALL_SCRIPTS = ("preinstall", "install", "postinstall")
"""The scripts that run when a package is installed, in their order (npm, scripts)."""

_STORE = ".pnpm"
_STATE = {
    ".cache", ".modules.yaml", ".package-lock.json", ".pnpm-workspace-state.json",
    ".pnpm-workspace-state-v1.json", ".vite", ".vite-temp", ".yarn-integrity", ".yarn-state.yml",
}  # fmt: skip
"""What package managers and bundlers keep for themselves in node_modules."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package: its real directory and its package.json."""

    directory: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """The name it gives itself, else that of its directory."""
        return str(self.manifest.get("name") or self.directory.name)

    @property
    def is_local(self) -> bool:
        """Whether it is part of the sources: a workspace, or a directory that a link names."""
        return "node_modules" not in self.directory.parts

    @property
    def scripts(self) -> dict[str, str]:
        """Its scripts; a binding.gyp implies ``node-gyp rebuild`` (npm, scripts)."""
        scripts = {
            name: line
            for name, line in _object(self.manifest, "scripts").items()
            if isinstance(line, str) and line.strip()
        }
        implied = (self.directory / "binding.gyp").is_file() and self.manifest.get("gypfile", True)
        if implied and not {"install", "preinstall"} & set(scripts):
            scripts["install"] = "node-gyp rebuild"
        return scripts

    @property
    def programs(self) -> dict[str, str]:
        """Its executables by name, as paths below its directory."""
        programs = self.manifest.get("bin")
        if isinstance(programs, str):
            return {self.name.rpartition("/")[2]: programs}
        return {
            name: path
            for name, path in _object(self.manifest, "bin").items()
            if isinstance(path, str)
        }

    @property
    def dependencies(self) -> dict[str, Any]:
        """What it depends on: names, and which versions or places of them."""
        return _object(self.manifest, "dependencies")

    @property
    def engine(self) -> str:
        """The versions of node that it runs on, as a range; empty where it does not say."""
        wanted = _object(self.manifest, "engines").get("node")
        return wanted.strip() if isinstance(wanted, str) else ""

    @property
    def label(self) -> str:
        """Its name with its version, where it has one."""
        version = self.manifest.get("version")
        return f"{self.name}@{version}" if version else self.name

    @property
    def requirements(self) -> tuple[str, ...]:
        """The names of the packages without which it does not work.

        Optional peers do not count: only who lists them as a dependency gets them.
        """
        optional_peers = {
            name
            for name, meta in _object(self.manifest, "peerDependenciesMeta").items()
            if isinstance(meta, dict) and meta.get("optional")
        }
        names = {
            *_object(self.manifest, "dependencies"),
            *(set(_object(self.manifest, "peerDependencies")) - optional_peers),
        }
        bundled = self.manifest.get("bundleDependencies", self.manifest.get("bundledDependencies"))
        if isinstance(bundled, list):
            names |= {name for name in bundled if isinstance(name, str)}
        return tuple(sorted(names - set(self.options)))

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the packages that it uses where they could be installed."""
        return tuple(sorted(_object(self.manifest, "optionalDependencies")))

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the packages that only its development needs."""
        return tuple(sorted(_object(self.manifest, "devDependencies")))


@dataclass(slots=True)
class Selection:
    """The packages that some packages need, dependencies first; the ``entries`` of node_modules
    that lead there, and which directory was ``found`` from which package by which name."""

    packages: dict[Path, Package] = field(default_factory=dict)
    entries: set[Path] = field(default_factory=set)
    found: dict[tuple[Path, str], Path] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[tuple[Package, str], ...]:
        """What packages of the sources depend on and nobody fetched."""
        return tuple(
            (package, name)
            for package in self.local
            for name in sorted(set(package.dependencies) - set(package.options))
            if (package.directory, name) not in self.found
        )

    def add(self, entry: Path, root: Path) -> None:
        """Add the package that an entry of node_modules leads to, and what it needs."""
        found = select(root, (entry,), development=False)
        self.packages |= found.packages
        self.entries |= {entry, *found.entries}
        self.found |= found.found

    def drop(self, pattern: str) -> None:
        """Forget the fetched packages whose names match a glob, and the ways to them."""
        dropped = {item.directory for item in self.installed if fnmatchcase(item.name, pattern)}
        self.packages = {
            directory: item for directory, item in self.packages.items() if directory not in dropped
        }
        self.entries = {entry for entry in self.entries if entry.resolve() not in dropped}

    @property
    def local(self) -> tuple[Package, ...]:
        """The packages that are part of the sources, dependencies first."""
        return tuple(package for package in self.packages.values() if package.is_local)

    @property
    def installed(self) -> tuple[Package, ...]:
        """The packages that were fetched, dependencies first."""
        return tuple(package for package in self.packages.values() if not package.is_local)


def read(directory: Path) -> Package:
    """Return the package in a directory; an unreadable package.json counts as an empty one."""
    try:
        data = json.loads((directory / "package.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        data = {}
    return Package(directory.resolve(), data if isinstance(data, dict) else {})


def select(
    root: Path, starts: tuple[Path, ...], *, development: bool, optional: bool = True
) -> Selection:
    """Return what the packages in ``starts`` need, as node itself finds it from each of them.

    ``development`` follows the development dependencies of the packages that are part of the
    sources, ``optional`` the optional ones of all. ``root`` is where node's search ends.
    """
    selection = Selection()
    root = root.resolve()
    visiting: set[Path] = set()

    def visit(package: Package) -> None:
        if package.directory in visiting:
            return
        visiting.add(package.directory)
        names = {*package.requirements, *(package.options if optional else ())}
        if development and package.is_local:
            names |= set(package.tools)
        for name in sorted(names):
            entry = locate(name, package.directory, root)
            if entry is not None:
                needed = read(entry)
                selection.entries.add(entry)
                selection.found[package.directory, name] = needed.directory
                visit(needed)
        selection.packages[package.directory] = package

    for start in starts:
        visit(read(start))
    return selection


def locate(name: str, directory: Path, root: Path) -> Path | None:
    """Return where node finds a package from a directory (Node.js, NODE_MODULES_PATHS)."""
    for above in (directory, *directory.parents):
        if above.name == "node_modules":
            continue
        entry = above / "node_modules" / name
        if entry.is_dir():
            return entry
        if above == root:
            break
    return None


def prune(root: Path, selection: Selection, *, final: bool) -> tuple[str, ...]:
    """Remove what ``selection`` does not have from the node_modules of its local packages.

    What scripts generate there in a dot directory stays; ``final`` takes what only package
    managers and shells use. Returns the names of the removed packages.
    """
    removed: list[str] = []
    directories = modules_directories(root, selection)
    for directory in directories:
        _prune_directory(directory, selection, removed, final=final)
    for directory in directories:
        _drop_programs(directory, final=final)
    return tuple(sorted(set(removed)))


def program(name: str, package: Package, root: Path) -> Path | None:
    """Return the file of the executable ``name`` that one of a package's dependencies brings."""
    names = (*package.requirements, *package.options)
    for needed in sorted(names, key=lambda needed: (needed.rpartition("/")[2] != name, needed)):
        entry = locate(needed, package.directory, root)
        if entry is not None:
            path = read(entry).programs.get(name)
            if path is not None:
                return entry / path
    return None


def modules_directories(root: Path, selection: Selection) -> tuple[Path, ...]:
    """Return the node_modules directories that are shipped: the root's and the local packages'."""
    homes = {root.resolve(), *(package.directory for package in selection.local)}
    found = (home / "node_modules" for home in sorted(homes))
    return tuple(path for path in found if path.is_dir())


def _prune_directory(
    modules: Path, selection: Selection, removed: list[str], *, final: bool
) -> None:
    if not modules.is_dir() or modules.is_symlink():
        return
    for entry in sorted(modules.iterdir()):
        if entry.name == _STORE:
            if final:
                (entry / "lock.yaml").unlink(missing_ok=True)
            for stored in sorted(entry.iterdir()):
                _prune_directory(stored / "node_modules", selection, removed, final=final)
                if stored.name != "node_modules" and stored.is_dir() and not _holds(stored):
                    _remove(stored)
            _prune_hoisted(entry / "node_modules", selection)
        elif final and entry.name in _STATE:
            _remove(entry)
        elif entry.name.startswith("."):
            continue
        elif entry.name.startswith("@") and entry.is_dir() and not entry.is_symlink():
            for scoped in sorted(entry.iterdir()):
                _prune_entry(scoped, f"{entry.name}/{scoped.name}", selection, removed, final=final)
            if not any(entry.iterdir()):
                entry.rmdir()
        else:
            _prune_entry(entry, entry.name, selection, removed, final=final)


def _prune_entry(
    entry: Path, name: str, selection: Selection, removed: list[str], *, final: bool
) -> None:
    if entry.is_symlink():
        if entry not in selection.entries:
            entry.unlink()
            removed.append(name)
    elif not entry.is_dir():
        _remove(entry)
    elif entry.resolve() in selection.packages:
        _prune_directory(entry / "node_modules", selection, removed, final=final)
    else:
        _remove(entry)
        removed.append(name)


def _prune_hoisted(modules: Path, selection: Selection) -> None:
    """Keep of pnpm's hoisted links those to packages that stay: undeclared needs find them."""
    if not modules.is_dir():
        return
    for entry in sorted(_entries(modules)):
        if entry.is_symlink() and entry.resolve() not in selection.packages:
            entry.unlink()
            if not any(entry.parent.iterdir()):
                entry.parent.rmdir()
    if modules.is_dir() and not any(modules.iterdir()):
        modules.rmdir()


def _entries(modules: Path) -> Iterator[Path]:
    for entry in list(modules.iterdir()):
        if entry.name.startswith("@") and entry.is_dir() and not entry.is_symlink():
            yield from entry.iterdir()
        else:
            yield entry


def _holds(stored: Path) -> bool:
    """Say whether a directory of pnpm's store still has a package, or what a script made."""
    modules = stored / "node_modules"
    return modules.is_dir() and any(modules.iterdir())


def _drop_programs(modules: Path, *, final: bool) -> None:
    """Remove executables whose package is gone, in the end also those that are shell scripts."""
    for at, directories, files in os.walk(modules):
        path = Path(at)
        if path.name != ".bin":
            continue
        directories.clear()
        for entry in (path / name for name in files):
            if not entry.exists() or (final and not entry.is_symlink()):
                entry.unlink()
        if not any(path.iterdir()):
            path.rmdir()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _object(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    value = manifest.get(name)
    return value if isinstance(value, dict) else {}
