"""The first bytes of files, by which scripts and binaries are told from everything else."""

from __future__ import annotations

from rootfs_ansible.exporter.elf import ELF_MAGIC, BinaryFormat, binary_format
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.scripts import FIRST_LINE
from rootfs_ansible.exporter.status import Status
from rootfs_ansible.model.path import ImagePath

# Enough to tell a script and every binary format.
_SIZE = 4096
_ELF = len(ELF_MAGIC)


class Heads:
    """The heads of the files in ``root``: each is read once, and kept where it says something."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._kept: dict[ImagePath, bytes] = {}

    def look(self, path: ImagePath, status: Status) -> bytes:
        """Return the head of ``path``, empty where it says nothing; ``take`` gives it again."""
        head = self._root.head(path, _SIZE) if status.size else b""
        kind = binary_format(head)
        if kind is BinaryFormat.ELF:
            self._kept[path] = head[:_ELF]
        elif kind is not None or head.startswith(b"#!"):
            self._kept[path] = head[:FIRST_LINE] if kind is None else head
        else:
            return b""
        return head

    def says(self, path: ImagePath) -> bool:
        """Say whether a look at ``path`` found something that ``take`` gives."""
        return path in self._kept

    def take(self, path: ImagePath, status: Status) -> bytes:
        """Return the head of ``path`` as far as it says something, for the last time."""
        if path not in self._kept:
            self.look(path, status)
        return self._kept.pop(path, b"")
