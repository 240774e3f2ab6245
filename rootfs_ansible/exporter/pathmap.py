"""A mapping by paths that hundreds of thousands of them fit in, and that is always in order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from itertools import chain
from typing import TypeVar

from rootfs_ansible.model.path import ImagePath, normal

Value = TypeVar("Value")


class PathMap(MutableMapping[ImagePath, Value]):
    """Values by paths, kept as names in directories: neither paths nor their texts are held.

    It is iterated in the order of the paths; what is set meanwhile may or may not be seen, and
    nothing may be removed.
    """

    __slots__ = ("_below", "_held", "_length")

    def __init__(self) -> None:
        # By the text of a directory, where the root is the empty string.
        self._held: dict[str, dict[str, Value]] = {"": {}}
        self._below: dict[str, list[str]] = {}
        self._length = 0

    def __getitem__(self, path: ImagePath) -> Value:
        above, _, name = path.text.rpartition("/")
        held = self._held.get(above)
        if held is None or name not in held:
            raise KeyError(path)
        return held[name]

    def __contains__(self, path: object) -> bool:
        if not isinstance(path, ImagePath):
            return False
        above, _, name = path.text.rpartition("/")
        return name in self._held.get(above, ())

    def __setitem__(self, path: ImagePath, value: Value) -> None:
        above, _, name = path.text.rpartition("/")
        held = self._held.get(above)
        if held is None:
            held = self._directory(above)
        if name not in held:
            self._length += 1
        # Trees have the same names in many places.
        held[sys.intern(name)] = value

    def __delitem__(self, path: ImagePath) -> None:
        above, _, name = path.text.rpartition("/")
        held = self._held.get(above)
        if held is None or name not in held:
            raise KeyError(path)
        del held[name]
        self._length -= 1

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[ImagePath]:
        return (path for path, _ in self.pairs())

    def pairs(self) -> Iterator[tuple[ImagePath, Value]]:
        """Yield what ``items`` does, in fewer steps."""
        # A zero is what sorts a directory right before what it holds.
        for above, held, names in self._runs("\0"):
            for name in names:
                yield normal(f"{above}/{name}"), held[name]

    def by_text(self) -> Iterator[tuple[str, Value]]:
        """Yield the texts of the paths with their values, in the order of texts: what a directory
        holds does not come right after it there."""
        for above, held, names in self._runs("/"):
            for name in names:
                yield f"{above}/{name}", held[name]

    def unordered(self) -> Iterator[Value]:
        """Yield the values alone, in no order."""
        return chain.from_iterable(held.values() for held in self._held.values())

    def _runs(self, separator: str) -> Iterator[tuple[str, dict[str, Value], list[str]]]:
        """Yield each directory, what it holds, and names in it, in the order of texts that have
        ``separator`` between names; a directory as often as others come between its names."""
        ways = [("", self._names("", separator))]
        while ways:
            above, names = ways[-1]
            run = []
            for name in names:
                if name.endswith(separator):
                    below = f"{above}/{name[:-1]}"
                    ways.append((below, self._names(below, separator)))
                    break
                run.append(name)
            else:
                ways.pop()
            yield above, self._held[above], run

    def _names(self, directory: str, separator: str) -> Iterator[str]:
        below = self._below.get(directory, ())
        return iter(sorted([*self._held[directory], *(name + separator for name in below)]))

    def _directory(self, text: str) -> dict[str, Value]:
        """Return what the directory ``text`` holds, once it and those above it are known."""
        held = self._held[text] = {}
        while text:
            above, _, name = text.rpartition("/")
            self._below.setdefault(above, []).append(name)
            if above in self._held:
                break
            self._held[above] = {}
            text = above
        return held
