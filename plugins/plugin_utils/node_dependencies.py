"""The dependencies of a Node project: what can be said of them before any is fetched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nodesemver
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    manifest,
    mapping_of,
    satisfies,
    text_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_workspaces import Place

from rootfs_ansible.errors import InputError

_LINKS = ("file:", "link:", "portal:")
DEPENDENCY_FIELDS = ("dependencies", "optionalDependencies", "devDependencies")
"""The fields of package.json whose packages a build may install."""

_HOSTED = re.compile(r"(git[@:+]|ssh:|github:|gitlab:|bitbucket:|gist:)|[^@:/.~][^@:/]*/[^:/]+$")


def compare_lock(place: Place, lock: str) -> None:
    """Compare npm's lock file with every package.json, as far as versions and names tell.

    Raises ``InputError`` with all that ``npm ci`` would refuse among the direct dependencies: a
    package that the lock does not have, or has at a version out of range.
    """
    locked = mapping_of(manifest(place.root / lock), "packages")
    if not locked:
        return  # Version 1 of the format; npm compares it itself.
    problems = []
    overridden = mapping_of(place.root_package, "overrides")
    for path, package in ((place.root, place.root_package), *place.members):
        home = "" if path == place.root else f"{place.relative(path)}/"
        for field in ("dependencies", "devDependencies"):
            for name, wanted in sorted(mapping_of(package, field).items()):
                if name in overridden or not isinstance(wanted, str):
                    continue
                entry = locked.get(f"{home}node_modules/{name}", locked.get(f"node_modules/{name}"))
                where = f"{home}package.json: {field}.{name}"
                if not isinstance(entry, Mapping):
                    problems.append(f"{where} ({wanted}) is missing from the lock")
                elif not _fits(text_of(entry, "version"), wanted):
                    found = text_of(entry, "version")
                    problems.append(f"{where} wants {wanted}, the lock has {found}")
    if problems:
        raise InputError(
            f"{lock} does not agree with package.json",
            details=problems,
            hint=f"run npm install and commit {lock}",
        )


def _fits(version: str, wanted: str) -> bool:
    """Say whether a locked version is one that is wanted; what is no range of versions, is."""
    if nodesemver.valid(version, loose=True) is None or "-" in version + wanted:
        return True
    if nodesemver.valid_range(wanted, loose=True) is None:
        return True
    return satisfies(version, wanted)


def locked(root: Path, lock: str, prefix: str) -> list[dict[str, Any]]:
    """Return what npm's lock file in ``root`` pins of what is installed below ``prefix`` for
    production, as components: each with the digest of its archive."""
    if not lock.endswith(".json"):
        return []
    found = []
    for place, entry in sorted(mapping_of(manifest(root / lock), "packages").items()):
        if not isinstance(entry, Mapping) or entry.get("dev") or entry.get("link"):
            continue
        name = text_of(entry, "name") or place.rpartition("node_modules/")[2]
        digests = [one for one in text_of(entry, "integrity").split() if one.startswith("sha512-")]
        if place and digests and text_of(entry, "version"):
            found.append(
                {
                    "type": "npm",
                    "name": name,
                    "version": text_of(entry, "version"),
                    "integrity": digests[0],
                    "paths": [f"{prefix}/{place}/package.json"],
                }
            )
    return found


def dependency_warnings(place: Place) -> list[str]:
    """Return what may fail to be fetched: dependencies from git hosts, links to nothing."""
    warnings = []
    for directory, field, name, spec in _declared(place):
        if _HOSTED.match(spec) and not _is_local(spec):
            warnings.append(
                f"{field}.{name} comes from a git repository ({spec}): fetching it needs that"
                " host to be reachable, and git in the build container"
                " (rootfs_build_packages: [git])"
            )
        elif _is_local(spec) and not _target(directory, spec).exists():
            warnings.append(f"{field}.{name}: {spec} does not exist")
    return warnings


def check_links(place: Place, *, development: bool) -> None:
    """See that the sources hold what they depend on by its path: they alone are copied.

    ``development`` counts the development dependencies, which are installed for a build. Raises
    ``InputError`` with all that lies elsewhere.
    """
    outside = [
        f"{field}.{name} ({spec})"
        for directory, field, name, spec in _declared(place)
        if (development or field != "devDependencies")
        and _is_local(spec)
        and not _target(directory, spec).is_relative_to(place.root)
    ]
    if outside:
        raise InputError(
            f"depends on what lies outside of its sources, {place.root}: {', '.join(outside)}",
            hint="make both members of a workspace above them, or copy it below the sources",
        )


def _declared(place: Place) -> Iterator[tuple[Path, str, str, str]]:
    """Yield what the root and the app depend on: whose directory, which field, name and spec."""
    for directory, package in {place.root: place.root_package, place.app: place.package}.items():
        for field in DEPENDENCY_FIELDS:
            for name, spec in sorted(mapping_of(package, field).items()):
                if isinstance(spec, str):
                    yield directory, field, name, spec


def _is_local(spec: str) -> bool:
    """Say whether a dependency is a directory or an archive (npm, package.json, local paths)."""
    return spec.startswith((*_LINKS, "./", "../", "~/", "/"))


def _target(directory: Path, spec: str) -> Path:
    for link in _LINKS:
        spec = spec.removeprefix(link)
    return (directory / Path(spec).expanduser()).resolve()
