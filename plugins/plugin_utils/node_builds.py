"""The scripts that build a Node project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.node_dependencies import (
    DEPENDENCY_FIELDS,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    mapping_of,
    text_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_workspaces import Place

from rootfs_ansible.errors import InputError


@dataclass(frozen=True, slots=True)
class Build:
    """A script that builds: the directory of its package below the sources, and its name."""

    directory: str
    script: str


def builds(place: Place, asked: Sequence[str]) -> tuple[Build, ...]:
    """Return the scripts that build the app: those of the packages that it needs, then its own. A
    root that builds its workspaces itself is asked alone.

    ``asked`` is ``auto`` (``build``, where there is one), ``true`` (the app has it), ``false``,
    or the names of scripts: a package runs those of them that it has, or else its ``build``.
    """
    said = [word.lower() for word in asked]
    if said in ([], ["false"]):
        return ()
    names = [] if said in (["auto"], ["true"]) else list(asked)
    own = _building(place.package, names)
    if said == ["true"] and not own:
        raise InputError(
            "stack_node_build is true, but there is no build script",
            hint="name the scripts that build it, such as stack_node_build: [compile]",
        )
    if place.app == place.root and own:
        packages: Sequence[tuple[Path, Mapping[str, Any]]] = [(place.app, place.package)]
    else:
        packages = _needed(place)
    there = {
        name
        for data in (place.package, *(data for _, data in packages))
        for name in mapping_of(data, "scripts")
    }
    missing = set(names) - there
    if missing:
        raise InputError(
            f"stack_node_build: there is no script {', '.join(sorted(missing))}",
            hint=f"there are {', '.join(sorted(there))}" if there else "",
        )
    return tuple(
        Build(place.relative(path), name)
        for path, data in packages
        for name in _building(data, names)
    )


def _building(package: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    scripts = mapping_of(package, "scripts")
    found = tuple(name for name in names if scripts.get(name))
    return found or (("build",) if scripts.get("build") else ())


def _needed(place: Place) -> list[tuple[Path, Mapping[str, Any]]]:
    """Return the packages of the repository that the app needs, dependencies first, and itself; a
    root needs all."""
    by_name = {text_of(data, "name"): (path, data) for path, data in place.members}
    starts: Sequence[tuple[Path, Mapping[str, Any]]] = [(place.app, place.package)]
    if place.app == place.root:
        starts = place.members
    ordered: dict[Path, Mapping[str, Any]] = {}
    entered: set[Path] = set()

    def visit(path: Path, package: Mapping[str, Any]) -> None:
        if path in entered:
            return
        entered.add(path)
        for field in (*DEPENDENCY_FIELDS, "peerDependencies"):
            for name in sorted(mapping_of(package, field)):
                if name in by_name:
                    visit(*by_name[name])
        ordered[path] = package

    for start in starts:
        visit(*start)
    return list(ordered.items())
