"""A bill of materials: what an image is made of, before it is written in anybody's format."""

from __future__ import annotations

import hashlib
import re
import uuid
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import quote

from rootfs_ansible.model.component import SYSTEM, Component
from rootfs_ansible.model.manifest import EdgeKind, Fragment, Layer, plain_name
from rootfs_ansible.model.path import ImagePath

_NEEDING = {EdgeKind.ELF, EdgeKind.SHEBANG, EdgeKind.SYMLINK, EdgeKind.COMPANION}
"""The kinds of edges that say what something does not run without."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "rootfs-ansible")
_ALGORITHMS = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512"}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that an image holds: a package of the distribution, or another component.

    ``reference`` tells it from all others of the image; ``purl`` is empty for the distribution.
    ``paths`` are what it is found by; ``hashes`` hexadecimal digests by algorithm (``SHA-512``).
    """

    reference: str
    type: str
    name: str
    version: str
    purl: str
    layer: str
    licence: str
    paths: tuple[ImagePath, ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Bill:
    """What an image is made of: ``name`` is its own (with a tag), ``digest`` that of its OCI
    manifest, ``epoch`` the time it is said to be created at, in seconds."""

    name: str
    digest: str
    epoch: int
    architecture: str
    manifest: Fragment

    @property
    def created(self) -> str:
        """The time it is said to be created at, as ISO 8601 has it."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def identity(self) -> uuid.UUID:
        """A UUID of its own: that of its name and its digest."""
        return uuid.uuid5(_NAMESPACE, f"{self.name}@{self.digest}")

    @property
    def repository(self) -> str:
        """The image's name without its tag."""
        head, slash, last = self.name.rpartition("/")
        return head + slash + last.partition(":")[0]

    @property
    def tag(self) -> str:
        """The image's tag."""
        return self.name.rpartition(":")[2]

    @property
    def purl(self) -> str:
        """The image's package URL."""
        last = self.repository.rpartition("/")[2].lower()
        more = {"arch": self.architecture, "repository_url": self.repository, "tag": self.tag}
        return package_url("oci", last, self.digest, more)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that the image has, lowest first."""
        return tuple(layer for layer in self.manifest.layers if layer.digest)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All that the image is made of, sorted by reference."""
        return tuple(
            sorted((*self._packages(), *self._components()), key=lambda item: item.reference)
        )

    @cached_property
    def dependencies(self) -> Mapping[str, tuple[str, ...]]:
        """The references of what each item does not run without, by its own, both sorted.

        Known of what has files of its own: a package, or what lies in one directory. What is
        linked into a program with others is part of the program, and its needs are the image's.
        """
        found: dict[str, set[str]] = {}
        for edge in self.manifest.edges:
            if edge.kind in _NEEDING:
                source, target = self._owner(edge.source), self._owner(edge.target)
                if source and target and source != target:
                    found.setdefault(source, set()).add(target)
        return {reference: tuple(sorted(found[reference])) for reference in sorted(found)}

    def _packages(self) -> Iterator[Item]:
        system = next((item for item in self.manifest.components if item.type == SYSTEM), None)
        named = system.name if system else "debian"
        for package in self.manifest.packages:
            name = plain_name(package.name)
            purl = package_url(
                "deb",
                f"{named}/{name}",
                package.version,
                {
                    "arch": package.architecture,
                    "distro": f"{system.name}-{system.version}" if system else "",
                    # Not of the specification, but what scanners look for vulnerabilities by.
                    "upstream": package.source if package.source != name else "",
                },
            )
            yield Item(
                purl, "deb", name, package.version, purl, package.layer, package.licence,
                (ImagePath("/var/lib/dpkg/status.d") / package.name,),
                (("SHA-256", package.sha256),) if package.sha256 else (),
            )  # fmt: skip

    def _components(self) -> Iterator[Item]:
        for component in self.manifest.components:
            purl = "" if component.type == SYSTEM else component_url(component)
            yield Item(
                purl or f"os:{component.name}@{component.version}",
                component.type,
                component.name,
                component.version,
                purl,
                component.layer,
                component.licence,
                component.paths,
                _hashes(component.integrity),
            )

    def _owner(self, path: str) -> str:
        """Return the reference of what a path of the image belongs to, empty where nothing is."""
        if package := self._packaged.get(path):
            return package
        while path not in self._places and path:
            path = path.rpartition("/")[0]
        return self._places.get(path, "")

    @cached_property
    def _packaged(self) -> Mapping[str, str]:
        """The references of the packages that paths come from."""
        items = zip(self.manifest.packages, self._packages(), strict=True)
        packages = {package.name: item.reference for package, item in items}
        return {
            str(entry.path): packages[entry.package]
            for entry in self.manifest.entries
            if entry.package in packages
        }

    @cached_property
    def _places(self) -> Mapping[str, str]:
        """The references of components by the paths that are theirs alone, with all below."""
        found: dict[str, set[str]] = {}
        for item in self.items:
            if item.type not in (SYSTEM, "deb"):
                for path in item.paths:
                    # A description is of the directory that it is in; a program is itself.
                    place = path.parent if path.name == "package.json" else path
                    found.setdefault(str(place), set()).add(item.reference)
        return {place: min(items) for place, items in found.items() if len(items) == 1}


def component_url(component: Component) -> str:
    """Return the package URL of a component."""
    name = component.name
    if component.type == "pypi":
        # PEP 503, as the type's own rules ask.
        name = re.sub(r"[-_.]+", "-", name).lower()
    return package_url(component.type, name, component.version)


def package_url(
    kind: str, name: str, version: str, qualifiers: Mapping[str, str] | None = None
) -> str:
    """Return a package URL (https://github.com/package-url/purl-spec); a slash in ``name`` parts
    its namespace from it."""
    path = "/".join(_quoted(part) for part in name.split("/"))
    asked = "&".join(
        f"{key}={quote(value, safe=':/')}"
        for key, value in sorted((qualifiers or {}).items())
        if value
    )
    return f"pkg:{kind}/{path}@{_quoted(version)}" + (f"?{asked}" if asked else "")


def readable(path: ImagePath) -> str:
    """Return a path as a document has it: what is no UTF-8 becomes a replacement character."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def short(text: str) -> str:
    """Return a few hexadecimal digits that tell ``text`` from others."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _quoted(text: str) -> str:
    return quote(text, safe=":")


def _hashes(integrity: str) -> tuple[tuple[str, str], ...]:
    algorithm, dash, value = integrity.partition("-")
    return ((_ALGORITHMS[algorithm], b64decode(value).hex()),) if dash else ()
