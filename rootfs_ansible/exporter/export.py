"""An export: from a tree and a request to layers and a fragment on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.closure import Reached, closure
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.layers import partition
from rootfs_ansible.exporter.outputs import claims
from rootfs_ansible.exporter.paths import path_index, write_index
from rootfs_ansible.exporter.records import add_records
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.tar import LayerTar, unwritable
from rootfs_ansible.model.manifest import Entry, Fragment, Kind, Layer, Omission
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest, Scope

FRAGMENT = "fragment.json"

_SETID = 0o6000
_WORLD_WRITABLE = 0o002
_STICKY = 0o1000


def export(root: Path, request: ExportRequest, output: Path) -> Fragment:
    """Write the layers that ``request`` asks for of the tree ``root``, as ``LAYER.tar``, and
    ``fragment.json`` into the directory ``output``; return the fragment. What the tree has beside
    them goes to ``paths.json``, unless only outputs are asked for.

    ``ClosureError`` lists everything that is declared or needed and not there; ``InputError``
    says what is wrong with the request. Nothing is written then. What fails later (a file that
    changes while it is read, a full disk) leaves layers and no ``fragment.json``.
    """
    tree = Root(root)
    packages = PackageDatabase(tree)
    claimed = claims(tree, packages, request)
    if claimed.special:
        raise ClosureError(
            "an output holds what no image can",
            details=sorted(claimed.special),
            hint="exclude these paths, or remove them at the end of the build",
        )
    found = closure(tree, packages, claimed, request)
    missing = sorted(claimed.unmatched) + found.missing
    if missing:
        raise ClosureError(
            "something that must be shipped is nowhere in the tree",
            details=missing,
            hint="build or install what is missing, or stop declaring what needs it",
        )
    shipped = () if request.scope is Scope.OUTPUTS else add_records(tree, packages, found, request)
    split = partition(tree, found, request.layers, frozenset(request.provided))
    _make(output)
    writing = _Writing(tree, packages, request, output)
    layers = tuple(writing.layer(name, paths) for name, paths in split.items())
    fragment = Fragment(
        layers=layers,
        entries=tuple(writing.entries),
        edges=tuple(found.edges),
        packages=shipped,
        needs=tuple(found.needs.values()),
        omitted=tuple(found.omitted | writing.omitted),
    )
    if request.scope is not Scope.OUTPUTS:
        write_index(path_index(tree, packages), output)
    _write(output / FRAGMENT, fragment)
    return fragment


class _Writing:
    """The layers of an export being written."""

    def __init__(
        self, root: Root, packages: PackageDatabase, request: ExportRequest, output: Path
    ) -> None:
        self._root = root
        self._packages = packages
        self._epoch = request.epoch
        self._output = output
        self.entries: list[Entry] = []
        self.omitted: set[Omission] = set()

    def layer(self, name: str, paths: Mapping[ImagePath, Reached]) -> Layer:
        path = self._output / f"{name}.tar"
        first: dict[tuple[int, int], Entry] = {}
        with LayerTar(path, self._epoch) as tar:
            for at, reached in paths.items():
                self.entries.append(self._written(tar, at, reached, first))
            digest, size = tar.finish()
        return Layer(name, f"sha256:{digest}", size)

    def _written(
        self,
        tar: LayerTar,
        path: ImagePath,
        reached: Reached,
        first: dict[tuple[int, int], Entry],
    ) -> Entry:
        """Write one path; ``first`` are the files of the layer that may have further names."""
        kind, inode = reached.status.kind, reached.status.inode
        if reached.made and kind is Kind.FILE:
            return tar.add_bytes(self._entry(path, reached), reached.content)
        if inode is not None and inode in first:
            same = first[inode]
            entry = replace(self._entry(path, reached, same.xattrs), hardlink=same.path)
            tar.add(entry)
            return entry.with_content(same.size, same.sha256)
        if kind is not Kind.FILE:
            # A link has no attributes of its own that an image keeps.
            bare = reached.made or kind is Kind.SYMLINK
            entry = self._entry(path, reached, () if bare else self._root.xattrs(path))
            tar.add(entry)
            return entry
        handle = self._root.descriptor(path)
        try:
            entry = self._entry(path, reached, self._root.xattrs(path, handle))
            entry = tar.add_file(entry, handle)
        finally:
            os.close(handle)
        if inode is not None:
            first[inode] = entry
        return entry

    def _entry(
        self, path: ImagePath, reached: Reached, xattrs: tuple[tuple[str, str], ...] = ()
    ) -> Entry:
        status = reached.status
        owner = None
        if status.kind is not Kind.DIRECTORY and not reached.made:
            owner = self._packages.owner(path)
        return Entry(
            path=path,
            kind=status.kind,
            mode=self._mode(path, reached),
            uid=status.uid,
            gid=status.gid,
            size=status.size,
            sha256="",
            layer=reached.layer,
            package=owner.name if owner else "",
            link=self._root.readlink(path) if status.kind is Kind.SYMLINK else "",
            xattrs=xattrs,
        )

    def _mode(self, path: ImagePath, reached: Reached) -> int:
        """Return the mode to ship: no setuid or setgid program, nothing that everybody writes
        but a sticky directory."""
        status = reached.status
        cleared = 0
        if status.kind is Kind.FILE:
            cleared = status.mode & (_SETID | _WORLD_WRITABLE)
        elif status.kind is Kind.DIRECTORY and not status.mode & _STICKY:
            cleared = status.mode & _WORLD_WRITABLE
        if cleared:
            self.omitted.add(
                Omission(
                    path.text,
                    "mode",
                    f"mode {status.mode:04o} is shipped as {status.mode & ~cleared:04o}",
                )
            )
        return status.mode & ~cleared if status.kind is not Kind.SYMLINK else 0o777


def _make(directory: Path) -> None:
    """Make ``directory``, without the fragment of an earlier export."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FRAGMENT).unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(directory, error) from error


def _write(path: Path, fragment: Fragment) -> None:
    """Write ``fragment`` aside, then put it in place."""
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(fragment.to_text())
        aside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
