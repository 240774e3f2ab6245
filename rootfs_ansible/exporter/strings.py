"""The texts in a binary that name what it may open while it runs."""

from __future__ import annotations

import re
from typing import BinaryIO

_BLOCK = 1 << 20
_LONGEST = 128

# Whole texts of C, between zeros: a soname with its version, as dlopen(3) takes it. Names without
# a version are those of development packages.
_LIBRARY = re.compile(rb"(?<=\0)lib[A-Za-z0-9_+.-]{1,80}\.so\.[0-9][0-9.]{0,20}(?=\0)")


def library_names(stream: BinaryIO) -> frozenset[str]:
    """Return the names of libraries that stand as texts in the rest of ``stream``."""
    found: set[bytes] = set()
    kept = b""
    while block := stream.read(_BLOCK):
        block = kept + block
        found.update(_LIBRARY.findall(block))
        # A name may begin in this block and end in the next one.
        kept = block[-_LONGEST:]
    return frozenset(name.decode("ascii") for name in found)
