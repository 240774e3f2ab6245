"""The plain root filesystem: all layers as one, as a tar or as a directory."""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import os
from collections.abc import Iterator
from pathlib import Path

from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.pack.output import aside_prefix, reporting, written_output
from rootfs_ansible.store.aside import directory_aside, sweep, write
from rootfs_ansible.store.layout import Store
from rootfs_ansible.store.tar import LayerReader, Member
from rootfs_ansible.store.upkeep import WRITTEN

_BLOCK = 512
_ROOT_MODE = 0o755


def write_tar(store: Store, image: Image, path: Path) -> None:
    """Write the root filesystem as one tar: the members of all layers in the order of paths.

    Each path is owned by one layer, so nothing is overwritten on the way, and the bytes are the
    same however the layers are cut. Replaces ``path`` at once when it is complete. Raises
    ``StoreError`` where a layer is missing, ``InputError`` where ``path`` cannot be written.
    """
    with written_output(path) as file:
        for member, content in _members(store, image):
            write(file, member.header)
            for block in content:
                write(file, block)
            write(file, bytes(-member.size % _BLOCK))
        write(file, bytes(2 * _BLOCK))


def write_directory(store: Store, image: Image, path: Path) -> None:
    """Write the root filesystem as a directory, with owners, modes, times, xattrs and hard links.

    Only root can do that. Replaces ``path``, when it is complete, if it is missing, empty or what
    this store wrote there and nobody changed at its top since. Raises ``InputError`` where it is
    anything else or cannot be written, ``StoreError`` where a layer is missing.
    """
    if os.geteuid() != 0:
        raise InputError(
            "a root filesystem holds owners that only root can set",
            where=str(path),
            hint="run as root, or write it as a tar or as an OCI archive",
        )
    path = path.absolute()
    key = WRITTEN + hashlib.sha256(os.fsencode(path)).hexdigest()
    with reporting(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, aside_prefix(path))
        known = _known(path, (store.record(key) or {}).get("written"))
        with directory_aside(path.parent, aside_prefix(path)) as aside:
            _fill(store, image, aside)
            # Both are ours, whichever of them a kill leaves there.
            store.put_record(key, {"written": [_identity(aside), *known]})
            with _displaced(path):
                aside.rename(path)


def _members(store: Store, image: Image) -> Iterator[tuple[Member, Iterator[bytes]]]:
    with contextlib.ExitStack() as files:
        layers = []
        for digest in image.digests:
            file = files.enter_context(store.blob(digest).open("rb", buffering=0))
            layers.append(_layer_members(LayerReader(file.read, digest)))
        last = None
        for member, content in heapq.merge(*layers, key=lambda item: item[0].path.parts):
            # A directory that two layers bring is the same in both: the lowest comes first.
            if member.path != last:
                yield member, content
            last = member.path


def _layer_members(reader: LayerReader) -> Iterator[tuple[Member, Iterator[bytes]]]:
    for member in reader.members():
        yield member, reader.content()


def _fill(store: Store, image: Image, base: Path) -> None:
    directories: dict[Path, Member | None] = {base: None}
    time = 0
    for member, content in _members(store, image):
        path = base / member.path.relative
        time = member.mtime
        if path != base and path.parent not in directories:
            raise StoreError(f"{member.path} is in no directory", where=str(store.directory))
        if member.kind is Kind.DIRECTORY:
            if path != base:
                path.mkdir(mode=0o700)
            directories[path] = member
        elif member.kind is Kind.SYMLINK:
            path.symlink_to(member.link)
            _dress(path, member)
        elif member.hardlink is not None:
            path.hardlink_to(base / member.hardlink.relative)
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0) as file:
                for block in content:
                    write(file, block)
            _dress(path, member)
    # The time of a directory changes with what is made in it: the deepest come first.
    for path, directory in reversed(directories.items()):
        if directory is not None:
            _dress(path, directory)
        else:
            path.chmod(_ROOT_MODE)
            os.utime(path, (time, time))


def _dress(path: Path, member: Member) -> None:
    os.chown(path, member.uid, member.gid, follow_symlinks=False)
    if member.kind is not Kind.SYMLINK:
        path.chmod(member.mode)
    # After chown, which drops the capabilities of a file.
    for name, value in member.xattrs:
        os.setxattr(path, name, bytes.fromhex(value), follow_symlinks=False)
    os.utime(path, (member.mtime, member.mtime), follow_symlinks=False)


@contextlib.contextmanager
def _displaced(path: Path) -> Iterator[None]:
    if not path.exists():
        yield
        return
    with directory_aside(path.parent, aside_prefix(path)) as aside:
        old = path.rename(aside / path.name)
        try:
            yield
        except BaseException:
            old.rename(path)
            raise


def _known(path: Path, written: object) -> list[str]:
    """Return the identity of what may be replaced at ``path``, if anything is there."""
    if not os.path.lexists(path):
        return []
    if path.is_symlink() or not path.is_dir():
        raise InputError(
            "is there and is no directory", where=str(path), hint="remove it, or name another"
        )
    identity = _identity(path)
    if isinstance(written, list) and identity in written:
        return [identity]
    if any(path.iterdir()):
        raise InputError(
            "is not empty, and not as this store wrote it",
            where=str(path),
            hint="remove it, or name another directory",
        )
    return []


def _identity(path: Path) -> str:
    """Return what tells a directory from a later one that got the same inode: it has the time of
    its image, which it loses with the first change at its top."""
    status = path.lstat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_mtime_ns}"
