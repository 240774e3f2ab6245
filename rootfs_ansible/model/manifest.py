"""The record of an image: its entries, the edges that brought them in, and their packages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import Any, Protocol

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.component import Component
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.path import ImagePath

VERSION = 2

BATCH = 500
"""How many values are made text at once: one by one takes twice as long."""

_encode = json.JSONEncoder(separators=(",", ":")).encode

LARGEST_ID = 2**32 - 2
"""The highest user and group id of Linux; the one above means "unchanged" to chown(2)."""


class _Value(Protocol):
    def to_json(self) -> dict[str, Any]: ...


class Kind(StrEnum):
    """What a path of an image is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


class EdgeKind(StrEnum):
    """Why a path is in an image: ``source`` needs ``target``, because of this."""

    DECLARED = "declared"
    PARENT = "parent"
    ELF = "elf"
    SYMLINK = "symlink"
    SHEBANG = "shebang"
    COMPANION = "companion"
    LICENCE = "licence"
    RECORD = "record"


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of an image. ``size`` is in bytes, ``mode`` the permission bits, ``link`` the
    target text of a symlink, ``hardlink`` the earlier path that holds the same file, ``xattrs``
    hexadecimal values by name. ``sha256`` is empty for anything but a file."""

    path: ImagePath
    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    sha256: str
    layer: str
    package: str = ""
    link: str = ""
    hardlink: ImagePath | None = None
    xattrs: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the entry as a JSON object; fields that say nothing are left out."""
        data: dict[str, Any] = {
            "path": str(self.path),
            "kind": str(self.kind),
            "mode": f"{self.mode:04o}",
            "uid": self.uid,
            "gid": self.gid,
            "size": self.size,
            "sha256": self.sha256,
            "layer": self.layer,
            "package": self.package,
        }
        if self.link:
            data["link"] = self.link
        if self.hardlink is not None:
            data["hardlink"] = str(self.hardlink)
        if self.xattrs:
            data["xattrs"] = dict(self.xattrs)
        return data

    @property
    def taken(self) -> int:
        """What it takes in an image, in bytes: further names of a file take nothing."""
        return self.size if self.kind is Kind.FILE and self.hardlink is None else 0

    def with_content(self, size: int, sha256: str) -> Entry:
        """Return the entry with the size in bytes and the digest of its content."""
        # dataclasses.replace takes ten times as long, which tens of thousands of files add up.
        return Entry(
            self.path,
            self.kind,
            self.mode,
            self.uid,
            self.gid,
            size,
            sha256,
            self.layer,
            self.package,
            self.link,
            self.hardlink,
            self.xattrs,
        )

    @staticmethod
    def from_json(data: Document) -> Entry:
        """Return the entry that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Entry(
            path=data.path("path"),
            kind=_kind(data.text("kind")),
            mode=_mode(data.text("mode")),
            uid=data.integer("uid"),
            gid=data.integer("gid"),
            size=data.integer("size"),
            sha256=data.text("sha256"),
            layer=data.text("layer"),
            package=data.text("package", ""),
            link=data.text("link", ""),
            hardlink=data.optional_path("hardlink"),
            xattrs=tuple(sorted(data.mapping("xattrs").items())),
        )


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One reason: ``source`` needs ``target``, because of ``kind``.

    ``source`` is a path, or for a declared output the name of who declared it
    (``stack_node``, ``app``); ``detail`` says more (a soname, a rule's name).
    """

    source: str
    target: str
    kind: EdgeKind
    detail: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the edge as a JSON object."""
        data = {"source": self.source, "target": self.target, "kind": str(self.kind)}
        if self.detail:
            data["detail"] = self.detail
        return data

    @staticmethod
    def from_json(data: Document) -> Edge:
        """Return the edge that ``to_json`` wrote; ``InputError`` where it is not one."""
        kind = _EDGE_KINDS.get(data.text("kind"))
        if kind is None:
            raise InputError(f"no such kind of edge: {data.text('kind')!r}")
        return Edge(data.text("source"), data.text("target"), kind, data.text("detail", ""))


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A distribution package that at least one shipped file comes from.

    ``licence`` is an SPDX licence expression; empty where its copyright file says none in a way
    that a machine reads, and in a fragment. ``sha256`` is that of its archive, as the archive's
    list had it when the package was installed; empty where nothing tells it.
    """

    name: str
    version: str
    architecture: str
    source: str
    layer: str
    licence: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the package as a JSON object; fields that say nothing are left out."""
        data = {
            "name": self.name,
            "version": self.version,
            "architecture": self.architecture,
            "source": self.source,
            "layer": self.layer,
        }
        more = {"licence": self.licence, "sha256": self.sha256}
        return data | {name: value for name, value in more.items() if value}

    @staticmethod
    def from_json(data: Document) -> Package:
        """Return the package that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Package(
            data.text("name"),
            data.text("version"),
            data.text("architecture"),
            data.text("source", ""),
            data.text("layer", ""),
            data.text("licence", ""),
            data.text("sha256", ""),
        )


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """A path that a build's results load and that a package of the build container owns.

    The staging container installs ``package`` at ``version`` and ships ``path`` from there.
    """

    path: ImagePath
    package: str
    version: str
    architecture: str
    source: str
    kind: EdgeKind
    detail: str = ""
    direct: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the need as a JSON object."""
        return {
            "path": str(self.path),
            "package": self.package,
            "version": self.version,
            "architecture": self.architecture,
            "source": self.source,
            "kind": str(self.kind),
            "detail": self.detail,
            "direct": self.direct,
        }

    @staticmethod
    def from_json(data: Document) -> Need:
        """Return the need that ``to_json`` wrote; ``InputError`` where it is not one."""
        edge = Edge.from_json(
            Document(
                {
                    "source": data.text("source"),
                    "target": data.text("path"),
                    "kind": data.text("kind"),
                    "detail": data.text("detail", ""),
                }
            )
        )
        return Need(
            data.path("path"),
            data.text("package"),
            data.text("version"),
            data.text("architecture"),
            edge.source,
            edge.kind,
            edge.detail,
            data.boolean("direct", True),
        )


@dataclass(frozen=True, slots=True, order=True)
class Omission:
    """Something under a declared output that is not shipped, or not as it was, and why.

    ``kind`` is ``prune``, ``foreign``, ``interpreter``, ``mode``, ``licence``, ``link`` (nothing
    of the directory that it leads to came with it) or ``program`` (no program of a declared
    package can run: a build warns of that); ``size`` in bytes.
    """

    path: str
    kind: str
    reason: str
    size: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the omission as a JSON object."""
        return {"path": self.path, "kind": self.kind, "reason": self.reason, "size": self.size}

    @staticmethod
    def from_json(data: Document) -> Omission:
        """Return the omission that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Omission(
            data.text("path"), data.text("kind"), data.text("reason"), data.integer("size", 0)
        )


@dataclass(frozen=True, slots=True, order=True)
class Candidate:
    """A text ``name`` in the shipped binary ``source``, for which the tree had ``path``, of
    ``package`` (empty where no package owns it); the image has it not."""

    source: str
    name: str
    path: str
    package: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the candidate as a JSON object."""
        return {
            "source": self.source,
            "name": self.name,
            "path": self.path,
            "package": self.package,
        }

    @staticmethod
    def from_json(data: Document) -> Candidate:
        """Return the candidate that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Candidate(
            data.text("source"), data.text("name"), data.text("path"), data.text("package", "")
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as bytes: ``digest`` (``sha256:…``) and ``size`` (bytes) of its plain tar."""

    name: str
    digest: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the layer as a JSON object."""
        return {"name": self.name, "digest": self.digest, "size": self.size}

    @staticmethod
    def from_json(data: Document) -> Layer:
        """Return the layer that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Layer(data.text("name"), data.text("digest"), data.integer("size"))


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one export gives: the layers it wrote, and what it needs from other fragments.

    The fragments of an image are linked as object files are: what one needs, another brings.
    A linked fragment (no needs left) is the manifest of the image; it alone has ``components``.
    """

    layers: tuple[Layer, ...] = ()
    entries: tuple[Entry, ...] = ()
    edges: tuple[Edge, ...] = ()
    packages: tuple[Package, ...] = ()
    needs: tuple[Need, ...] = ()
    omitted: tuple[Omission, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    components: tuple[Component, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fragment as a JSON object, every list sorted."""
        data: dict[str, Any] = {"version": VERSION}
        return data | {
            name: [item.to_json() for item in items] for name, items in self._lists().items()
        }

    def to_text(self, entries: Iterable[str] = (), edges: Iterable[Edge] = ()) -> Iterator[str]:
        """Yield the text of ``to_json`` piece by piece, so that it is never there as a whole.

        ``entries``, as ``texts`` of some each, and ``edges`` follow its own: those that are too
        many to hold, sorted, and asked for one by one.
        """
        lists = {name: _in_batches(items) for name, items in self._lists().items()}
        lists["entries"] = chain(lists["entries"], entries)
        lists["edges"] = chain(lists["edges"], _in_batches(edges))
        yield f'{{"version":{VERSION}'
        for name, items in lists.items():
            yield f',"{name}":['
            separator = ""
            for text in items:
                yield separator + text
                separator = ","
            yield "]"
        yield "}\n"

    def _lists(self) -> dict[str, Sequence[_Value]]:
        """Return the fields by name, each sorted."""
        entries = sorted(self.entries, key=lambda entry: entry.path.order)
        edges = sorted(self.edges, key=edge_order)
        return {
            "layers": self.layers,
            "entries": entries,
            "edges": edges,
            "packages": sorted(self.packages),
            "needs": sorted(self.needs),
            "omitted": sorted(self.omitted),
            "candidates": sorted(self.candidates),
            "components": sorted(self.components),
        }

    @staticmethod
    def from_json(data: object) -> Fragment:
        """Return the fragment that ``to_json`` wrote; ``InputError`` where it is not one."""
        document = Document(data, "fragment")
        version = document.integer("version")
        if version != VERSION:
            raise InputError(
                f"fragment: version {version} is not {VERSION}",
                hint="it was made by another version of rootfs-ansible: build the image again",
            )
        return Fragment(
            layers=document.each("layers", Layer.from_json),
            entries=document.each("entries", Entry.from_json),
            edges=document.each("edges", Edge.from_json),
            packages=document.each("packages", Package.from_json),
            needs=document.each("needs", Need.from_json),
            omitted=document.each("omitted", Omission.from_json),
            candidates=document.each("candidates", Candidate.from_json),
            components=document.each("components", Component.from_json),
        )


def plain_name(package: str) -> str:
    """Return a package's name without the architecture that dpkg may add (``libc6:amd64``)."""
    return package.partition(":")[0]


def texts(items: Iterable[_Value]) -> str:
    """Return the JSON of ``items``, separated by commas."""
    return _encode([item.to_json() for item in items])[1:-1]


def _in_batches(items: Iterable[_Value]) -> Iterator[str]:
    ahead = iter(items)
    while batch := list(islice(ahead, BATCH)):
        yield texts(batch)


def edge_order(edge: Edge) -> tuple[str, str, str, str]:
    """Return a key that sorts as the edge does, but is compared at once."""
    return edge.source, edge.target, edge.kind, edge.detail


_KINDS = {str(kind): kind for kind in Kind}
_EDGE_KINDS = {str(kind): kind for kind in EdgeKind}


def _kind(text: str) -> Kind:
    kind = _KINDS.get(text)
    if kind is None:
        raise InputError(f"no such kind of entry: {text!r}")
    return kind


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise InputError(f"not a file mode: {text!r}")
    return mode
