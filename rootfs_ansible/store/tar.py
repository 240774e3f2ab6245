"""Reading the tar of a layer strictly: what an exporter may send, and nothing else."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from rootfs_ansible.errors import InputError, UntrustedError
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ROOT, ImagePath, normal

_BLOCK = 512
_ZEROS = bytes(_BLOCK)
_READ = 1 << 20
_EXTENDED_LIMIT = 1 << 20
"""Bytes of one extended header: a path, a link target and an xattr of 64 KiB fit many times."""
_PATH_LIMIT, _NAME_LIMIT = 4096, 255
_HEADER = struct.Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
_MAGIC = b"ustar\x0000"
_NUMBER = re.compile(rb" *([0-7]+)[ \0]*|[ \0]*")
_RECORD = re.compile(rb"([1-9][0-9]{0,7}) ")
_UNUSUAL = re.compile(rb"(?:\A|/)(?:\.{0,2}(?:/|\Z)|\.wh\.)|\0")
"""What a short name may be refused for."""
_XATTR = "SCHILY.xattr."
_REFUSED = {
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a FIFO",
    b"7": "a contiguous file",
    b"g": "a global extended header",
    b"K": "a GNU long link name",
    b"L": "a GNU long name",
    b"S": "a GNU sparse file",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a layer's tar, as its headers say.

    ``size`` is the number of content bytes that follow, ``link`` the text of a symlink,
    ``hardlink`` the path a hard link names, ``xattrs`` hexadecimal values by name, ``header`` the
    bytes of all its headers as they stand in the archive.
    """

    path: ImagePath
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: str
    hardlink: ImagePath | None
    xattrs: tuple[tuple[str, str], ...]
    header: bytes


class LayerReader:
    """The members of a POSIX.1-2001 (pax) tar, one after the other, in bounded memory.

    ``read`` returns the next bytes of the archive, at most as many as it is asked for, and none
    at its end; it is always read to that end. Stricter than POSIX.1-2001 asks a reader to be:
    members in ascending order of their paths, no other kinds than files, directories, symlinks
    and hard links, no names of owners, octal numbers, no keyword but those a layer needs, zeros
    wherever a byte means nothing. ``UntrustedError`` where it reads anything else.
    """

    def __init__(self, read: Callable[[int], bytes], where: str) -> None:
        self._read = read
        self._where = where
        self._buffer = b""
        self._at = 0
        self._left = 0
        self._padding = 0

    def members(self) -> Iterator[Member]:
        """Yield every member; content that was not taken is passed over."""
        last: ImagePath | None = None
        while (member := self._member()) is not None:
            if last is not None and not last < member.path:
                raise self._error(f"{_shown(member.path)} comes after {_shown(last)}: not sorted")
            last = member.path
            self._left = member.size
            self._padding = -member.size % _BLOCK
            yield member
            for _ in self.content():
                pass
            if self._take(self._padding).strip(b"\0"):
                raise self._error(f"{_shown(member.path)} is not padded with zeros")
        self._end()

    def content(self) -> Iterator[bytes]:
        """Yield what is left of the content of the current member."""
        while self._left:
            if self._at == len(self._buffer):
                self._fill()
            block = self._buffer[self._at : self._at + self._left]
            self._at += len(block)
            self._left -= len(block)
            yield block

    def _member(self) -> Member | None:
        extended: dict[str, bytes] = {}
        header = self._take(_BLOCK)
        if header == _ZEROS:
            return None
        raw = header
        if header[156:157] == b"x":
            size = self._fields(header).size
            if size > _EXTENDED_LIMIT:
                raise self._error(f"an extended header of {size} bytes")
            content = self._take(size + -size % _BLOCK)
            if content[size:].strip(b"\0"):
                raise self._error("an extended header is not padded with zeros")
            extended = self._extended(content[:size])
            header = self._take(_BLOCK)
            raw += content + header
        return self._joined(self._fields(header), extended, raw)

    def _fields(self, header: bytes) -> _Fields:
        (
            name, mode, uid, gid, size, mtime, checksum, kind, link,
            magic, owner, group, major, minor, prefix, rest,
        ) = _HEADER.unpack(header)  # fmt: skip
        if magic != _MAGIC:
            raise self._error("a header that is not POSIX tar's")
        total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
        if self._number(checksum) != total:
            raise self._error("a header with a wrong checksum")
        if owner.strip(b"\0") or group.strip(b"\0") or rest.strip(b"\0"):
            raise self._error("a header with names of owners or bytes without a meaning")
        if self._number(major) or self._number(minor):
            raise self._error("a header with device numbers")
        name = self._text(name)
        if prefix := self._text(prefix):
            name = prefix + b"/" + name
        return _Fields(
            name,
            self._number(mode),
            self._number(uid),
            self._number(gid),
            self._number(size),
            self._number(mtime),
            kind,
            self._text(link),
        )

    def _extended(self, content: bytes) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        at = 0
        while at < len(content):
            length = _RECORD.match(content, at)
            end = at + int(length[1]) if length else 0
            if length is None or end > len(content) or content[end - 1 : end] != b"\n":
                raise self._error("an extended header that is not made of records")
            key, equals, value = content[length.end() : end - 1].partition(b"=")
            name = _decoded(key)
            if not equals or name in found:
                raise self._error(f"an extended header with a wrong record {name!r}")
            found[name] = value
            at = end
        for name in found:
            known = {"path", "linkpath", "size", "uid", "gid", "mtime", "hdrcharset"}
            if name not in known and not name.startswith(_XATTR):
                raise self._error(f"an extended header with the keyword {name!r}")
        if found.pop("hdrcharset", b"BINARY") != b"BINARY":
            raise self._error("an extended header in another character set")
        return found

    def _joined(self, fields: _Fields, extended: dict[str, bytes], raw: bytes) -> Member:
        name = extended.get("path", fields.name)
        if fields.kind in _REFUSED or fields.kind not in b"\x000125":
            kind = _REFUSED.get(fields.kind, f"a member of type {fields.kind!r}")
            raise self._error(f"{_decoded(name)!r} is {kind}")
        path = self._path(name, is_directory=fields.kind == b"5")
        size, uid, gid, mtime = fields.size, fields.uid, fields.gid, fields.mtime
        if extended:
            size, uid, gid, mtime = (
                self._decimal(extended[key], path) if key in extended else value
                for key, value in (("size", size), ("uid", uid), ("gid", gid), ("mtime", mtime))
            )
        target = extended.get("linkpath", fields.link)
        is_link = fields.kind in b"12"
        if bool(target) != is_link or b"\0" in target or len(target) > _PATH_LIMIT:
            raise self._error(f"{_shown(path)} has a wrong link target")
        if size and fields.kind not in b"\x000":
            raise self._error(f"{_shown(path)} is no file, but has content")
        if fields.mode > 0o7777:
            raise self._error(f"{_shown(path)} has the mode {fields.mode:o}")
        return Member(
            path=path,
            kind={b"2": Kind.SYMLINK, b"5": Kind.DIRECTORY}.get(fields.kind, Kind.FILE),
            mode=fields.mode,
            uid=uid,
            gid=gid,
            size=size,
            mtime=mtime,
            link=_decoded(target) if fields.kind == b"2" else "",
            hardlink=self._path(target) if fields.kind == b"1" else None,
            xattrs=tuple(
                sorted(
                    (key.removeprefix(_XATTR), value.hex())
                    for key, value in extended.items()
                    if key.startswith(_XATTR)
                )
            ),
            header=raw,
        )

    def _path(self, name: bytes, *, is_directory: bool = False) -> ImagePath:
        if is_directory and name in (b".", b"./"):
            return ROOT
        bare = name.removesuffix(b"/") if is_directory else name
        if len(bare) <= _NAME_LIMIT and not _UNUSUAL.search(bare):
            return normal("/" + _decoded(bare))
        shown = _decoded(name[:_PATH_LIMIT])
        if len(name) > _PATH_LIMIT:
            raise self._error(f"the name {shown!r}… is {len(name)} bytes long")
        if name.startswith(b"/"):
            raise self._error(f"the name {shown!r} is absolute")
        for part in bare.split(b"/"):
            if part in (b"", b".", b"..") or b"\0" in part or len(part) > _NAME_LIMIT:
                raise self._error(f"the name {shown!r} is not a plain path")
            if part.startswith(b".wh."):
                # OCI image-spec 1.0, layer.md: such a name deletes files of lower layers.
                raise self._error(f"the name {shown!r} is a whiteout")
        try:
            return ImagePath("/" + _decoded(bare))
        except InputError as error:
            raise self._error(error.what) from error

    def _number(self, field: bytes) -> int:
        number = _octal(field)
        if number is None:
            raise self._error(f"a header with the number {field!r}")
        return number

    def _decimal(self, value: bytes, path: ImagePath) -> int:
        if not re.fullmatch(rb"[0-9]{1,19}", value):
            raise self._error(f"{_shown(path)} has the number {value[:32]!r}")
        return int(value)

    def _text(self, field: bytes) -> bytes:
        text, _, rest = field.partition(b"\0")
        if rest.strip(b"\0"):
            raise self._error(f"a header with bytes after the end of {text!r}")
        return bytes(text)

    def _end(self) -> None:
        if self._take(_BLOCK).strip(b"\0"):
            raise self._error("only one zero block at its end")
        while True:
            if self._buffer[self._at :].strip(b"\0"):
                raise self._error("bytes after its end")
            self._buffer, self._at = self._read(_READ), 0
            if not self._buffer:
                return

    def _take(self, size: int) -> bytes:
        if size <= len(self._buffer) - self._at:
            taken = self._buffer[self._at : self._at + size]
            self._at += size
            return taken
        parts = []
        while size:
            if self._at == len(self._buffer):
                self._fill()
            part = self._buffer[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _fill(self) -> None:
        self._buffer, self._at = self._read(_READ), 0
        if not self._buffer:
            raise self._error("it ends too early")

    def _error(self, what: str) -> UntrustedError:
        return UntrustedError(what, where=self._where)


class _Fields(NamedTuple):
    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    kind: bytes
    link: bytes


# Owners, modes and times are the same all over a layer.
@lru_cache(maxsize=1 << 12)
def _octal(field: bytes) -> int | None:
    match = _NUMBER.fullmatch(field)
    return None if match is None else int(match[1] or b"0", 8)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _shown(path: ImagePath) -> str:
    return ascii(str(path))[1:-1]
