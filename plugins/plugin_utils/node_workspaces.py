"""The workspaces of a Node project: its root, its members, and which of them is the app."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manager import LOCKS
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    braces,
    manifest,
    plain,
    settings,
    text_of,
)

from rootfs_ansible.errors import InputError


@dataclass(frozen=True, slots=True)
class Place:
    """Where an app is: the root of its sources, its own directory, its fellow packages."""

    root: Path
    root_package: Mapping[str, Any]
    app: Path
    package: Mapping[str, Any]
    members: tuple[tuple[Path, Mapping[str, Any]], ...]

    def relative(self, path: Path) -> str:
        """Return a directory as a path below the root."""
        return path.relative_to(self.root).as_posix()


def place_of(directory: Path, workspace: str) -> Place:
    """Return where the app in ``directory`` is, or that ``workspace`` of it."""
    given = manifest(directory / "package.json")
    root = _root_above(directory, given)
    root_package = given if root == directory else manifest(root / "package.json")
    members = workspaces(root, root_package)
    app = _chosen(directory, root, members, workspace)
    package = given if app == directory else manifest(app / "package.json")
    if app != root and any((app / lock).is_file() for lock, _ in LOCKS):
        # A member with a lock of its own is installed by itself.
        return Place(app, package, app, package, ())
    return Place(root, root_package, app, package, members)


def workspaces(root: Path, package: Mapping[str, Any]) -> tuple[tuple[Path, dict[str, Any]], ...]:
    """Return the packages that a workspace root has besides itself, each with its package.json."""
    found: dict[Path, dict[str, Any]] = {}
    for declared in _workspace_patterns(root, package):
        for pattern in map(plain, braces(declared.removeprefix("!"))):
            if declared.startswith("!"):
                found = {
                    path: data
                    for path, data in found.items()
                    if not fnmatch.fnmatch(path.relative_to(root).as_posix(), pattern)
                }
            elif pattern:  # An empty one is the root itself.
                found |= dict(_members(root, pattern))
    return tuple(sorted(found.items()))


def _members(root: Path, pattern: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(root.glob(pattern)):
        if (
            path != root
            and "node_modules" not in path.relative_to(root).parts
            and (path / "package.json").is_file()
        ):
            yield path, manifest(path / "package.json")


def _workspace_patterns(root: Path, package: Mapping[str, Any]) -> tuple[str, ...]:
    declared = package.get("workspaces")
    if isinstance(declared, Mapping):
        declared = declared.get("packages")
    if declared is None:
        declared = settings(root / "pnpm-workspace.yaml").get("packages")
    if declared is None:
        return ()
    if not isinstance(declared, list) or not all(isinstance(item, str) for item in declared):
        raise InputError(
            f"workspaces: expected a list of directories, got {declared!r}",
            where=str(root / "package.json"),
        )
    return tuple(declared)


def _root_above(directory: Path, package: Mapping[str, Any]) -> Path:
    """Return the workspace root that has ``directory`` as a member, or ``directory`` itself."""
    if _workspace_patterns(directory, package):
        return directory
    for above in directory.parents:
        path = above / "package.json"
        if not path.is_file():
            continue
        try:
            members = workspaces(above, manifest(path))
        except InputError:
            continue  # A file that has nothing to do with this project.
        if directory in dict(members):
            return above
    return directory


def _chosen(
    directory: Path,
    root: Path,
    members: Sequence[tuple[Path, Mapping[str, Any]]],
    workspace: str,
) -> Path:
    if not workspace:
        return directory
    for path, data in members:
        if workspace in (text_of(data, "name"), path.relative_to(root).as_posix()):
            return path
    raise InputError(
        f"there is no workspace {workspace!r}",
        where=str(root),
        details=[
            f"{path.relative_to(root).as_posix()}: {text_of(data, 'name')}"
            for path, data in members
        ],
        hint="set stack_node_workspace to one of these, or leave it empty",
    )
