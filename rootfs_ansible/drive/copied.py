"""What is copied into a container: an archive whose names are those of the place it goes to."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from typing import IO

_BLOCK = 1 << 20


def rename(source: IO[bytes], target: IO[bytes], name: str) -> None:
    """Write the archive ``source`` with the first part of every name replaced by ``name``."""
    with (
        tarfile.open(fileobj=source, mode="r") as old,
        tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in old:
            member.name = _renamed(member.name, name)
            if member.islnk():
                member.linkname = _renamed(member.linkname, name)
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    target.seek(0)


def members(stream: IO[bytes]) -> Mapping[str, object]:
    """Return what each member of an archive is, by name: all that a copy of it has to have."""
    found: dict[str, object] = {}
    with tarfile.open(fileobj=stream, mode="r") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            digest = sha256(content) if content else ""
            owner = (member.uid, member.gid)
            found[member.name] = (member.type, member.mode, owner, member.linkname, digest)
    stream.seek(0)
    return found


def sha256(stream: IO[bytes]) -> str:
    """Return the sha256 (hexadecimal) of what is left of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _renamed(path: str, name: str) -> str:
    return "/".join([name, *path.strip("/").split("/")[1:]])
