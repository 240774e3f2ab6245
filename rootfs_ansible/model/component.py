"""What an image is made of besides packages of the distribution: a library, a program, a system."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.path import ImagePath

SYSTEM = "os"
"""The type of the component that is the distribution itself; every other is a package URL's."""

_TYPE = re.compile(r"[a-z][a-z0-9.-]{0,31}")
_INTEGRITY = re.compile(
    r"(?:sha256-[A-Za-z0-9+/]{43}=|sha384-[A-Za-z0-9+/]{64}|sha512-[A-Za-z0-9+/]{86}==)"
)
_LIMITS = {"name": 214, "version": 256, "licence": 1024}
"""Characters; npm's own limit of a name is the longest that is known."""


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One component: ``type`` as in package URLs (``npm``, ``pypi``, ``hackage``, ``generic``),
    ``name`` and ``version`` as its own ecosystem writes them.

    ``paths`` are what it is found by, or what is made of it, and ``layer`` is that of the first.
    ``licence`` is an SPDX licence expression, empty where nothing says one; ``integrity`` what a
    lock file pins it by (Subresource Integrity: ``sha512-BASE64``), empty where none does.
    """

    type: str
    name: str
    version: str
    paths: tuple[ImagePath, ...]
    layer: str = ""
    licence: str = ""
    integrity: str = ""

    def __post_init__(self) -> None:
        """Refuse what no scanner could print: much of it comes from a build container."""
        if not _TYPE.fullmatch(self.type):
            raise InputError(f"not the type of a component: {self.type[:40]!r}")
        for field, limit in _LIMITS.items():
            text = getattr(self, field)
            if len(text) > limit or not text.isprintable() or (field != "licence" and not text):
                raise InputError(f"not the {field} of a component: {text[:40]!r}")
        # Parts of a package URL: its namespace and its name are none of these.
        if not {"", ".", ".."}.isdisjoint(self.name.split("/")):
            raise InputError(f"not the name of a component: {self.name[:40]!r}")
        if self.integrity and not _INTEGRITY.fullmatch(self.integrity):
            raise InputError(f"not a digest of a component: {self.integrity[:40]!r}")
        if not self.paths:
            raise InputError(f"the component {self.name} has no path")

    def to_json(self) -> dict[str, Any]:
        """Return the component as a JSON object; fields that say nothing are left out."""
        data: dict[str, Any] = {
            "type": self.type,
            "name": self.name,
            "version": self.version,
            "paths": [str(path) for path in self.paths],
        }
        more = {"layer": self.layer, "licence": self.licence, "integrity": self.integrity}
        return data | {name: value for name, value in more.items() if value}

    @staticmethod
    def from_json(data: Document) -> Component:
        """Return the component that ``to_json`` wrote, or that a role says in these words;
        ``InputError`` where it is not one."""
        return Component(
            data.text("type"),
            data.text("name"),
            data.text("version"),
            data.paths("paths"),
            data.text("layer", ""),
            data.text("licence", ""),
            data.text("integrity", ""),
        )
