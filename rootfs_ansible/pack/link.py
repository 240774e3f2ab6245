"""Linking: the fragments of an image become its manifest, or one error says why they cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from rootfs_ansible.errors import LinkError
from rootfs_ansible.model.manifest import (
    Candidate,
    Edge,
    Entry,
    Fragment,
    Kind,
    Layer,
    Need,
    plain_name,
)
from rootfs_ansible.model.path import ROOT, ImagePath

_LINKS = 40
"""Symlinks on the way to a path before it counts as a loop, as in Linux's path_resolution(7)."""


def link(fragments: Sequence[Fragment], layers: Sequence[str]) -> Fragment:
    """Return the manifest of the image that ``fragments`` make, its ``layers`` lowest first.

    Every direct need is satisfied by an entry, from the package and version that the build saw,
    and has become an edge to it (what those need in turn, the closure of the fragment that brings
    them has followed); every path is owned once and lies in a directory that is owned; every
    entry has a reason. Two fragments that were made apart may bring the same directory, with the
    same attributes: the lowest layer owns it. A layer that no fragment brings, or that has no
    entry, is there without a digest. Raises ``LinkError`` with all problems.
    """
    owners = _owners(fragments, layers)
    entries = {path: found[0] for path, found in owners.items()}
    versions = _versions(fragments)
    needs = sorted({need for fragment in fragments for need in fragment.needs})
    satisfied = {need: resolved(need.path, entries) for need in needs if need.direct}
    edges = {edge for fragment in fragments for edge in fragment.edges}
    edges |= {
        Edge(need.source, str(path), need.kind, need.detail)
        for need, path in satisfied.items()
        if path is not None
    }
    problems = [
        *_layer_problems(fragments, layers),
        *_path_problems(owners),
        *_need_problems(satisfied, entries),
        *_version_problems(needs, versions),
        *_reason_problems(edges, entries),
    ]
    if problems:
        raise LinkError(
            "the parts of the image do not fit together",
            details=sorted(set(problems)),
            hint="packages that differ between the build and the staging container come from a"
            " root image older than the package archive: make the root image again",
        )
    return Fragment(
        layers=_linked_layers(fragments, layers),
        entries=tuple(entries[path] for path in sorted(entries, key=lambda path: path.parts)),
        edges=tuple(sorted(edges)),
        packages=tuple(sorted({item for fragment in fragments for item in fragment.packages})),
        omitted=tuple(sorted({item for fragment in fragments for item in fragment.omitted})),
        candidates=tuple(_lacking(fragments, entries)),
    )


def _lacking(
    fragments: Sequence[Fragment], entries: Mapping[ImagePath, Entry]
) -> Iterator[Candidate]:
    """Yield what the binaries of a fragment name and none of the others brings."""
    shipped = {path.text for path in entries}
    for item in sorted({item for fragment in fragments for item in fragment.candidates}):
        if item.path not in shipped:
            yield item


def _owners(fragments: Sequence[Fragment], layers: Sequence[str]) -> dict[ImagePath, list[Entry]]:
    """Return the entries of every path, the one of the lowest layer first."""
    height = {name: at for at, name in enumerate(layers)}
    owners: dict[ImagePath, list[Entry]] = {}
    for fragment in fragments:
        for entry in fragment.entries:
            owners.setdefault(entry.path, []).append(entry)
    for found in owners.values():
        if len(found) > 1:
            found.sort(key=lambda entry: height.get(entry.layer, len(height)))
    return owners


def _versions(fragments: Sequence[Fragment]) -> dict[tuple[str, str], set[str]]:
    versions: dict[tuple[str, str], set[str]] = {}
    for fragment in fragments:
        for package in fragment.packages:
            key = (package.name, package.architecture)
            versions.setdefault(key, set()).add(package.version)
    return versions


def _linked_layers(fragments: Sequence[Fragment], layers: Sequence[str]) -> tuple[Layer, ...]:
    brought = {layer.name: layer for fragment in fragments for layer in fragment.layers}
    filled = {entry.layer for fragment in fragments for entry in fragment.entries}
    return tuple(
        brought[name] if name in brought and name in filled else Layer(name, "", 0)
        for name in layers
    )


def _layer_problems(fragments: Sequence[Fragment], layers: Sequence[str]) -> Iterator[str]:
    brought = [layer.name for fragment in fragments for layer in fragment.layers]
    for name in sorted(set(brought)):
        if name not in layers:
            yield f"layer {name} is none of the image's: {', '.join(layers)}"
        if brought.count(name) > 1:
            yield f"layer {name} comes from {brought.count(name)} exports"


def _path_problems(owners: Mapping[ImagePath, Sequence[Entry]]) -> Iterator[str]:
    for path, found in owners.items():
        if len(found) > 1 and not _is_same_directory(found):
            yield f"{path} is owned twice, by the layers {' and '.join(e.layer for e in found)}"
        parent = owners.get(path.parent)
        if parent is None:
            if path.parent != ROOT:
                yield f"{path} (layer {found[0].layer}) is in a directory that no layer has"
        elif parent[0].kind is not Kind.DIRECTORY:
            yield (
                f"{path} (layer {found[0].layer}) is under {path.parent}, which is a"
                f" {parent[0].kind} in layer {parent[0].layer}"
            )


def _is_same_directory(found: Sequence[Entry]) -> bool:
    return len({replace(entry, layer="", package="") for entry in found}) == 1 and (
        found[0].kind is Kind.DIRECTORY
    )


def _need_problems(
    satisfied: Mapping[Need, ImagePath | None],
    entries: Mapping[ImagePath, Entry],
) -> Iterator[str]:
    for need, path in satisfied.items():
        if path is None:
            reason = f"{need.kind}: {need.detail}" if need.detail else str(need.kind)
            yield (
                f"{need.path} (package {need.package} {need.version}) is in no layer, but"
                f" {need.source} needs it ({reason})"
            )
            continue
        package = entries[path].package
        if package and plain_name(package) != plain_name(need.package):
            yield (
                f"{path} is of package {need.package} in the build container, of package"
                f" {package} in the staging container"
            )


def _version_problems(
    needs: Sequence[Need], versions: Mapping[tuple[str, str], set[str]]
) -> Iterator[str]:
    for (name, architecture), shipped in sorted(versions.items()):
        built = {
            need.version
            for need in needs
            if plain_name(need.package) == name and need.architecture == architecture
        }
        if built - shipped:
            yield (
                f"package {name}: version {' and '.join(sorted(built))} in the build container,"
                f" {' and '.join(sorted(shipped))} in the staging container"
            )
        elif len(shipped) > 1:
            yield f"package {name}: shipped in the versions {' and '.join(sorted(shipped))}"


def _reason_problems(edges: set[Edge], entries: Mapping[ImagePath, Entry]) -> Iterator[str]:
    explained = {edge.target for edge in edges}
    for path, entry in entries.items():
        if str(path) not in explained and path != ROOT:
            yield f"{path} (layer {entry.layer}) is there without a reason"


def resolved(path: ImagePath, entries: Mapping[ImagePath, Entry]) -> ImagePath | None:
    """Return the entry that ``path`` leads to: itself, or through directory links."""
    if path in entries:
        return path
    at, todo, links = ROOT, list(reversed(path.parts)), 0
    while todo:
        name = todo.pop()
        if name == "..":
            at = at.parent
            continue
        at = at / name
        entry = entries.get(at)
        if entry is None:
            return None
        if entry.kind is Kind.SYMLINK and todo:
            links += 1
            if links > _LINKS:
                return None
            todo += [part for part in reversed(entry.link.split("/")) if part not in ("", ".")]
            at = ROOT if entry.link.startswith("/") else at.parent
    return at


def led(link: Entry, entries: Mapping[ImagePath, Entry]) -> Entry | None:
    """Return what an entry leads to in the end, itself where it is no symlink; nothing where the
    image has not that."""
    at: Entry | None = link
    for _ in range(_LINKS):
        if at is None or at.kind is not Kind.SYMLINK:
            return at
        found = resolved(at.path.parent / at.link, entries)
        at = entries.get(found) if found else None
    return None


def unwritable(
    directories: Iterable[ImagePath], uid: int, gid: int, manifest: Fragment
) -> list[str]:
    """Return a line for each of ``directories`` that the image has and that the user ``uid`` of
    group ``gid`` cannot write: whose it is, and of which layer."""
    entries = {entry.path: entry for entry in manifest.entries}
    found = []
    for directory in directories:
        at = resolved(directory, entries)
        if at is None or uid == 0:
            continue
        entry = entries[at]
        # The first of the three that fits decides (path_resolution(7)).
        bit = 0o200 if entry.uid == uid else 0o020 if entry.gid == gid else 0o002
        if not entry.mode & bit:
            whose = f"{entry.uid}:{entry.gid}, mode {entry.mode:04o}"
            found.append(f"{directory} ({whose}, layer {entry.layer})")
    return found
