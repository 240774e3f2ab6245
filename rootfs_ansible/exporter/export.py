"""An export: from a tree and a request to layers and a fragment on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.candidates import candidates
from rootfs_ansible.exporter.closure import Closure, Reached, closure
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.layers import partition
from rootfs_ansible.exporter.outputs import claims
from rootfs_ansible.exporter.pathmap import PathMap
from rootfs_ansible.exporter.paths import path_index, write_index
from rootfs_ansible.exporter.records import add_records
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.spool import Spool
from rootfs_ansible.exporter.status import Status
from rootfs_ansible.exporter.tar import LayerTar, changed, unwritable
from rootfs_ansible.model.manifest import BATCH, Entry, Fragment, Kind, Layer, Omission, texts
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest, Scope

FRAGMENT = "fragment.json"

_SETID = 0o6000
_WORLD_WRITABLE = 0o002
_STICKY = 0o1000

Item = tuple[ImagePath, Reached]

# What is larger is read piece by piece.
_SMALL = 1 << 18
_BUFFER = 1 << 18


def export(root: Path, request: ExportRequest, output: Path) -> None:
    """Write the layers that ``request`` asks for of the tree ``root``, as ``LAYER.tar``, and
    ``fragment.json`` into the directory ``output``. What the tree has beside them goes to
    ``paths.json``, unless only outputs are asked for.

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
    partition(tree, found, request.layers, frozenset(request.provided))
    _make(output)
    with ExitStack() as stack:
        lines = {name: stack.enter_context(Spool(output, name)) for name in request.layers}
        writing = _Writing(tree, packages, request.epoch, found)
        layers = tuple(writing.layer(name, output, lines[name]) for name in lines)
        fragment = Fragment(
            layers=layers,
            packages=shipped,
            needs=tuple(found.needs.values()),
            omitted=tuple(found.omitted | writing.omitted),
            candidates=candidates(tree, packages, found, request),
        )
        if request.scope is not Scope.OUTPUTS:
            write_index(path_index(tree, packages), output)
        entries = (lines[layer].take() for layer in writing.order)
        _write(output / FRAGMENT, fragment.to_text(entries, found.all_edges()))


def _runs(entries: PathMap[Reached]) -> Iterator[tuple[str, list[Item]]]:
    """Yield ``entries`` in their order as runs of one layer each, none of them long."""
    run: list[Item] = []
    layer = ""
    for item in entries.pairs():
        at = item[1].layer
        if run and (at != layer or len(run) == BATCH):
            yield layer, run
            run = []
        layer = at
        run.append(item)
    if run:
        yield layer, run


class _Writing:
    """The layers of an export being written; ``order`` is whose entries come next, run by run."""

    def __init__(self, root: Root, packages: PackageDatabase, epoch: int, found: Closure) -> None:
        self._root = root
        self._packages = packages
        self._epoch = epoch
        self._found = found
        self.omitted: set[Omission] = set()
        self.order: list[str] = []

    def layer(self, name: str, output: Path, lines: Spool) -> Layer:
        """Write the layer ``name``, and its entries to ``lines``."""
        first: dict[tuple[int, int], Entry] = {}
        with LayerTar(output / f"{name}.tar", self._epoch) as tar:
            self.order = []
            for layer, run in _runs(self._found.entries):
                self.order.append(layer)
                if layer == name:
                    lines.add(texts(self._written(tar, *item, first) for item in run))
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
            entry = self._file(tar, path, reached, handle)
        finally:
            os.close(handle)
        if inode is not None:
            first[inode] = entry
        return entry

    def _file(self, tar: LayerTar, path: ImagePath, reached: Reached, handle: int) -> Entry:
        xattrs = self._root.xattrs(path, handle)
        size = reached.status.size
        if size <= _SMALL:
            # One byte more than there should be tells the end without another read.
            content = self._root.read(path, handle, size + 1)
            if len(content) == size:
                digest = hashlib.sha256(content).hexdigest()
                entry = self._entry(path, reached, xattrs, digest)
                tar.add_content(entry, content)
                return entry
            raise changed(path)
        return tar.add_file(self._entry(path, reached, xattrs), handle)

    def _entry(
        self,
        path: ImagePath,
        reached: Reached,
        xattrs: tuple[tuple[str, str], ...] = (),
        sha256: str = "",
    ) -> Entry:
        status = reached.status
        owner = None
        if status.kind is not Kind.DIRECTORY and not reached.made:
            owner = self._packages.owner(path)
        return Entry(
            path,
            status.kind,
            self._mode(path, status),
            status.uid,
            status.gid,
            status.size,
            sha256,
            reached.layer,
            owner.name if owner else "",
            self._root.readlink(path) if status.kind is Kind.SYMLINK else "",
            None,
            xattrs,
        )

    def _mode(self, path: ImagePath, status: Status) -> int:
        """Return the mode to ship: no setuid or setgid program, nothing that everybody writes
        but a sticky directory."""
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


def _write(path: Path, texts: Iterable[str]) -> None:
    """Write ``texts`` aside, then put them in place."""
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("w", encoding="ascii", newline="\n", buffering=_BUFFER) as stream:
            stream.writelines(texts)
        aside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
