"""File systems that are soon full, for the tests of what writes."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Mount a file system of 256 KiB on ``directory`` (that takes root, as an engine does)."""
    directory.mkdir()
    options = ["-o", "size=256k,mode=0755"]
    subprocess.run(["mount", "-t", "tmpfs", *options, "rootfs-test", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", directory], check=True)
