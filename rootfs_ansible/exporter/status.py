"""What an export keeps of a file's status."""

from __future__ import annotations

import os
import stat
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
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), Kind.FILE)
    return Status(
        kind=kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        size=found.st_size if kind is Kind.FILE else 0,
        inode=(found.st_dev, found.st_ino) if found.st_nlink > 1 and kind is Kind.FILE else None,
        special=_SPECIAL.get(stat.S_IFMT(found.st_mode), ""),
    )
