"""Keys: the digest of all that decides the result of a stage, and of nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from rootfs_ansible.errors import InputError

_BLOCK = 1 << 20
_CACHES = {"__pycache__", ".git"}
_ABOUT = {"molecule", "README.md"}
"""What lies at the top of a role and decides nothing: its tests, its description."""

_SUFFIXES = (".yml", ".yaml", ".json")
_INCLUSIONS = {
    f"{prefix}{word}"
    for prefix in ("", "ansible.builtin.", "ansible.legacy.")
    for word in ("include_role", "import_role")
}
_SHORT_NAME = re.compile(r"(?:\A|\s)(?:name|role)=([^\s{]+)(?=\s|\Z)")
"""The role in the short form of a task, ``include_role: name=common tasks_from=main``."""


def stage_key(stage: str, inputs: Mapping[str, Any]) -> str:
    """Return the key of a stage: 64 hexadecimal digits over its name and its inputs.

    Inputs are JSON values. Paths of the host, times and secrets are never among them.
    """
    document = json.dumps({"stage": stage, "inputs": inputs}, sort_keys=True, default=str)
    return hashlib.sha256(document.encode("utf-8", "surrogateescape")).hexdigest()


def files_digest(directory: Path, files: Iterable[str]) -> str:
    """Return the digest of ``files`` (relative to ``directory``): names, kinds, contents and
    whether they are executable; the umask of a checkout and its times decide nothing.

    A link counts as what it leads to, which is what its readers see; one that leads nowhere, or
    around, counts by its text.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (os.fsencode(name), *_description(directory / name)):
            digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def path_digest(path: Path) -> str:
    """Return the digest of what a file holds, or of all below a directory, wherever it lies."""
    if path.is_dir():
        return directory_digest(path)
    kind, content = _description(path)
    return stage_key("file", {"content": content.hex(), "kind": kind.decode()})


def directory_digest(*directories: Path, without: Callable[[str], bool] = lambda _: False) -> str:
    """Return the digest of whole directories, one after the other; a missing one is empty.

    ``without`` says of a relative name that it decides nothing.
    """
    return stage_key(
        "directories",
        {
            str(index): files_digest(
                directory, (name for name in walk(directory) if not without(name))
            )
            for index, directory in enumerate(directories)
        },
    )


def role_digest(
    role: Path,
    search: Iterable[tuple[Path, str]],
    without: Callable[[str], bool] = lambda _: False,
) -> str:
    """Return the digest of a role: its files, and those of the roles that it depends on or
    includes by a name that is written out.

    ``search`` are the directories that hold roles, each with the prefix of its roles' names (a
    collection's); ``without`` is asked of ``role`` alone.
    """
    digests = [
        directory_digest(at, without=_left_out(without if at == role else lambda _: False))
        for at in role_closure(role, search, without)
    ]
    return stage_key("role", {"digests": sorted(digests)})


def role_closure(
    role: Path,
    search: Iterable[tuple[Path, str]],
    without: Callable[[str], bool] = lambda _: False,
) -> tuple[Path, ...]:
    """Return a role and the roles that it depends on or includes by a name that is written out.

    The arguments are those of ``role_digest``.
    """
    places = tuple(search)
    todo, done = [role], dict[Path, None]()
    while todo:
        at = todo.pop()
        if at in done:
            continue
        done[at] = None
        left_out = _left_out(without if at == role else lambda _: False)
        for name in (*_dependencies(at), *_inclusions(at, left_out)):
            short = _unqualified(name)
            found = [place for place, prefix in places if not prefix or name == prefix + short]
            todo += [place / short for place in (*found, at.parent) if (place / short).is_dir()]
    return tuple(done)


def _left_out(without: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda name: name.partition("/")[0] in _ABOUT or without(name)


def walk(directory: Path) -> Iterator[str]:
    """Yield the names of the files below a directory, also through links; a link that leads up is
    a leaf."""
    if directory.is_dir():
        yield from _below(directory, "", _with_parents(directory))


def _below(directory: Path, prefix: str, above: frozenset[Path]) -> Iterator[str]:
    """Yield what is below a directory; ``above`` are all directories that it lies in, really."""
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(directory)) from error
    for entry in entries:
        name, path = f"{prefix}{entry.name}", directory / entry.name
        if entry.name in _CACHES:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(path, f"{name}/", above | {path.resolve()})
        elif path.is_dir() and (target := path.resolve()) not in above:
            yield from _below(path, f"{name}/", above | _with_parents(target))
        else:
            yield name


def _with_parents(directory: Path) -> frozenset[Path]:
    """Return a directory and all that it lies in, as they are without links."""
    real = directory.resolve()
    return frozenset((real, *real.parents))


def _dependencies(role: Path) -> tuple[str, ...]:
    files = (role / "meta" / f"main{suffix}" for suffix in _SUFFIXES)
    path = next((path for path in files if path.is_file()), None)
    if path is None:
        return ()
    data = None
    with contextlib.suppress(yaml.YAMLError):
        # What is no role's is Ansible's to refuse, here and below, with a better message.
        data = yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
    items = data.get("dependencies") if isinstance(data, dict) else None
    names = [
        item.get("role") or item.get("name") if isinstance(item, dict) else item
        for item in (items if isinstance(items, list) else ())
    ]
    return tuple(str(name) for name in names if name)


def _inclusions(role: Path, without: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the roles that the tasks and handlers of a role include by a literal name."""
    found: set[str] = set()
    for name in walk(role):
        if not name.startswith(("tasks/", "handlers/")) or without(name):
            continue
        path = role / name
        if path.suffix not in _SUFFIXES or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        # Most files include none, and parsing takes its time.
        if "include_role" in text or "import_role" in text:
            with contextlib.suppress(yaml.YAMLError):
                # What is no YAML is Ansible's to refuse, with a better message.
                found.update(_included(yaml.load(text, _TaskLoader)))  # noqa: S506 (a safe one)
    return tuple(sorted(found))


def _included(tasks: object) -> Iterator[str]:
    if isinstance(tasks, list):
        for task in tasks:
            yield from _included(task)
    if not isinstance(tasks, dict):
        return
    for word, value in tasks.items():
        if word in _INCLUSIONS:
            if isinstance(value, dict):
                name = str(value.get("name") or value.get("role") or "")
            else:
                match = _SHORT_NAME.search(str(value))
                name = match[1] if match else ""
            if name and "{{" not in name:
                yield name
        elif word in ("block", "rescue", "always"):
            yield from _included(value)


def _unqualified(role: str) -> str:
    """Return the name of a role without that of its collection; a path stays as it is."""
    return role if "/" in role else role.rpartition(".")[2]


class _TaskLoader(yaml.SafeLoader):
    """Reads tasks with the tags that Ansible knows, whose values decide nothing here."""


_TaskLoader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def _description(path: Path) -> tuple[bytes, bytes]:
    """Return what is at a path: its kind, and the digest of its content."""
    try:
        try:
            mode = path.stat().st_mode
        except OSError:
            return b"link", os.fsencode(path.readlink())
        if stat.S_ISREG(mode):
            return b"program" if mode & 0o100 else b"file", _file_digest(path)
        if stat.S_ISDIR(mode) and path.is_symlink():
            return b"link", os.fsencode(path.readlink())
        return b"other", b""
    except OSError as error:
        # A file that is not there is no link either: the reason is in the first error.
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        raise InputError(f"cannot be read: {reason.strerror}", where=str(path)) from error


def _file_digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.digest()
