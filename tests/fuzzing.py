"""Damage to real files, and how often it is tried.

``pytest --hypothesis-profile=long tests/unit/exporter tests/unit/store`` tries twenty times as
many examples as the tests ask for, other ones each time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

# What tests of the house ask for is meant at hypothesis' own default; a profile scales it.
_DEFAULT = 100
settings.register_profile("long", max_examples=20 * _DEFAULT, deadline=None, print_blob=True)

_LIMITS = [0, 1, 2, 0x7F, 0xFF, 0xFFFF, 1 << 16, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
_LIMITS += [1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 64]


def fuzzed(examples: int, **more: Any) -> settings:
    """Return settings with so many ``examples``, times what the profile has above the default."""
    scaled = max(1, examples * settings.default.max_examples // _DEFAULT)
    return settings(max_examples=scaled, deadline=None, **more)


@st.composite
def damaged(draw: st.DrawFn, content: bytes, places: Sequence[range] = ()) -> bytes:
    """Return ``content`` with a few bytes, numbers or pieces changed, most of them in ``places``;
    numbers are those at which programs break, and the offsets of ``places`` themselves."""
    data = bytearray(content)
    everywhere = range(len(content))
    numbers = _LIMITS + [at for place in places for at in (place.start, place.stop)]
    numbers += [len(content), len(content) - 1, len(content) + 1]
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        place = draw(st.sampled_from([*places, everywhere])) or everywhere
        at = min(draw(st.integers(place.start, place.stop - 1)), len(data) - 1)
        how = draw(st.sampled_from(["flip", "number", "number", "bytes", "copy", "cut", "repeat"]))
        if how == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "number":
            width = draw(st.sampled_from([1, 2, 4, 8]))
            order = draw(st.sampled_from(["little", "big"]))
            number = draw(st.sampled_from(numbers) | st.integers(0, 64)) % (1 << 8 * width)
            at -= (at - place.start) % width
            data[at : at + width] = number.to_bytes(width, order)
        elif how == "bytes":
            change = draw(st.binary(min_size=1, max_size=8))
            data[at : at + len(change)] = change
        elif how == "copy":
            source = draw(st.integers(0, len(data) - 1))
            size = draw(st.integers(1, 64))
            piece = data[source : source + size]
            data[at : at + len(piece)] = piece
        elif how == "cut":
            if draw(st.booleans()):
                del data[at:]
            else:
                del data[at : at + draw(st.integers(1, 64))]
        else:
            piece = data[at : at + draw(st.integers(1, 32))]
            data[at:at] = piece * draw(st.integers(1, 40))
    return bytes(data)


@st.composite
def rewritten(draw: st.DrawFn, content: bytes) -> bytes:
    """Return the text ``content`` with lines moved, doubled, joined, torn and damaged."""
    lines = content.split(b"\n")
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(lines) - 1))
        how = draw(st.sampled_from(["drop", "copy", "join", "tear", "damage", "word", "repeat"]))
        if how == "drop" and len(lines) > 1:
            del lines[at]
        elif how == "copy":
            lines.insert(at, lines[draw(st.integers(0, len(lines) - 1))])
        elif how == "join":
            lines[at : at + 2] = [b"".join(lines[at : at + 2])]
        elif how == "tear":
            middle = draw(st.integers(0, len(lines[at])))
            lines[at : at + 1] = [lines[at][:middle], lines[at][middle:]]
        elif how == "damage" and lines[at]:
            lines[at] = draw(damaged(lines[at]))
        elif how == "word":
            words = [
                b"",
                b"/",
                b"..",
                b"/..//",
                b"\0",
                b"\xff",
                b":",
                b",",
                b"|",
                b"(",
                b" ",
                b"\r",
            ]
            lines[at] += draw(st.sampled_from(words)) + lines[draw(st.integers(0, len(lines) - 1))]
        elif how == "repeat" and len(lines[at]) < 4096:
            lines[at] *= draw(st.integers(2, 200))
    return b"\n".join(lines)


def tables(content: bytes) -> list[range]:
    """Return where a well-formed little-endian 64-bit ELF file has what a loader reads: headers,
    dynamic section, tables of versions, names."""
    (start,) = struct.unpack_from("<Q", content, 32)
    (width, count) = struct.unpack_from("<HH", content, 54)
    found = [range(64), range(start, start + width * count)]
    loads: list[tuple[int, int, int]] = []
    dynamic = range(0)
    for at in range(start, start + width * count, width):
        kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", content, at)
        if kind == 1:
            loads.append((offset, address, size))
        elif kind == 2:
            dynamic = range(offset, offset + size)
        elif kind == 3:
            found.append(range(offset, offset + size))
    if dynamic:
        found.append(dynamic)
    for tag, value in _entries(content, dynamic):
        if tag in (5, 0x6FFFFFFC, 0x6FFFFFFE):
            for offset, address, size in loads:
                if address <= value < address + size:
                    at = offset + value - address
                    found.append(range(at, min(at + 512, len(content))))
    return found


def _entries(content: bytes, dynamic: range) -> Iterator[tuple[int, int]]:
    for at in range(dynamic.start, dynamic.stop - 15, 16):
        tag, value = struct.unpack_from("<qQ", content, at)
        yield tag, value
