"""The archives that the packages of a staging container came from, as apt's own lists tell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace

from rootfs_ansible.model.manifest import Package, plain_name

_LISTS = "/usr/lib/apt/apt-helper cat-file /var/lib/apt/lists/*_Packages*"
_LONGEST = 200
"""Lines of one stanza of a list, far more than any has."""

_FIELD = re.compile(r"(Package|Version|Architecture|SHA256): (\S+)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def lookup(packages: Iterable[Package]) -> str:
    """Return the shell line that prints what apt's lists say of ``packages``, whatever way they
    are compressed; it prints nothing where there are no lists."""
    lines = " ".join(
        f"-e {shlex.quote(f'Package: {name}')}"
        for name in sorted({plain_name(item.name) for item in packages})
    )
    fields = "^(Package|Version|Architecture|SHA256): "
    return f"{_LISTS} 2>/dev/null | grep -FxA{_LONGEST} {lines} | grep -E '{fields}'"


def with_archives(packages: Iterable[Package], said: str) -> tuple[Package, ...]:
    """Return ``packages`` with the SHA-256 of their archives, by what ``lookup`` printed: none
    of a package that the lists have no more, or that no list ever had."""
    found: dict[tuple[str, str, str], str] = {}
    stanza: dict[str, str] = {}
    for line in said.splitlines():
        if match := _FIELD.fullmatch(line.strip()):
            if match[1] == "Package":
                stanza = {}
            stanza[match[1]] = match[2]
            if len(stanza) == 4 and _DIGEST.fullmatch(stanza["SHA256"]):
                key = stanza["Package"], stanza["Version"], stanza["Architecture"]
                found[key] = stanza["SHA256"]
    return tuple(
        replace(
            item, sha256=found.get((plain_name(item.name), item.version, item.architecture), "")
        )
        for item in packages
    )
