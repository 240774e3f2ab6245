"""The gate: what comes back from a container is checked before a byte of it enters the store."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from rootfs_ansible.errors import UntrustedError
from rootfs_ansible.model.manifest import LARGEST_ID, Entry, Fragment, Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.store.tar import LayerReader, Member

_LAYER = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,255}(:[a-z0-9-]{1,64})?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:~_-]{0,255}")
_ARCHITECTURE = re.compile(r"[a-z0-9-]{0,64}")
_SHOWN = 50


class Findings:
    """What is wrong with an export: the first fifty in words, all of them as a number."""

    __slots__ = ("_count", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._count = 0

    def add(self, text: str) -> None:
        """Add one finding."""
        self._count += 1
        if len(self._texts) < _SHOWN:
            self._texts.append(text)

    def extend(self, texts: Iterable[str]) -> None:
        """Add several findings."""
        for text in texts:
            self.add(text)

    def refuse(self) -> None:
        """Raise ``UntrustedError`` with all findings, if there are any."""
        if not self._count:
            return
        more = self._count - len(self._texts)
        raise UntrustedError(
            "what the container sent back is not what an exporter writes; nothing of it was kept",
            details=[*self._texts, *([f"and {more} more"] if more else [])],
            hint="a program of the build has changed the export: see what it installs and runs",
        )


def check_fragment(fragment: Fragment) -> Iterator[str]:
    """Yield what is wrong with a fragment by itself, before any of its layers is read."""
    names = [layer.name for layer in fragment.layers]
    for layer in fragment.layers:
        if not _LAYER.fullmatch(layer.name) or names.count(layer.name) > 1:
            yield f"the layer {layer.name[:64]!r} has no usable name"
        if not _DIGEST.fullmatch(layer.digest) or layer.size < 0:
            yield f"the layer {layer.name[:64]!r} has no usable digest and size"
    entries: dict[ImagePath, Entry] = {}
    for entry in fragment.entries:
        if entry.path in entries:
            yield f"{shown(entry.path)} is there twice"
        entries[entry.path] = entry
    blocking: Entry | None = None
    for entry in sorted(fragment.entries, key=lambda entry: entry.path.parts):
        wrong = list(_wrong(entry, entries))
        if blocking is not None and entry.path.is_below(blocking.path):
            if entry.path != blocking.path:
                wrong.append(f"is under {shown(blocking.path)}, which is no directory")
        else:
            blocking = None if entry.kind is Kind.DIRECTORY else entry
        if entry.layer not in names:
            wrong.append(f"is in the layer {entry.layer[:64]!r}, which is not exported")
        yield from (f"{shown(entry.path)} {text}" for text in wrong)
    for package in fragment.packages:
        if package.layer not in names:
            yield f"the package {package.name[:64]!r} is in a layer that is not exported"
    # What is needed is given to a package manager, which must not take it for anything else.
    for named in sorted(
        {(item.name, item.version, item.architecture) for item in fragment.packages}
        | {(item.package, item.version, item.architecture) for item in fragment.needs}
    ):
        if not all(
            rule.fullmatch(text)
            for rule, text in zip((_PACKAGE, _VERSION, _ARCHITECTURE), named, strict=True)
        ):
            yield f"the package {' '.join(named)[:200]!a} has no usable name and version"
    for package in fragment.packages:
        if package.source and not _PACKAGE.fullmatch(package.source):
            yield f"the source {package.source[:200]!a} of a package has no usable name"


def check_layer(
    reader: LayerReader, entries: Mapping[ImagePath, Entry], epoch: int
) -> Iterator[str]:
    """Yield where a layer's tar and the entries of that layer differ.

    ``epoch`` is the time that every member must have, in seconds. Raises ``UntrustedError``
    where the archive cannot be read on.
    """
    seen: dict[ImagePath, Member] = {}
    for member in reader.members():
        entry = entries.get(member.path)
        if entry is None:
            yield f"{shown(member.path)} is in the tar, but no entry of the layer"
            continue
        seen[member.path] = member
        digest = hashlib.sha256()
        for block in reader.content():
            digest.update(block)
        content = digest.hexdigest() if member.kind is Kind.FILE else ""
        if _is_same(member, entry, content, epoch):
            continue
        for name, found, said in _compared(member, entry, content, epoch, seen, entries):
            if found != said:
                yield f"{shown(member.path)}: its {name} is {found} in the tar, not {said}"
    for path in entries:
        if path not in seen:
            yield f"{shown(path)} is an entry of the layer, but not in its tar"


def shown(path: ImagePath) -> str:
    """Return a path as a terminal can show it, whatever bytes it is made of."""
    return ascii(str(path))[1:-1]


def _wrong(entry: Entry, entries: Mapping[ImagePath, Entry]) -> Iterator[str]:
    try:
        str(entry.path).encode("utf-8", "surrogateescape")
        entry.link.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        yield "has a name or a link target that is no text"
    if entry.kind is Kind.FILE and entry.mode & 0o6000:
        yield f"has a setuid or setgid bit (mode {entry.mode:04o})"
    if not (0 <= entry.uid <= LARGEST_ID and 0 <= entry.gid <= LARGEST_ID):
        yield f"has the owner {entry.uid}:{entry.gid}"
    if entry.kind is not Kind.FILE and entry.sha256:
        yield "is no file, but has a digest"
    if entry.kind is not Kind.FILE and entry.size:
        yield "is no file, but has a size"
    if entry.size < 0:
        yield f"has the size {entry.size}"
    if (entry.kind is Kind.SYMLINK) != bool(entry.link):
        yield "has a link target and is no symlink, or is one and has none"
    if entry.hardlink is not None:
        first = entries.get(entry.hardlink)
        if entry.kind is not Kind.FILE or first is None or first.hardlink is not None:
            yield f"is a hard link to {shown(entry.hardlink)}, which is no file of the export"
        elif _inode(first) != _inode(entry):
            yield f"is a hard link to {shown(entry.hardlink)}, but differs from it"
    for name, _ in entry.xattrs:
        # overlayfs keeps its own marks (opaque, redirect, whiteout) in user.overlay.*.
        if name != "security.capability" and (
            not name.startswith("user.") or name.startswith("user.overlay.")
        ):
            yield f"has the extended attribute {name[:64]!r}"


def _inode(entry: Entry) -> tuple[object, ...]:
    return (
        entry.kind,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.size,
        entry.sha256,
        entry.layer,
        entry.xattrs,
    )


def _is_same(member: Member, entry: Entry, content: str, epoch: int) -> bool:
    """Say whether ``_compared`` would find nothing, at once, where no hard link is in question."""
    return (
        member.hardlink is None
        and entry.hardlink is None
        and member.mtime == epoch
        and (member.kind, member.mode, member.uid, member.gid, member.link, member.xattrs)
        == (entry.kind, entry.mode, entry.uid, entry.gid, entry.link, entry.xattrs)
        and (member.kind is not Kind.FILE or (member.size, content) == (entry.size, entry.sha256))
    )


def _compared(
    member: Member,
    entry: Entry,
    content: str,
    epoch: int,
    seen: Mapping[ImagePath, Member],
    entries: Mapping[ImagePath, Entry],
) -> Iterator[tuple[str, object, object]]:
    yield "kind", str(member.kind), str(entry.kind)
    yield "mode", f"{member.mode:04o}", f"{entry.mode:04o}"
    yield "owner", f"{member.uid}:{member.gid}", f"{entry.uid}:{entry.gid}"
    yield "time", member.mtime, epoch
    yield "link target", ascii(member.link), ascii(entry.link)
    yield "hard link", _optional(member.hardlink), _optional(entry.hardlink)
    if member.hardlink is None:
        if member.kind is Kind.FILE:
            yield "size", member.size, entry.size
            yield "sha256", content, entry.sha256
        yield "extended attributes", member.xattrs, entry.xattrs
    elif member.hardlink not in seen or entries[member.hardlink].hardlink is not None:
        yield "hard link", f"{shown(member.hardlink)}, which is not before it", "an earlier file"


def _optional(path: ImagePath | None) -> str:
    return "none" if path is None else shown(path)
