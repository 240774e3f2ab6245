"""Opened names: the libraries that files may open by name, which no edge of ELF shows."""

from __future__ import annotations

from rootfs_ansible.exporter import strings
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.loader import Loader
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import status
from rootfs_ansible.model.path import ImagePath


class OpenedNames:
    """What the ELF files of a tree name as texts; each is read once."""

    def __init__(self, root: Root, packages: PackageDatabase, loader: Loader) -> None:
        self._root = root
        self._packages = packages
        self._loader = loader
        self._known: dict[ImagePath, tuple[str, ...]] = {}

    def of(self, path: ImagePath) -> tuple[str, ...]:
        """Return the sorted names of libraries in the file ``path`` that it does not need.

        A package declares what its files open; a file that no package has can only name it.
        """
        if path not in self._known:
            self._known[path] = self._read(path)
        return self._known[path]

    def _read(self, path: ImagePath) -> tuple[str, ...]:
        elf = self._loader.elf(path)
        if elf is None or elf.is_static or self._packages.owner(path) is not None:
            return ()
        found = self._root.lstat(path)
        if found is None or status(found).special:
            return ()
        with self._root.open(path) as stream:
            named = strings.library_names(stream)
        return tuple(sorted(named - {*elf.needed, elf.soname}))
