"""Where a user wants the image: one file or directory that appears complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rootfs_ansible.errors import InputError
from rootfs_ansible.store.aside import sweep, written_aside


@contextlib.contextmanager
def written_output(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write that becomes ``path`` when the block ends without an error.

    Raises ``InputError``, and leaves nothing behind, where it cannot be written.
    """
    with reporting(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        sweep(path.parent, aside_prefix(path))
        with written_aside(path.parent, path, aside_prefix(path)) as file:
            yield file


def aside_prefix(path: Path) -> str:
    """Return how the names of what is written aside for ``path``, next to it, begin."""
    return f".{path.name}."


@contextlib.contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn a failure of the operating system into an ``InputError`` about the output."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path.parent).free
            raise InputError(
                f"the disk of the output is full: {free} bytes are free",
                where=str(path),
                hint="make room there, or set rootfs_output to a place on a larger disk",
            ) from error
        raise InputError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            hint="set rootfs_output to a place that this user may write to",
        ) from error
