"""The cache of ldconfig(8): the only way to libraries that ld.so.conf alone leads to."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from rootfs_ansible.exporter.elf import Architecture
from rootfs_ansible.exporter.platforms import PLATFORMS
from rootfs_ansible.model.path import ImagePath

CACHE = ImagePath("/etc/ld.so.cache")

# struct cache_file_new and struct file_entry_new of glibc's sysdeps/generic/dl-cache.h.
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("20sIIB3xI12x")
_ENTRY = struct.Struct("iIIIQ")
_LITTLE, _BIG = 2, 3

# FLAG_ELF_LIBC6 and the flag of the architecture (sysdeps/generic/ldconfig.h).
_LIBC6 = 0x0003
_FLAGS = {
    "i386": 0,
    "x86_64": 0x0300,
    "s390x": 0x0400,
    "ppc64le": 0x0500,
    "aarch64": 0x0A00,
    "armv7l": 0x0900,
    "riscv64": 0x1000,
    "loongarch64": 0x1200,
}


class Cached(NamedTuple):
    """A library that the cache leads to."""

    soname: str
    path: ImagePath
    architecture: Architecture


def is_cacheable(architecture: Architecture) -> bool:
    """Say whether the flags of ``architecture`` in the cache are known."""
    known = PLATFORMS.get(architecture)
    return known is not None and known.name in _FLAGS


def cache(libraries: Iterable[Cached]) -> bytes:
    """Return the content of a cache that leads to ``libraries``, of one byte order.

    Names that it does not have are searched in the default directories, as ever.
    """
    # The loader halves its way down: by name, largest first, numbers as such.
    order = sorted(set(libraries), key=lambda item: (_key(item.soname), item), reverse=True)
    big = bool(order) and order[0].architecture.order == "big"
    sign = ">" if big else "<"
    header, entry = (struct.Struct(sign + layout.format) for layout in (_HEADER, _ENTRY))
    start = header.size + entry.size * len(order)
    texts, entries = b"", b""
    for item in order:
        at = start + len(texts)
        soname, path = (_bytes(text) + b"\0" for text in (item.soname, item.path.text))
        texts += soname + path
        flags = _LIBC6 | _FLAGS[PLATFORMS[item.architecture].name]
        entries += entry.pack(flags, at, at + len(soname), 0, 0)
    return header.pack(_MAGIC, len(order), len(texts), _BIG if big else _LITTLE, 0) + (
        entries + texts
    )


def _key(name: str) -> tuple[tuple[bool, int, bytes], ...]:
    """Return a key that sorts as _dl_cache_libcmp does: runs of digits are numbers, which come
    after any other character."""
    parts = re.findall(rb"[0-9]+|[^0-9]", _bytes(name))
    return tuple(
        (part.isdigit(), int(part) if part.isdigit() else 0, b"" if part.isdigit() else part)
        for part in parts
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
