"""The accounts of an image: /etc/passwd and /etc/group with only those that are declared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ImagePath

PASSWD = ImagePath("/etc/passwd")
GROUP = ImagePath("/etc/group")

_LARGEST = 4 << 20
_ID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The contents of the two files, and the declared names that the tree does not know."""

    passwd: bytes
    group: bytes
    unknown: tuple[str, ...]


def accounts(
    root: Root, names: Iterable[str], uids: Iterable[int] = (), gids: Iterable[int] = ()
) -> Accounts:
    """Return the lines of the accounts ``names``, of the users and groups with these ids, and of
    the users' primary groups, sorted by id.

    A group keeps the members that are among the users. Passwords stay where they are (``x``: in
    /etc/shadow, which no image holds); a hash in /etc/passwd itself is replaced (passwd(5)).
    """
    wanted = set(names)
    owners, owning = set(map(str, uids)), set(map(str, gids))
    users = [line for line in _lines(root, PASSWD, 7) if line[0] in wanted or line[2] in owners]
    owning |= {line[3] for line in users}
    groups = [line for line in _lines(root, GROUP, 4) if line[0] in wanted or line[2] in owning]
    for line in users + groups:
        line[1] = line[1] if line[1] in ("x", "*", "!") else "x"
    members = wanted | {line[0] for line in users}
    for line in groups:
        line[3] = ",".join(member for member in line[3].split(",") if member in members)
    found = members & ({line[0] for line in users} | {line[0] for line in groups})
    return Accounts(_content(users), _content(groups), tuple(sorted(wanted - found)))


def _content(lines: list[list[str]]) -> bytes:
    lines = sorted(lines, key=lambda line: (int(line[2]), line[0]))
    text = "".join(":".join(line) + "\n" for line in lines)
    return text.encode("utf-8", "surrogateescape")


def _lines(root: Root, path: ImagePath, count: int) -> list[list[str]]:
    """Return the well-formed lines of ``path``, each name once, as ``count`` fields."""
    resolution = root.resolve(path)
    if resolution is None:
        return []
    try:
        with root.open(resolution.path) as stream:
            text = stream.read(_LARGEST).decode("utf-8", "surrogateescape")
    except ClosureError:
        return []
    found: dict[str, list[str]] = {}
    for line in text.split("\n"):
        fields = line.split(":")
        if len(fields) == count and fields[0] and _ID.fullmatch(fields[2]):
            found.setdefault(fields[0], fields)
    return list(found.values())
