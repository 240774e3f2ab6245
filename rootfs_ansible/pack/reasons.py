"""Why something is in an image, and what would leave with it: from its manifest alone."""

from __future__ import annotations

import difflib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.manifest import Edge, EdgeKind, Entry, Fragment, Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack.link import resolved
from rootfs_ansible.pack.summary import printable, size_text

_PHRASES = {
    EdgeKind.DECLARED: "{source} declares {target}{detail}",
    EdgeKind.PARENT: "{source} lies in {target}",
    EdgeKind.ELF: "{source} loads {target}{detail}",
    EdgeKind.SYMLINK: "{source} leads over {target}{detail}",
    EdgeKind.SHEBANG: "{source} is run by {target}{detail}",
    EdgeKind.COMPANION: "{source} needs {target}{detail}",
    EdgeKind.LICENCE: "{source} refers to {target}{detail}",
    EdgeKind.RECORD: "{source} has its record in {target}",
}
_OF_A_RECORD = "{source} is read with the name of its distribution, {target}"


@dataclass(frozen=True, slots=True)
class Share:
    """What of an image is of one package: its files, and their size in bytes."""

    name: str
    files: int
    size: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a package costs: its own share, the edges by which others bring it, and the shares of
    the packages that are there for it alone (the empty name is what no package owns)."""

    package: Share
    edges: tuple[Edge, ...]
    leaving: tuple[Share, ...]

    @property
    def size(self) -> int:
        """What leaves with the package, and the package itself, in bytes."""
        return self.package.size + sum(share.size for share in self.leaving)


class Reasons:
    """The edges of a manifest, from declared outputs to every path."""

    def __init__(self, manifest: Fragment) -> None:
        self._manifest = manifest
        self._entries = {str(entry.path): entry for entry in manifest.entries}

    def entry(self, path: ImagePath) -> Entry:
        """Return the entry of a path; ``InputError`` where the image has none."""
        found = self._entries.get(str(path))
        if found is None:
            near = self._near(path)
            raise InputError(
                f"the image has no {path}",
                hint=f"it has {printable(near)}" if near else "its manifest lists what it has",
            )
        return found

    def chain(self, path: ImagePath) -> tuple[Edge, ...]:
        """Return the shortest way from a declared output to a path, edge by edge.

        Raises ``InputError`` where the image has no such path, or no edge explains it.
        """
        wanted = str(self.entry(path).path)
        after: dict[str, Edge] = {}
        waiting = deque([wanted])
        while waiting:
            at = waiting.popleft()
            for edge in self._incoming.get(at, ()):
                # What declares an output, or has a record, is no path: a role, an app, a package.
                if edge.source not in self._entries:
                    return tuple(self._onward(edge, wanted, after))
                if edge.source not in after and edge.source != wanted:
                    after[edge.source] = edge
                    waiting.append(edge.source)
        raise InputError(f"no edge of the manifest explains {path}")

    def cost(self, name: str) -> Cost:
        """Return what a package costs; ``InputError`` where the image has nothing of it."""
        own = {path for path, entry in self._entries.items() if entry.package == name}
        if not own:
            packages = sorted({entry.package for entry in self._entries.values()} - {""})
            near = difflib.get_close_matches(name, packages, 1)
            raise InputError(
                f"the image has nothing of a package {name}",
                hint=f"it has {near[0]}" if near else f"it has {', '.join(packages)}",
            )
        brought = tuple(
            sorted(
                edge
                for edge in self._manifest.edges
                if edge.target in own
                and edge.kind in _BRINGING
                and (edge.kind is EdgeKind.DECLARED or edge.source not in own)
            )
        )
        staying = self._reached(own)
        left: dict[str, list[Entry]] = {}
        for path, entry in self._entries.items():
            if path not in own and path not in staying:
                left.setdefault(entry.package, []).append(entry)
        shares = (_share(package, entries) for package, entries in left.items())
        return Cost(
            _share(name, (self._entries[path] for path in own)),
            brought,
            tuple(sorted((share for share in shares if share.files), key=_largest_first)),
        )

    def _near(self, path: ImagePath) -> str:
        """Return what is meant by a path that is not there: where links lead it, or the nearest of
        its directory and of its name; empty where nothing is near."""
        led = resolved(path, {entry.path: entry for entry in self._manifest.entries})
        if led is not None:
            return str(led)
        # To compare it with every path of a large image would take seconds.
        beside, _, name = str(path).rpartition("/")
        found = [
            known
            for known in self._entries
            if known.endswith(f"/{name}") or known.rpartition("/")[0] == beside
        ]
        return next(iter(difflib.get_close_matches(str(path), found, 1)), "")

    @cached_property
    def _incoming(self) -> Mapping[str, list[Edge]]:
        found: dict[str, list[Edge]] = {}
        for edge in sorted(self._manifest.edges):
            found.setdefault(edge.target, []).append(edge)
        return found

    def _onward(self, first: Edge, wanted: str, after: Mapping[str, Edge]) -> Iterable[Edge]:
        """Yield ``first``, and the edges from its target on."""
        yield first
        at = first.target
        while at != wanted:
            yield after[at]
            at = after[at].target

    def _reached(self, without: set[str]) -> set[str]:
        """Return the paths that are reached from declared outputs but by way of ``without``.

        A package has its record while anything else of it is there.
        """
        outgoing: dict[str, list[str]] = {}
        waiting: list[str] = []
        for edge in self._manifest.edges:
            if edge.target in without:
                continue
            if edge.kind is EdgeKind.DECLARED:
                waiting.append(edge.target)
            else:
                outgoing.setdefault(edge.source, []).append(edge.target)
        reached: set[str] = set()
        while waiting:
            at = waiting.pop()
            if at not in reached:
                reached.add(at)
                waiting += outgoing.get(at, [])
                if at in self._entries and self._entries[at].package:
                    waiting.append(self._entries[at].package)
        return reached


_BRINGING = {
    EdgeKind.DECLARED,
    EdgeKind.ELF,
    EdgeKind.SYMLINK,
    EdgeKind.SHEBANG,
    EdgeKind.COMPANION,
}
"""The kinds of edges that say what runs with what; the others tell of what is there anyway."""


def why_path(manifest: Fragment, path: ImagePath) -> str:
    """Return, for people, what a path is and the way that leads to it."""
    reasons = Reasons(manifest)
    entry = reasons.entry(path)
    of = f", of package {entry.package}" if entry.package else ""
    lines = [
        f"{entry.path}: {entry.kind}, {size_text(entry.taken)}, in layer {entry.layer}{of}",
        *(f"  {_sentence(edge)}" for edge in reasons.chain(path)),
    ]
    return "\n".join(map(printable, lines))


def why_package(manifest: Fragment, name: str) -> str:
    """Return, for people, what a package costs, what brings it, and what would leave with it."""
    cost = Reasons(manifest).cost(name)
    lines = [f"{name}: {_amount(cost.package)}"]
    if cost.leaving:
        lines[0] += f"; {size_text(cost.size)} with what is there for it alone"
    shown = cost.edges[:_SHOWN]
    lines += [f"  {_sentence(edge)}" for edge in shown]
    if len(cost.edges) > len(shown):
        lines.append(f"  and {len(cost.edges) - len(shown)} more edges")
    lines += [f"  {share.name or 'no package'} would leave: {_amount(share)}"
              for share in cost.leaving]  # fmt: skip
    return "\n".join(map(printable, lines))


_SHOWN = 10


def _amount(share: Share) -> str:
    return f"{size_text(share.size)} in {share.files:,} file{'s' * (share.files != 1)}"


def _sentence(edge: Edge) -> str:
    detail = f" ({edge.detail})" if edge.detail else ""
    of_record = edge.kind is EdgeKind.RECORD and edge.source.startswith("/")
    phrase = _OF_A_RECORD if of_record else _PHRASES[edge.kind]
    return phrase.format(source=edge.source, target=edge.target, detail=detail)


def _largest_first(share: Share) -> tuple[int, str]:
    return -share.size, share.name


def _share(name: str, entries: Iterable[Entry]) -> Share:
    files = [entry for entry in entries if entry.kind is not Kind.DIRECTORY]
    return Share(name, len(files), sum(entry.taken for entry in files))
