"""Writing aside, then renaming: nobody sees half a file, and nobody keeps a dead one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_TOKEN = 8


@contextlib.contextmanager
def written_aside(directory: Path, target: Path, prefix: str = "") -> Iterator[BinaryIO]:
    """Give a new file in ``directory`` (on the file system of ``target``) to write to.

    It becomes ``target``, replacing what was there, when the block ends without an error, and is
    removed otherwise. Its bytes reach the disk before its name does: a name that is a digest must
    not come back from a power cut with other bytes behind it. The name itself is not forced out:
    a file that is forgotten is only made again.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    while True:
        path = _new(directory, prefix)
        descriptor = os.open(path, flags, 0o644)
        if _owned(descriptor):
            break
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        try:
            yield file
            os.fsync(descriptor)
            path.rename(target)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def directory_aside(directory: Path, prefix: str = "") -> Iterator[Path]:
    """Give a new directory in ``directory`` that is removed, unless it was renamed, at the end."""
    while True:
        path = _new(directory, prefix)
        path.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if _owned(descriptor):
            break
    try:
        yield path
    finally:
        if path.exists():
            shutil.rmtree(path)
        os.close(descriptor)


@contextlib.contextmanager
def temporary(prefix: str) -> Iterator[Path]:
    """Give a directory among the system's temporary ones that is removed at the end.

    What a killed process left there under this prefix, the next one removes.
    """
    place = Path(tempfile.gettempdir())
    sweep(place, prefix)
    with directory_aside(place, prefix) as path:
        yield path


def sweep(directory: Path, prefix: str = "") -> None:
    """Remove what processes left aside in ``directory`` when they died.

    The living hold a lock on theirs, whatever machine or container they run in.
    """
    pattern = re.compile(re.escape(prefix) + f"[0-9a-f]{{{2 * _TOKEN}}}")
    for path in directory.iterdir():
        if not pattern.fullmatch(path.name):
            continue
        try:
            # Anybody may make a fifo in a shared place: that must not be waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            if not _locked(descriptor):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock of the file ``path``, waiting for whoever has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write(file: BinaryIO, content: bytes) -> None:
    """Write all of ``content``: an unbuffered file may take less than it is given."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _new(directory: Path, prefix: str) -> Path:
    return directory / (prefix + secrets.token_hex(_TOKEN))


def _owned(descriptor: int) -> bool:
    # Between its making and the lock a sweep may take it for a dead one: then make another.
    if _locked(descriptor) and os.fstat(descriptor).st_nlink:
        return True
    os.close(descriptor)
    return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
