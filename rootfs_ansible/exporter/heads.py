"""The first bytes of files, by which scripts and binaries are told from everything else."""

from __future__ import annotations

from rootfs_ansible.exporter.elf import binary_format
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import Status
from rootfs_ansible.model.path import ImagePath

# Enough to tell a script and every binary format.
_SIZE = 4096


class Heads:
    """The heads of the files in ``root``: each is read once, and kept where it says something."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._read: set[ImagePath] = set()
        self._kept: dict[ImagePath, bytes] = {}

    def look(self, path: ImagePath, status: Status) -> bytes:
        """Return the head of ``path``, which ``take`` is going to ask for, too."""
        head = self._root.head(path, _SIZE) if status.size else b""
        self._read.add(path)
        if head.startswith(b"#!") or binary_format(head) is not None:
            self._kept[path] = head
        return head

    def take(self, path: ImagePath, status: Status) -> bytes:
        """Return the head of ``path`` for the last time; empty where it says nothing and
        somebody looked before."""
        if path in self._read:
            return self._kept.pop(path, b"")
        return self._root.head(path, _SIZE) if status.size else b""
