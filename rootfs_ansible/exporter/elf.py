"""What an ELF file says of itself to the system's loader, read without trusting or holding it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import BinaryIO, Literal, NamedTuple

from rootfs_ansible.errors import RootfsError

ELF_MAGIC = b"\x7fELF"

# A loader reads some hundred bytes of a file; what asks for more than this is made to harm.
_BUDGET = 4 << 20
_LONGEST_STRING = 64 << 10
_MOST_RECORDS = 8 << 10
_PAGE = 4096

# Numbers of the System V ABI (gABI chapters 4 and 5) and of glibc's elf/elf.h.
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ = 0, 1, 5, 10
_DT_SONAME, _DT_RPATH, _DT_RUNPATH = 14, 15, 29
_DT_VERDEF, _DT_VERDEFNUM = 0x6FFFFFFC, 0x6FFFFFFD
_DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_DT_FLAGS_1, _DT_AUXILIARY, _DT_FILTER = 0x6FFFFFFB, 0x7FFFFFFD, 0x7FFFFFFF
_DF_1_NODEFLIB, _DF_1_PIE = 0x800, 0x08000000
_VER_FLG_WEAK = 0x2


class BrokenElfError(RootfsError):
    """A file says that it is ELF, but no loader could take it."""


class ElfType(IntEnum):
    """The types of ELF files that a loader takes (``e_type``); others are data to it."""

    PROGRAM = 2
    SHARED = 3


class Libc(StrEnum):
    """The C library that an object was linked to; ``NONE`` where nothing says so."""

    GLIBC = "glibc"
    MUSL = "musl"
    BIONIC = "bionic"
    NONE = ""


class BinaryFormat(StrEnum):
    """The formats of programs and libraries that trees of prebuilt files hold."""

    ELF = "ELF"
    MACH_O = "Mach-O"
    PE = "PE"


class Architecture(NamedTuple):
    """What makes two ELF files loadable together: word size, byte order, ``e_machine``."""

    bits: int
    order: Literal["little", "big"]
    machine: int


class VersionNeed(NamedTuple):
    """A symbol version that an object takes from the library named ``file``.

    A ``weak`` one may be absent.
    """

    file: str
    version: str
    weak: bool


@dataclass(frozen=True, slots=True)
class ElfFile:
    """The parts of an ELF file that decide what is loaded with it.

    ``type`` and ``osabi`` are the header's numbers. ``version_needs`` and ``version_definitions``
    are in file order. Names are UTF-8 with surrogate escapes.
    """

    architecture: Architecture
    type: int
    osabi: int
    interpreter: str = ""
    is_dynamic: bool = False
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: str = ""
    runpath: str = ""
    auxiliary: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    skips_default_directories: bool = False
    is_pie: bool = False
    version_needs: tuple[VersionNeed, ...] = ()
    version_definitions: tuple[str, ...] = ()

    @property
    def is_loadable(self) -> bool:
        """Say whether a loader takes it at all, unlike an object file or a core dump."""
        return self.type in (ElfType.PROGRAM, ElfType.SHARED)

    @property
    def is_static(self) -> bool:
        """Say whether it is a program that needs no loader (static and static-pie)."""
        program = self.type == ElfType.PROGRAM or self.is_pie
        return program and not self.interpreter and not self.needed

    @property
    def libc(self) -> Libc:
        """Tell the C library by the interpreter, the names needed, and the symbol versions.

        musl's library is ``libc.so``, without versions, or ``libc.musl-ARCH.so.1`` on Alpine;
        Android's is ``libc.so``, with versions.
        """
        interpreter = self.interpreter.rpartition("/")[2]
        needed = set(self.needed)
        if interpreter.startswith("ld-musl-") or any(
            name.startswith("libc.musl-") for name in needed
        ):
            return Libc.MUSL
        if self.interpreter.startswith("/system/bin/linker"):
            return Libc.BIONIC
        if "libc.so.6" in needed or any(
            need.version.startswith("GLIBC_") for need in self.version_needs
        ):
            return Libc.GLIBC
        if "libc.so" in needed:
            versioned = any(need.file == "libc.so" for need in self.version_needs)
            return Libc.BIONIC if versioned else Libc.MUSL
        return Libc.GLIBC if interpreter.startswith("ld") else Libc.NONE


def binary_format(head: bytes) -> BinaryFormat | None:
    """Tell the format of a program or library from the first bytes (4096 are enough) of a file.

    Nothing for anything else; a Java class, whose magic is that of a fat Mach-O, has a version
    (45 and up) where the latter counts its few architectures.
    """
    if head.startswith(ELF_MAGIC):
        return BinaryFormat.ELF
    if head[:4] in (
        b"\xcf\xfa\xed\xfe",
        b"\xce\xfa\xed\xfe",
        b"\xfe\xed\xfa\xcf",
        b"\xfe\xed\xfa\xce",
    ):
        return BinaryFormat.MACH_O
    if head[:4] in (b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf") and len(head) >= 8:
        return BinaryFormat.MACH_O if 0 < int.from_bytes(head[4:8], "big") < 45 else None
    if head.startswith(b"MZ") and len(head) >= 64:
        at = int.from_bytes(head[60:64], "little")
        return BinaryFormat.PE if head[at : at + 4] == b"PE\0\0" else None
    return None


def read_elf(handle: BinaryIO) -> ElfFile | None:
    """Read what ``handle`` (seekable) says to a loader; nothing where it is no ELF file.

    Only the tables in question are read, at most 4 MiB. ``BrokenElfError`` where they lie
    outside the file, do not end, or are unreasonably large.
    """
    handle.seek(0)
    ident = handle.read(16)
    if not ident.startswith(ELF_MAGIC):
        return None
    if len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise BrokenElfError("its ELF header is none")
    return _Reader(handle, ident).elf()


class _Segment(NamedTuple):
    offset: int
    address: int
    size: int


class _Reader:
    """Random access to the tables of one ELF file, within a budget."""

    def __init__(self, handle: BinaryIO, ident: bytes) -> None:
        self._handle = handle
        self._size = handle.seek(0, os.SEEK_END)
        self._wide = ident[4] == 2
        self._order: Literal["little", "big"] = "little" if ident[5] == 1 else "big"
        self._sign = "<" if ident[5] == 1 else ">"
        self._osabi = ident[7]
        self._pages: dict[int, bytes] = {}
        self._budget = _BUDGET
        self._records = _MOST_RECORDS
        self._segments: list[_Segment] = []
        self._strings = _Segment(0, 0, 0)

    def elf(self) -> ElfFile:
        header = self._unpack("HHIQQQIHHHHHH" if self._wide else "HHIIIIIHHHHHH", 16)
        kind, machine, table, width, count = header[0], header[1], header[4], header[8], header[9]
        architecture = Architecture(64 if self._wide else 32, self._order, machine)
        bare = ElfFile(architecture, kind, self._osabi)
        if not bare.is_loadable:
            return bare
        # Word order in a program header differs: the flags moved to keep 64 bits aligned.
        layout = "IIQQQQQQ" if self._wide else "IIIIIIII"
        if count and width < struct.calcsize("<" + layout):
            raise BrokenElfError("its program headers are too short")
        interpreter, dynamic = "", None
        for index in range(count):
            fields = self._unpack(layout, table + index * width)
            if self._wide:
                part, segment = fields[0], _Segment(fields[2], fields[3], fields[5])
            else:
                part, segment = fields[0], _Segment(fields[1], fields[2], fields[4])
            if part == _PT_LOAD:
                self._segments.append(segment)
            elif part == _PT_DYNAMIC:
                dynamic = segment
            elif part == _PT_INTERP and segment.size:
                interpreter = self._interpreter(segment)
        if dynamic is None or not dynamic.size:
            return ElfFile(architecture, kind, self._osabi, interpreter)
        return self._dynamic(architecture, kind, interpreter, dynamic)

    def _dynamic(
        self, architecture: Architecture, kind: int, interpreter: str, segment: _Segment
    ) -> ElfFile:
        """Read the dynamic section, as gABI chapter 5 lays it out."""
        last: dict[int, int] = {}
        lists: dict[int, list[int]] = {_DT_NEEDED: [], _DT_AUXILIARY: [], _DT_FILTER: []}
        for tag, value in self._entries(segment):
            last[tag] = value
            if tag in lists:
                lists[tag].append(value)
        if _DT_STRTAB in last:
            table = self._located(last[_DT_STRTAB])
            self._strings = table._replace(size=min(table.size, last.get(_DT_STRSZ, table.size)))
        flags = last.get(_DT_FLAGS_1, 0)

        def one(tag: int) -> str:
            return self._string(last[tag]) if tag in last else ""

        def each(tag: int) -> tuple[str, ...]:
            return tuple(map(self._string, lists[tag]))

        return ElfFile(
            architecture,
            kind,
            self._osabi,
            interpreter,
            is_dynamic=True,
            needed=each(_DT_NEEDED),
            soname=one(_DT_SONAME),
            rpath=one(_DT_RPATH),
            # An empty one makes an RPATH void, too: it names the working directory.
            runpath=(one(_DT_RUNPATH) or ":") if _DT_RUNPATH in last else "",
            auxiliary=each(_DT_AUXILIARY),
            filters=each(_DT_FILTER),
            skips_default_directories=bool(flags & _DF_1_NODEFLIB),
            is_pie=bool(flags & _DF_1_PIE),
            version_needs=tuple(self._version_needs(last)),
            version_definitions=tuple(self._version_definitions(last)),
        )

    def _entries(self, segment: _Segment) -> Iterator[tuple[int, int]]:
        # The loader finds the section by its address in memory, not by its place in the file.
        start, layout = self._located(segment.address), "qQ" if self._wide else "iI"
        width = 16 if self._wide else 8
        for index in range(min(segment.size, start.size) // width):
            self._count()
            tag, value = self._unpack(layout, start.offset + index * width)
            if tag == _DT_NULL:
                return
            yield tag, value

    def _version_needs(self, tags: dict[int, int]) -> Iterator[VersionNeed]:
        if _DT_VERNEED not in tags:
            return
        at = self._located(tags[_DT_VERNEED]).offset
        for _ in range(tags.get(_DT_VERNEEDNUM, 0)):
            self._count()
            _, count, file, first, following = self._unpack("HHIII", at)
            name, entry = self._string(file), at + first
            for _ in range(count):
                self._count()
                _, flags, _, version, step = self._unpack("IHHII", entry)
                yield VersionNeed(name, self._string(version), bool(flags & _VER_FLG_WEAK))
                if not step:
                    break
                entry += step
            if not following:
                return
            at += following

    def _version_definitions(self, tags: dict[int, int]) -> Iterator[str]:
        if _DT_VERDEF not in tags:
            return
        at = self._located(tags[_DT_VERDEF]).offset
        for _ in range(tags.get(_DT_VERDEFNUM, 0)):
            self._count()
            _, _, _, count, _, first, following = self._unpack("HHHHIII", at)
            if count:
                # The first name is the version's own, the others are what it succeeds.
                yield self._string(self._unpack("II", at + first)[0])
            if not following:
                return
            at += following

    def _interpreter(self, segment: _Segment) -> str:
        text = self._text(segment.offset, segment.size)
        if not text.startswith("/"):
            raise BrokenElfError("its interpreter is no absolute path")
        return text

    def _string(self, offset: int) -> str:
        if offset >= self._strings.size:
            raise BrokenElfError("a name lies outside its string table")
        return self._text(self._strings.offset + offset, self._strings.size - offset)

    def _located(self, address: int) -> _Segment:
        """Return where the file has ``address``, and how many bytes follow there."""
        for offset, start, size in self._segments:
            if start <= address < start + size:
                return _Segment(offset + address - start, address, start + size - address)
        raise BrokenElfError("a table lies outside every loaded segment")

    def _text(self, offset: int, limit: int) -> str:
        limit = min(limit, _LONGEST_STRING)
        found = b""
        while limit > 0:
            page = self._page(offset // _PAGE)
            chunk = page[offset % _PAGE : offset % _PAGE + limit]
            text, end, _ = chunk.partition(b"\0")
            self._spend(len(text))
            found += text
            if end:
                return found.decode("utf-8", "surrogateescape")
            if len(page) < _PAGE:
                break
            offset, limit = offset + len(chunk), limit - len(chunk)
        raise BrokenElfError("a name does not end")

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        layout = self._sign + layout
        size = struct.calcsize(layout)
        page, start = divmod(offset, _PAGE)
        data = self._page(page)[start : start + size]
        if start + size > _PAGE:
            data += self._page(page + 1)[: start + size - _PAGE]
        if len(data) < size:
            raise BrokenElfError("a table lies outside the file")
        return struct.unpack(layout, data)

    def _page(self, number: int) -> bytes:
        if number not in self._pages:
            self._spend(_PAGE)
            # To seek far beyond the end is an error of the system.
            if number * _PAGE > self._size:
                raise BrokenElfError("a table lies outside the file")
            self._handle.seek(number * _PAGE)
            self._pages[number] = self._handle.read(_PAGE)
        return self._pages[number]

    def _spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise BrokenElfError("its tables are unreasonably large")

    def _count(self) -> None:
        self._records -= 1
        if self._records < 0:
            raise BrokenElfError("its tables have unreasonably many entries")
