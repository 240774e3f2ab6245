"""The sources of an app: which files of a host directory go into a container, and as what."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from docker.utils.build import PatternMatcher

from rootfs_ansible.errors import InputError, of_system

IGNORE_FILE = ".dockerignore"

# Some archivers refuse files from before 1980; the second day is safe in every time zone.
EPOCH = 315619200


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of ``directory`` but for what ``ignore`` and its .dockerignore match.

    Patterns are those of .dockerignore (https://docs.docker.com/build/concepts/context/); the
    file's own come after ``ignore``, so that an app can take back with ``!`` what is ignored by
    default. What a file is on the host counts only as far as its content and whether its owner
    may run it: two clones of one commit are the same sources.
    """

    directory: Path
    ignore: tuple[str, ...] = ()

    def patterns(self) -> tuple[str, ...]:
        """Return every pattern that applies, in order; ``InputError`` if the file is unreadable."""
        path = self.directory / IGNORE_FILE
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except FileNotFoundError:
            lines = []
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read: {error}", where=str(path)) from error
        own = (line.strip() for line in lines if not line.startswith("#"))
        return (*self.ignore, *(line for line in own if line))

    def paths(self) -> tuple[str, ...]:
        """Return the names of all files, directories and links, relative and sorted.

        A directory comes before what it holds. Raises ``InputError`` where ``directory`` is none.
        """
        if not self.directory.is_dir():
            raise InputError("is not a directory", where=str(self.directory))
        matcher = PatternMatcher(list(self.patterns()))
        try:
            found = set(matcher.walk(str(self.directory)))
        except OSError as error:
            raise InputError(f"cannot be read: {error}", where=str(self.directory)) from error
        found.discard(IGNORE_FILE)
        for path in list(found):
            found.update(parent for parent in _parents(path) if parent not in found)
        return tuple(sorted(found, key=lambda path: path.split("/")))

    def write(
        self, stream: IO[bytes] | io.RawIOBase, prefix: str = ".", modified: int = EPOCH
    ) -> str:
        """Write the sources as a tar archive below ``prefix``, and return the digest of what was
        written: equal bytes for equal sources, an equal digest wherever they are put.

        Owner is root, modes are 0644 or 0755, times are ``modified`` (seconds since the epoch).
        Links stay links, also those that lead nowhere. Sockets are passed over; files that are
        unreadable or of another kind are one ``InputError`` that lists them all.
        """
        refused: list[str] = []
        summed = hashlib.sha256()
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(_member(prefix, stat.S_IFDIR | 0o755, modified))
            for path in self.paths():
                try:
                    member, content = self._opened(path, prefix, modified)
                except OSError as error:
                    refused.append(f"{path}: {error.strerror or error}")
                    continue
                with content or nullcontext():
                    if member is not None:
                        summed.update(_header(path, member))
                        archive.addfile(member, content and _Summed(content, summed))
        if refused:
            raise InputError(
                "holds files that cannot be copied into a container",
                where=str(self.directory),
                details=refused,
                hint=f"name them in {IGNORE_FILE}, or remove them",
            )
        return summed.hexdigest()

    def archive(self, prefix: str = ".", modified: int = EPOCH) -> tuple[IO[bytes], str]:
        """Return the archive of ``write`` as an open temporary file, at its start, and its
        digest."""
        stream = tempfile.TemporaryFile(prefix="rootfs-sources-")  # noqa: SIM115 - the caller's
        try:
            digest = self.write(stream, prefix, modified)
            stream.seek(0)
        except OSError as error:
            with suppress(OSError):
                # On a full disk it fails as well.
                stream.close()
            refused = of_system(error)
            raise InputError(
                f"{refused.what} when the sources in {self.directory} were copied",
                where=refused.where,
                hint=refused.hint,
            ) from error
        except BaseException:
            stream.close()
            raise
        return stream, digest

    def digest(self) -> str:
        """Return the sha256 (hexadecimal) of the sources: names, contents, links, run bits."""
        return self.write(_Nowhere())

    def _opened(
        self, path: str, prefix: str, modified: int
    ) -> tuple[tarfile.TarInfo | None, IO[bytes] | None]:
        full = self.directory / path
        status = full.lstat()
        member = _member(f"{prefix}/{path}", status.st_mode, modified)
        if stat.S_ISLNK(status.st_mode):
            member.linkname = os.readlink(full)  # noqa: PTH115 - a Path would tidy the text
        elif stat.S_ISREG(status.st_mode):
            content = full.open("rb")
            member.size = os.fstat(content.fileno()).st_size
            return member, content
        elif stat.S_ISSOCK(status.st_mode):
            return None, None
        elif not stat.S_ISDIR(status.st_mode):
            raise OSError("is neither a file, a directory nor a link")
        return member, None


class _Nowhere(io.RawIOBase):
    """A stream that keeps nothing of what is written to it."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        return len(data)


class _Summed(io.RawIOBase):
    """A file whose bytes are summed as they are read."""

    def __init__(self, file: IO[bytes], summed: hashlib._Hash) -> None:
        self._file = file
        self._sum = summed

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self._sum.update(data)
        return data


def _header(path: str, member: tarfile.TarInfo) -> bytes:
    fields = (path, member.type.decode(), f"{member.mode:o}", member.linkname, str(member.size))
    return b"".join(os.fsencode(field) + b"\0" for field in fields)


def _member(path: str, mode: int, modified: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.mtime = modified
    member.mode = 0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644
    if stat.S_ISDIR(mode):
        member.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(mode):
        member.type = tarfile.SYMTYPE
        member.mode = 0o777
    return member


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
