"""What an export keeps of a file's status."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from typing import NamedTuple

from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ImagePath

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
}
_SPECIAL = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}

# st_blocks counts these, whatever the file system's own are (inode(7)).
_BLOCK = 512
# Smaller holes are written as the zeros that they read as; so is what the file system compresses.
_LARGEST_HOLE = 1 << 30
_COMPRESSION = 8


class Status(NamedTuple):
    """The status of a path: ``mode`` are the permission bits, ``inode`` tells hard links apart
    and is nothing where a file has only one name, ``special`` names what no image can hold."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    inode: tuple[int, int] | None = None
    special: str = ""

    @property
    def is_program(self) -> bool:
        """Say whether it is a file that somebody may execute."""
        return self.kind is Kind.FILE and bool(self.mode & 0o111)


def status(found: os.stat_result) -> Status:
    """Return what an export keeps of ``found``."""
    mode = found.st_mode
    if not stat.S_ISREG(mode):
        return _status(mode, found.st_uid, found.st_gid, 0)
    kept = _status(mode, found.st_uid, found.st_gid, found.st_size)
    if holes := _holes(found):
        kept = kept._replace(special=holes)
    if found.st_nlink == 1:
        return kept
    return kept._replace(inode=(found.st_dev, found.st_ino))


# Most files of a large tree share theirs with others.
@lru_cache(maxsize=1 << 14)
def _status(mode: int, uid: int, gid: int, size: int) -> Status:
    kind = stat.S_IFMT(mode)
    return Status(
        kind=_KINDS.get(kind, Kind.FILE),
        mode=stat.S_IMODE(mode),
        uid=uid,
        gid=gid,
        size=size,
        special=_SPECIAL.get(kind, ""),
    )


def unfit(path: ImagePath, of: Status) -> str:
    """Say what ``path`` is, where that is nothing that an image can hold; empty where it can.

    A name that begins with .wh. deletes a file of a lower layer (OCI image-spec, layer.md).
    """
    return of.special or ("a whiteout by its name" if path.name.startswith(".wh.") else "")


def _holes(found: os.stat_result) -> str:
    """Say that a file is nearly all holes: a layer has every byte of it, be it zero."""
    held = found.st_blocks * _BLOCK
    if found.st_size - held < _LARGEST_HOLE or held * _COMPRESSION > found.st_size:
        return ""
    return f"a file of {found.st_size >> 30} GB of which {-(-held >> 20)} MB are there"
