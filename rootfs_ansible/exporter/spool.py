"""A spool: lines that wait on disk, as there may be more than memory should hold."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from rootfs_ansible.exporter.tar import unwritable

_BUFFER = 1 << 16


class Spool:
    """Lines in a file of ``directory`` that no name leads to: all are added, then taken in the
    same order. ``name`` tells it from others that begin there at the same time."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f".{name}.spool"
        self._is_taken = False
        try:
            self._file = self._path.open("w+b", buffering=_BUFFER)
            self._path.unlink()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, line: str) -> None:
        """Append ``line``, which is ASCII and has no end of line in it."""
        try:
            self._file.write(f"{line}\n".encode("ascii"))
        except OSError as error:
            raise unwritable(self._path, error) from error

    def take(self) -> str:
        """Return the next line."""
        try:
            if not self._is_taken:
                self._is_taken = True
                self._file.seek(0)
            return self._file.readline()[:-1].decode("ascii")
        except OSError as error:
            raise unwritable(self._path, error) from error
