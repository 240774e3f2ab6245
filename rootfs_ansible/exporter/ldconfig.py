"""The directories that ldconfig(8) takes libraries from: ld.so.conf and what it includes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ROOT, ImagePath

CONFIGURATION = ImagePath("/etc/ld.so.conf")

_LARGEST = 1 << 20
_INCLUDE = re.compile(r"include[ \t]+(.*)")
_IGNORED = re.compile(r"hwcap[ \t]", re.IGNORECASE)


def configured_directories(root: Root) -> tuple[ImagePath, ...]:
    """Return the directories of /etc/ld.so.conf in ldconfig's order, includes in their place."""
    return tuple(dict.fromkeys(_directories(root, CONFIGURATION, set())))


def _directories(root: Root, path: ImagePath, read: set[ImagePath]) -> Iterator[ImagePath]:
    resolution = root.resolve(path)
    if resolution is None or resolution.path in read:
        return
    read.add(resolution.path)
    with root.open(resolution.path) as handle:
        text = handle.read(_LARGEST).decode("utf-8", "surrogateescape")
    for line in text.split("\n"):
        line = line.partition("#")[0].strip()
        if include := _INCLUDE.fullmatch(line):
            for pattern in include[1].split():
                for included in _glob(root, posixpath.join(path.parent.text, pattern)):
                    yield from _directories(root, included, read)
        # A "=libc6" after a directory named its ABI once; ldconfig tells that by itself.
        elif line.startswith("/") and not _IGNORED.match(line):
            yield ImagePath(line.partition("=")[0].rstrip())


def _glob(root: Root, pattern: str) -> Iterator[ImagePath]:
    """Expand ``*``, ``?`` and ``[…]`` within names, sorted; hidden files need a literal dot."""
    found = [ROOT]
    for part in ImagePath(pattern).parts:
        if not re.search(r"[*?[]", part):
            found = [path / part for path in found]
            continue
        found = [
            path / name
            for path in found
            for name in _names(root, path)
            if fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
        ]
    return (path for path in found if root.resolve(path))


def _names(root: Root, directory: ImagePath) -> tuple[str, ...]:
    resolution = root.follow(directory, ".")
    return root.names(resolution.path) if resolution else ()
