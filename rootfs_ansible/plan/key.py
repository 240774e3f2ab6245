"""Keys: the digest of all that decides the result of a stage, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rootfs_ansible.errors import InputError

_BLOCK = 1 << 20
_NO_PART = {"__pycache__", ".git", "molecule", "README.md"}
"""What lies in a role's directory and decides nothing: caches, its tests, its description."""


def stage_key(stage: str, inputs: Mapping[str, Any]) -> str:
    """Return the key of a stage: 64 hexadecimal digits over its name and its inputs.

    Inputs are JSON values. Paths of the host, times and secrets are never among them.
    """
    document = json.dumps({"stage": stage, "inputs": inputs}, sort_keys=True, default=str)
    return hashlib.sha256(document.encode("utf-8", "surrogateescape")).hexdigest()


def files_digest(directory: Path, files: Iterable[str]) -> str:
    """Return the digest of ``files`` (relative to ``directory``): names, kinds, contents and
    whether they are executable; the umask of a checkout and its times decide nothing."""
    digest = hashlib.sha256()
    for name in sorted(files):
        path = directory / name
        try:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                kind, content = "link", os.fsencode(path.readlink())
            elif stat.S_ISREG(mode):
                kind = "program" if mode & 0o100 else "file"
                content = _file_digest(path)
            else:
                kind, content = "directory", b""
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from error
        for part in (os.fsencode(name), kind.encode(), content):
            digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def directory_digest(*directories: Path, without: Callable[[str], bool] = lambda _: False) -> str:
    """Return the digest of whole directories, one after the other; a missing one is empty.

    ``without`` says of a relative name that it decides nothing.
    """
    return stage_key(
        "directories",
        {
            str(index): files_digest(
                directory, (name for name in _walk(directory) if not without(name))
            )
            for index, directory in enumerate(directories)
        },
    )


def role_digest(
    role: Path, search: Iterable[Path], without: Callable[[str], bool] = lambda _: False
) -> str:
    """Return the digest of a role: its files, and those of the roles it depends on.

    ``search`` are the directories that hold roles.
    """
    places = tuple(search)
    todo, done = [role], dict[str, str]()
    while todo:
        at = todo.pop()
        if str(at) in done:
            continue
        done[str(at)] = directory_digest(at, without=without if at == role else lambda _: False)
        todo += [
            place / name
            for name in _dependencies(at)
            for place in places
            if (place / name).is_dir()
        ]
    return stage_key("role", {"digests": sorted(done.values())})


def _walk(directory: Path) -> Iterable[str]:
    for at, directories, files in os.walk(directory):
        directories[:] = sorted(set(directories) - _NO_PART)
        for name in files:
            if name not in _NO_PART:
                yield str((Path(at) / name).relative_to(directory))


def _dependencies(role: Path) -> tuple[str, ...]:
    path = role / "meta" / "main.yml"
    if not path.is_file():
        return ()
    data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    names = [
        item if isinstance(item, str) else item.get("role") or item.get("name") or ""
        for item in data.get("dependencies") or []
    ]
    return tuple(str(name).rpartition(".")[2] for name in names)


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.digest()
