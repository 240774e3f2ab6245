"""What a scanner finds in an image, beside what its manifest says is there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from rootfs_ansible.model.manifest import Fragment

Found = dict[str, set[tuple[str, str]]]

KINDS = {"python": "pypi"}
"""What syft calls otherwise than package URLs do."""


def scanned(archive: Path) -> Found:
    """Return the names and versions that syft finds in a docker archive, by type."""
    report = subprocess.run(
        ["syft", "scan", f"docker-archive:{archive}", "-o", "json", "-q"],
        stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    found: Found = {}
    for artifact in json.loads(report.stdout)["artifacts"]:
        kind = KINDS.get(artifact["type"], artifact["type"])
        found.setdefault(kind, set()).add((artifact["name"], artifact["version"]))
    return found


def said(manifest: Fragment) -> Found:
    """Return the names and versions that a manifest says are shipped, by type."""
    found: Found = {"deb": {(item.name, item.version) for item in manifest.packages}}
    for item in manifest.components:
        found.setdefault(item.type, set()).add((item.name, item.version))
    return found


def of_files(found: Found) -> Found:
    """Return what files of an image tell: not what is linked into programs, nor the system."""
    return {kind: found.get(kind, set()) for kind in ("deb", "npm", "pypi")}
