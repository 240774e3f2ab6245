"""What an export keeps of a file's status."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from typing import NamedTuple

from rootfs_ansible.model.manifest import Kind

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
