"""The only writer of tar archives: the same entries give the same bytes."""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections import deque
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final

from rootfs_ansible.errors import ClosureError, RootfsError
from rootfs_ansible.model.manifest import Entry, Kind
from rootfs_ansible.model.path import ImagePath

# POSIX.1-2017 pax, "ustar Interchange Format": blocks of 512 bytes, archives in records of 20.
BLOCK: Final = 512
RECORD: Final = 20 * BLOCK

_NAME, _PREFIX = 100, 155
# name, mode, owner, group, size, time, checksum, type, link, magic and version, names of the
# owner and group, device, prefix; what is shorter than its field is filled up with zeros.
_USTAR = struct.Struct("100s24s12s12s8sc100s8s64x8s8s155s12x")
_LARGEST_ID, _LARGEST_NUMBER = 0o7777777, 0o77777777777
_TYPES = {Kind.FILE: b"0", Kind.DIRECTORY: b"5", Kind.SYMLINK: b"2"}
_CHARSET = b"hdrcharset"
_BUFFER = 1 << 20
_BUFFERS = 3


def unwritable(path: Path, error: OSError) -> RootfsError:
    """Return the error that says that an export cannot write ``path``."""
    return RootfsError(
        f"cannot be written: {error.strerror}",
        where=str(path),
        hint="free some space there, or choose another output directory",
    )


def changed(path: ImagePath) -> ClosureError:
    """Return the error that says that ``path`` has not the size any more that it had."""
    return ClosureError(
        "changed while it was read",
        where=path.text,
        hint="stop what still writes to the tree, then export again",
    )


class LayerTar:
    """One layer being written: entries in the order given, all at the time ``epoch``.

    Contents are read once; their digests and that of the archive are taken on the way. Memory
    stays at three buffers of one MiB, whatever the size of a file.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        self._epoch = epoch
        self._stream = _Stream(path)

    def __enter__(self) -> LayerTar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close(finish=error is None)

    def add(self, entry: Entry) -> None:
        """Write a directory, a symlink or a hard link."""
        self._stream.write(_header(entry, 0, self._epoch))

    def add_bytes(self, entry: Entry, content: bytes) -> Entry:
        """Write a file that holds ``content``; return its entry with size and digest."""
        entry = entry.with_content(len(content), hashlib.sha256(content).hexdigest())
        self.add_content(entry, content)
        return entry

    def add_content(self, entry: Entry, content: bytes) -> None:
        """Write a file that holds ``content``, of the size and digest that ``entry`` says."""
        header = _header(entry, entry.size, self._epoch)
        self._stream.write(b"".join((header, content, bytes(-entry.size % BLOCK))))

    def add_file(self, entry: Entry, handle: int) -> Entry:
        """Write a file that holds what ``handle`` reads; return its entry with the digest.

        ``ClosureError`` where it has not the size that ``entry`` says: it changed meanwhile.
        """
        self._stream.write(_header(entry, entry.size, self._epoch))
        digest = hashlib.sha256()
        try:
            size = self._stream.copy(handle, entry.size, digest)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            raise ClosureError(what, where=str(entry.path)) from error
        if size != entry.size:
            raise changed(entry.path)
        self._stream.pad(BLOCK)
        return entry.with_content(entry.size, digest.hexdigest())

    def finish(self) -> tuple[str, int]:
        """End the archive; return its digest (hexadecimal SHA-256) and size in bytes."""
        self._stream.write(bytes(2 * BLOCK))
        self._stream.pad(RECORD)
        return self._stream.close(finish=True)


class _Stream:
    """A file being written and hashed by a thread of its own, while the next buffer fills."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            self._handle = os.open(path, flags, 0o644)
        except OSError as error:
            raise unwritable(path, error) from error
        self._digest = hashlib.sha256()
        self._size = 0
        self._changed = threading.Condition()
        self._free = deque(memoryview(bytearray(_BUFFER)) for _ in range(_BUFFERS))
        self._full: deque[memoryview] = deque()
        self._ended = False
        self._closed = False
        self._error: OSError | None = None
        self._buffer = self._free.popleft()
        self._used = 0
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        at = 0
        while at < len(data):
            room = min(len(data) - at, _BUFFER - self._used)
            self._buffer[self._used : self._used + room] = data[at : at + room]
            self._advance(room)
            at += room

    def copy(self, handle: int, size: int, digest: hashlib._Hash) -> int:
        """Append up to ``size`` bytes that ``handle`` reads; return how many there are, at
        ``size + 1`` no more counted."""
        done = 0
        while True:
            # One byte more than there should be tells the end without another read.
            room = min(size - done + 1, _BUFFER - self._used)
            count = os.readv(handle, [self._buffer[self._used : self._used + room]])
            if done + count > size:
                return size + 1
            if not count:
                return done
            digest.update(self._buffer[self._used : self._used + count])
            self._advance(count)
            done += count
            if count < room and done == size:
                return done

    def pad(self, unit: int) -> None:
        """Append zeros up to the next multiple of ``unit`` bytes."""
        self.write(bytes(-self._size % unit))

    def close(self, *, finish: bool) -> tuple[str, int]:
        """End the thread; with ``finish`` all is written first. Return digest and size."""
        if self._closed:
            return self._digest.hexdigest(), self._size
        self._closed = True
        with self._changed:
            if finish and self._used:
                self._full.append(self._buffer[: self._used])
            self._ended = True
            self._changed.notify_all()
        self._thread.join()
        os.close(self._handle)
        if finish:
            self._check()
        return self._digest.hexdigest(), self._size

    def _advance(self, count: int) -> None:
        self._used += count
        self._size += count
        if self._used < _BUFFER:
            return
        with self._changed:
            self._full.append(self._buffer)
            self._changed.notify_all()
            while not self._free and self._error is None:
                self._changed.wait()
            self._check()
            self._buffer = self._free.popleft()
        self._used = 0

    def _check(self) -> None:
        if self._error is not None:
            raise unwritable(self._path, self._error) from self._error

    def _drain(self) -> None:
        """Hash and write the full buffers, until the end."""
        while True:
            with self._changed:
                while not self._full and not self._ended:
                    self._changed.wait()
                if not self._full:
                    return
                buffer = self._full.popleft()
            try:
                self._digest.update(buffer)
                rest = buffer
                while rest:
                    rest = rest[os.write(self._handle, rest) :]
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                if len(buffer) == _BUFFER:
                    self._free.append(buffer)
                self._changed.notify_all()


def _header(entry: Entry, size: int, epoch: int) -> bytes:
    """Return the header blocks of ``entry``: ustar, preceded by pax records for what does not
    fit (POSIX.1-2017, "pax Header Block")."""
    name = _bytes(entry.path.relative)
    if entry.kind is Kind.DIRECTORY:
        name += b"/"
    link = _bytes(entry.hardlink.relative if entry.hardlink else entry.link)
    split = _split(name)
    records = _records(entry, b"" if split else name, link, size, epoch)
    block = _ustar(
        split or (b"", _ascii(name)[:_NAME]),
        (entry.mode, entry.uid, entry.gid, size, epoch),
        b"1" if entry.hardlink else _TYPES[entry.kind],
        _ascii(link)[:_NAME] if records else link,
    )
    if not records:
        return block
    # The character set comes first, for it says how to read the others.
    order = sorted(records, key=lambda key: (key != _CHARSET, key))
    data = b"".join(_record(key, records[key]) for key in order)
    pax = b"PaxHeaders/" + _ascii(_bytes(entry.path.name))[:80]
    head = _ustar((b"", pax), (0o644, 0, 0, len(data), 0), b"x", b"")
    return head + data + bytes(-len(data) % BLOCK) + block


def _records(entry: Entry, name: bytes, link: bytes, size: int, epoch: int) -> dict[bytes, bytes]:
    """Return the pax records that ``entry`` needs; ``name`` is empty where ustar holds it."""
    records: dict[bytes, bytes] = {}
    if name:
        records[b"path"] = name
    if len(link) > _NAME or not link.isascii():
        records[b"linkpath"] = link
    if (name or link) and not (_is_utf8(name) and _is_utf8(link)):
        records[_CHARSET] = b"BINARY"
    if not 0 <= entry.uid <= _LARGEST_ID:
        records[b"uid"] = b"%d" % entry.uid
    if not 0 <= entry.gid <= _LARGEST_ID:
        records[b"gid"] = b"%d" % entry.gid
    if not 0 <= size <= _LARGEST_NUMBER:
        records[b"size"] = b"%d" % size
    if not 0 <= epoch <= _LARGEST_NUMBER:
        records[b"mtime"] = b"%d" % epoch
    if entry.hardlink is None:
        for attribute, value in entry.xattrs:
            records[b"SCHILY.xattr." + _bytes(attribute)] = bytes.fromhex(value)
    return records


def _ustar(
    name: tuple[bytes, bytes],
    numbers: tuple[int, int, int, int, int],
    kind: bytes,
    link: bytes,
) -> bytes:
    """Return one header block: ``name`` as prefix and name, ``numbers`` are mode, owner, group,
    size and time."""
    mode, uid, gid, size, time = numbers
    before = name[1], _owner(mode, uid, gid), _number(size), _number(time)
    after = kind, link, b"ustar\x0000", b"0000000", b"0000000", name[0]
    # The checksum counts as spaces. What fills up the fields is zeros, which add nothing.
    total = sum(b"".join((*before, b"        ", *after)))
    return _USTAR.pack(*before, b"%06o\0 " % total, *after)


# Nearly all entries of a layer share theirs.
@lru_cache(maxsize=1 << 10)
def _owner(mode: int, uid: int, gid: int) -> bytes:
    """Return the fields mode, owner and group."""
    return b"%07o\0%07o\0%07o\0" % (
        mode,
        _fitting(uid, _LARGEST_ID),
        _fitting(gid, _LARGEST_ID),
    )


def _number(number: int) -> bytes:
    """Return the field of a size or a time."""
    return b"%011o" % _fitting(number, _LARGEST_NUMBER)


def _fitting(number: int, largest: int) -> int:
    """Return ``number``, or 0 where a pax record carries it."""
    return number if 0 <= number <= largest else 0


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Return ``name`` as the prefix and name fields of ustar; nothing where it does not fit."""
    if not name.isascii():
        return None
    if len(name) <= _NAME:
        return b"", name
    # The earliest slash that leaves a name short enough leaves the shortest prefix.
    at = name.find(b"/", len(name) - _NAME - 1, len(name) - 1)
    return (name[:at], name[at + 1 :]) if 0 < at <= _PREFIX else None


def _record(key: bytes, value: bytes) -> bytes:
    """Return one pax record, which starts with its own length in decimal."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d" % length + rest


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _ascii(text: bytes) -> bytes:
    return text.decode("ascii", "replace").encode("ascii", "replace")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
