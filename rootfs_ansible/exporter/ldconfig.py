"""The directories that ldconfig(8) takes libraries from: ld.so.conf and what it includes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ROOT, ImagePath

CONFIGURATION = ImagePath("/etc/ld.so.conf")

# Real ones are a few lines that include some tens of files of a few lines.
_LARGEST = 64 << 10
_MOST_BYTES = 1 << 20
_MOST_NAMES = 64 << 10

_SPACES = " \t\v\f\r"
_INCLUDE = re.compile(r"include[ \t]+(.*)")
_IGNORED = re.compile(r"hwcap[ \t]", re.IGNORECASE)


def configured_directories(root: Root) -> tuple[ImagePath, ...]:
    """Return the directories of /etc/ld.so.conf in ldconfig's order, includes in their place.

    ldconfig passes over what it cannot read. ``ClosureError`` where the configuration is
    unreasonably large.
    """
    return tuple(dict.fromkeys(_Reading(root).directories()))


class _Line(NamedTuple):
    """A line of a configuration, and the directory that its relative includes start from."""

    text: str
    base: ImagePath


class _Reading:
    def __init__(self, root: Root) -> None:
        self._root = root
        self._read: set[ImagePath] = set()
        self._names = _MOST_NAMES
        self._bytes = _MOST_BYTES

    def directories(self) -> Iterator[ImagePath]:
        # The lines of a file that is included are read before those that follow.
        waiting = self._lines(CONFIGURATION)
        while waiting:
            line = waiting.pop()
            if include := _INCLUDE.fullmatch(line.text):
                patterns = [posixpath.join(line.base.text, part) for part in include[1].split()]
                included = [path for pattern in patterns for path in self._matched(pattern)]
                for path in reversed(included):
                    waiting += self._lines(path)
            # A "=libc6" after a directory named its ABI once; ldconfig tells that by itself.
            elif line.text.startswith("/") and not _IGNORED.match(line.text):
                directory = line.text.partition("=")[0].rstrip(_SPACES)
                yield ImagePath(directory.partition("\0")[0])

    def _lines(self, path: ImagePath) -> list[_Line]:
        """Return the lines of the file ``path``, last first; nothing where it was read before."""
        resolution = self._root.resolve(path)
        if resolution is None or resolution.path in self._read:
            return []
        self._read.add(resolution.path)
        try:
            content = self._root.head(resolution.path, _LARGEST)
        except ClosureError:
            return []
        self._bytes -= len(content) + len(path.text)
        if self._bytes < 0:
            raise self._unreasonable()
        lines = content.decode("utf-8", "surrogateescape").split("\n")
        texts = (line.partition("#")[0].strip(_SPACES) for line in reversed(lines))
        return [_Line(text, path.parent) for text in texts if text]

    def _matched(self, pattern: str) -> list[ImagePath]:
        """Expand ``*``, ``?`` and ``[…]`` within names, sorted; hidden files need a literal dot."""
        found = [ROOT]
        for part in ImagePath(pattern.partition("\0")[0]).parts:
            if not re.search(r"[*?[]", part):
                found = [path / part for path in found]
                continue
            found = [
                path / name
                for path in found
                for name in self._listed(path)
                if fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
            ]
        return [path for path in found if self._root.resolve(path)]

    def _listed(self, directory: ImagePath) -> tuple[str, ...]:
        resolution = self._root.follow(directory, ".")
        try:
            names = self._root.names(resolution.path) if resolution else ()
        except ClosureError:
            return ()
        self._names -= len(names) + 1
        if self._names < 0:
            raise self._unreasonable()
        return names

    def _unreasonable(self) -> ClosureError:
        return ClosureError(
            "includes unreasonably many files or directories",
            where=CONFIGURATION.text,
            hint="name the directories of libraries there, or one directory of such files",
        )
