"""Records and licences of the packages that shipped files come from."""

from __future__ import annotations

import re

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.closure import Closure, Reached
from rootfs_ansible.exporter.dpkg import DATABASE, Installed, PackageDatabase
from rootfs_ansible.exporter.mounts import is_mounted
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import Status, status, unfit
from rootfs_ansible.model.manifest import Edge, EdgeKind, Kind, Omission, Package, plain_name
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest

DOCUMENTS = ImagePath("/usr/share/doc")
LICENCES = ImagePath("/usr/share/common-licenses")
# One file for each package: what scanners read of an image without dpkg.
RECORDS = DATABASE / "status.d"
# Without the distribution's name a record says nothing about known vulnerabilities.
DISTRIBUTION = ImagePath("/etc/os-release")

_NAMED = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")
_LARGEST = 4 << 20


def add_records(
    root: Root, packages: PackageDatabase, found: Closure, request: ExportRequest
) -> tuple[Package, ...]:
    """Add to ``found`` the record and the licences of every package that a shipped file comes
    from, in the first layer that brings one; return these packages.

    A licence may come from another package, which then counts too.
    """
    recording = _Recording(root, packages, found, request)
    for layer in request.layers:
        recording.add(layer)
    return tuple(sorted(recording.packages))


class _Recording:
    def __init__(
        self, root: Root, packages: PackageDatabase, found: Closure, request: ExportRequest
    ) -> None:
        self._root = root
        self._database = packages
        self._found = found
        self._provided = frozenset(request.provided)
        self._recorded = set(request.recorded)
        self.packages: list[Package] = []

    def add(self, layer: str) -> None:
        new: dict[str, Installed] = {}
        for path, reached in self._found.entries.pairs():
            if reached.layer == layer:
                owner = self._owner(path, reached)
                if owner is not None and owner.name not in self._recorded:
                    new.setdefault(owner.name, owner)
        while new:
            self._recorded.update(new)
            added = [path for owner in new.values() for path in self._record(owner, layer)]
            new = {}
            for path in sorted(added):
                owner = self._owner(path, self._found.entries[path])
                if owner is not None and owner.name not in self._recorded:
                    new.setdefault(owner.name, owner)
        self._sum(layer)

    def _sum(self, layer: str) -> None:
        """Add the sums of what the layer has of each package that it has the record of: scanners
        know by them which files the package answers for."""
        mine = {package.name for package in self.packages if package.layer == layer}
        shipped: dict[str, list[ImagePath]] = {}
        for path, reached in self._found.entries.pairs():
            if reached.layer == layer and reached.status.kind is Kind.FILE:
                owner = self._owner(path, reached)
                if owner is not None and owner.name in mine:
                    shipped.setdefault(owner.name, []).append(path)
        for name, paths in shipped.items():
            package = self._database.find(name)
            sums = self._database.sums(package) if package is not None else {}
            lines = [
                f"{sums[path.text]}  {path.relative}\n"
                for path in sorted(paths)
                if path.text in sums
            ]
            if lines:
                self._make(name, RECORDS / f"{_file_name(name)}.md5sums", layer, "".join(lines))

    def _make(self, package: str, path: ImagePath, layer: str, text: str) -> None:
        content = text.encode("utf-8", "surrogateescape")
        made = Status(Kind.FILE, 0o644, 0, 0, len(content))
        self._found.entries[path] = Reached(made, layer, made=True, content=content)
        self._edge(package, path, EdgeKind.RECORD)

    def _owner(self, path: ImagePath, reached: Reached) -> Installed | None:
        if reached.status.kind is Kind.DIRECTORY or reached.made:
            return None
        return self._database.owner(path)

    def _record(self, package: Installed, layer: str) -> list[ImagePath]:
        """Add what belongs to ``package``; return the paths that are new."""
        record = RECORDS / _file_name(package.name)
        self.packages.append(
            Package(package.name, package.version, package.architecture, package.source, layer)
        )
        self._make(package.name, record, layer, package.stanza)
        # One record is reason enough for the name of the distribution.
        is_first = len(self.packages) == 1
        added = [] if not is_first else self._bring(DISTRIBUTION, record, layer, EdgeKind.RECORD)
        plain = plain_name(package.name)
        copyright_file = DOCUMENTS / plain / "copyright"
        licence = self._root.resolve(copyright_file)
        if licence is None or is_mounted(licence.path):
            self._found.omitted.add(
                Omission(
                    copyright_file.text,
                    "licence",
                    f"the tree has no copyright file of package {package.name}",
                )
            )
            return added
        added += self._bring(copyright_file, record, layer, EdgeKind.LICENCE)
        for named in self._named(licence.path):
            added += self._bring(named, licence.path, layer, EdgeKind.LICENCE)
        return added

    def _named(self, licence: ImagePath) -> list[ImagePath]:
        """Return the common licences that the text of ``licence`` names, sorted."""
        try:
            with self._root.open(licence) as stream:
                text = stream.read(_LARGEST).decode("utf-8", "surrogateescape")
        except ClosureError:
            return []
        # A name may end a sentence.
        names = {name.rstrip(".-+") for name in _NAMED.findall(text)}
        names |= set(_NAMED.findall(text))
        return sorted(LICENCES / name for name in names if self._root.resolve(LICENCES / name))

    def _bring(
        self, path: ImagePath, source: ImagePath, layer: str, kind: EdgeKind
    ) -> list[ImagePath]:
        resolution = self._root.resolve(path)
        if resolution is None or is_mounted(resolution.path):
            return []
        added = []
        for passed in dict.fromkeys((*resolution.links, *resolution.crossed, resolution.path)):
            self._edge(source.text, passed, kind)
            seen = self._root.lstat(passed)
            if passed in self._provided or passed in self._found.entries or seen is None:
                continue
            if unfit(passed, status(seen)):
                continue
            self._found.entries[passed] = Reached(status(seen), layer, kept=True)
            added.append(passed)
        return added

    def _edge(self, source: str, target: ImagePath, kind: EdgeKind) -> None:
        if source != target.text:
            self._found.edges.add(Edge(source, target.text, kind))


def _file_name(package: str) -> str:
    return package.replace("/", "_")
