"""What the binaries of an image name and it has not, as people read it."""

from __future__ import annotations

from collections.abc import Iterable

from rootfs_ansible.model.manifest import Candidate
from rootfs_ansible.pack.summary import printable


def table(candidates: Iterable[Candidate]) -> str:
    """Return a line for each path, with its package, and below it the binaries that name it."""
    named: dict[tuple[str, str], list[str]] = {}
    for item in sorted(candidates):
        known = "" if item.name == item.path else f" as {item.name}"
        named.setdefault((item.path, item.package), []).append(f"  {item.source}{known}")
    lines = []
    for (path, package), binaries in sorted(named.items()):
        lines += [f"{path} ({package or 'of no package'}), named by", *binaries]
    return "\n".join(map(printable, lines))
