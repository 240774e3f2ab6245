"""The texts in a binary that name what it may open while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

_BLOCK = 1 << 20
_LONGEST = 128

# Of an untrusted file; the C library, which names most, has some hundred.
_MOST = 10_000

# Whole texts of C, between zeros: a soname with its version, as dlopen(3) takes it. Names without
# a version are those of development packages. What is rare comes first in an expression, and is
# searched for ten times as fast as something to look behind for.
_LIBRARY_END = re.compile(rb"\.so\.[0-9][0-9.]{0,20}\0")
_LIBRARY_START = re.compile(rb"lib[A-Za-z0-9_+.-]{1,80}")
_PATH = re.compile(rb"\0(/[A-Za-z0-9_@+.,:=~/-]{2,125})(?=\0)")


def library_names(stream: BinaryIO) -> frozenset[str]:
    """Return the names of libraries that stand as texts in the rest of ``stream``."""
    return frozenset(_found(stream, _libraries))


def names(stream: BinaryIO) -> frozenset[str]:
    """Return the names of libraries and the absolute paths that stand as texts in the rest of
    ``stream``, of untold many some thousand."""
    return frozenset(_found(stream, _libraries, _PATH.findall))


def _found(stream: BinaryIO, *searches: Callable[[bytes], Iterable[bytes]]) -> Iterator[str]:
    found: set[bytes] = set()
    kept = b""
    while len(found) < _MOST and (block := stream.read(_BLOCK)):
        block = kept + block
        for search in searches:
            found.update(search(block))
        # A name may begin in this block and end in the next one.
        kept = block[-_LONGEST:]
    return (name.decode("ascii") for name in found)


def _libraries(block: bytes) -> Iterator[bytes]:
    for end in _LIBRARY_END.finditer(block):
        # Without a zero before it this is the start of the file, or a name that is too long.
        start = block.rfind(b"\0", max(0, end.start() - _LONGEST), end.start()) + 1
        if start and _LIBRARY_START.fullmatch(block, start, end.start()):
            yield block[start : end.end() - 1]
