"""What the build of a part left, on its way into the build container of its app."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.manifest import Entry, Kind
from rootfs_ansible.model.path import ImagePath


@dataclass(frozen=True, slots=True)
class Results:
    """The entries of a harvest, checked: where each goes, and the layer that has their content.

    ``part`` names whose they are. ``entries`` are in the order of their paths.
    """

    part: str
    entries: tuple[tuple[ImagePath, Entry], ...]
    layer: Path

    def archive(self, prefix: str, modified: int) -> IO[bytes]:
        """Return an open temporary file with a tar archive of them, whose names begin with
        ``prefix``.

        As of sources, owner is root and times are ``modified`` (seconds since the epoch).
        """
        stream = tempfile.TemporaryFile(prefix="rootfs-results-")  # noqa: SIM115 - the caller's
        try:
            with (
                tarfile.open(self.layer, mode="r:") as layer,
                tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive,
            ):
                for directory in self._above(ImagePath(f"/{prefix}")):
                    archive.addfile(_member(directory, tarfile.DIRTYPE, 0o755, modified))
                for path, entry in self.entries:
                    _add(archive, layer, path, entry, modified)
            stream.seek(0)
        except BaseException:
            stream.close()
            raise
        return stream

    def _above(self, top: ImagePath) -> Iterator[ImagePath]:
        """Yield the directories from ``top`` on that the entries are in, and that are none."""
        own = {path for path, _ in self.entries}
        found = {above for path in own for above in path.parents() if above.is_below(top)}
        yield from sorted(found - own)


def check_apart(results: Iterable[Results]) -> None:
    """Refuse results of which two parts write the same file, or one writes a file where another
    has a directory, with all such files."""
    files: dict[ImagePath, str] = {}
    directories: dict[ImagePath, str] = {}
    twice = []
    for found in results:
        own = {path: entry.kind is Kind.DIRECTORY for path, entry in found.entries}
        own |= {above: True for path in own for above in path.parents()}
        for path, is_directory in sorted(own.items()):
            other = files.get(path) or ("" if is_directory else directories.get(path))
            if other:
                twice.append(f"{other} and {found.part} both write {path}")
            (directories if is_directory else files).setdefault(path, found.part)
    if twice:
        raise InputError(
            "two parts of an app write the same files",
            where="rootfs_parts",
            details=twice,
            hint="give them places of their own with into",
        )


def moved(
    entries: Iterable[Entry], place: ImagePath, into: ImagePath
) -> tuple[tuple[ImagePath, Entry], ...]:
    """Return the ``entries`` below ``place`` with where they are below ``into``; hard links stand
    for files of their own."""
    start = len(place.text.rstrip("/")) + 1
    found = [
        (into / entry.path.text[start:], replace(entry, hardlink=None))
        for entry in entries
        if entry.path.is_below(place) and entry.path != place
    ]
    return tuple(sorted(found, key=lambda item: item[0].order))


def _add(
    archive: tarfile.TarFile, layer: tarfile.TarFile, path: ImagePath, entry: Entry, modified: int
) -> None:
    if entry.kind is Kind.DIRECTORY:
        archive.addfile(_member(path, tarfile.DIRTYPE, entry.mode, modified))
    elif entry.kind is Kind.SYMLINK:
        member = _member(path, tarfile.SYMTYPE, 0o777, modified)
        member.linkname = entry.link
        archive.addfile(member)
    else:
        member = _member(path, tarfile.REGTYPE, entry.mode, modified)
        member.size = entry.size
        archive.addfile(member, layer.extractfile(entry.path.relative))


def _member(path: ImagePath, kind: bytes, mode: int, modified: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path.relative)
    member.type = kind
    member.mode = mode
    member.mtime = modified
    return member
