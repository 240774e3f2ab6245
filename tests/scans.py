"""What a scanner finds in an image, beside what its manifest says is there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packageurl import PackageURL
from packaging.utils import canonicalize_name

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
        _add(found, KINDS.get(artifact["type"], artifact["type"]), artifact)
    return found


def said(manifest: Fragment) -> Found:
    """Return the names and versions that a manifest says are shipped, by type."""
    found: Found = {"deb": {(item.name, item.version) for item in manifest.packages}}
    for item in manifest.components:
        _add(found, item.type, {"name": item.name, "version": item.version})
    return found


def listed(bill: Mapping[str, Any]) -> Found:
    """Return the names and versions that a bill of materials in CycloneDX lists, by type."""
    found: Found = {}
    for component in bill["components"]:
        if "purl" in component:
            name = "/".join(filter(None, [component.get("group"), component["name"]]))
            _add(found, PackageURL.from_string(component["purl"]).type, {**component, "name": name})
    return found


def of_files(found: Found) -> Found:
    """Return what files of an image tell: not what is linked into programs, nor the system."""
    return {kind: found.get(kind, set()) for kind in ("deb", "npm", "pypi")}


def _add(found: Found, kind: str, item: Mapping[str, Any]) -> None:
    # Python takes names that differ in case and in hyphens for the same (PEP 503); syft writes
    # them so, we as their own metadata does.
    name = canonicalize_name(item["name"]) if kind == "pypi" else item["name"]
    found.setdefault(kind, set()).add((name, item["version"]))
