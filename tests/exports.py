"""Exports as text, for the tests of everything that comes after the exporter."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rootfs_ansible.exporter.tar import LayerTar
from rootfs_ansible.model.manifest import (
    Edge,
    EdgeKind,
    Entry,
    Fragment,
    Kind,
    Layer,
    Need,
    Package,
)
from rootfs_ansible.model.path import ImagePath


@dataclass(frozen=True)
class Export:
    """A fragment and the directory that its layer tars lie in."""

    fragment: Fragment
    directory: Path
    epoch: int

    def tar(self, layer: str) -> Path:
        return self.directory / f"{layer}.tar"

    def with_tar(self, layer: str, content: bytes) -> Export:
        """The same export with other bytes in a tar, and a fragment that owns up to them."""
        self.tar(layer).write_bytes(content)
        layers = tuple(
            Layer(item.name, _digest(content), len(content)) if item.name == layer else item
            for item in self.fragment.layers
        )
        return replace(self, fragment=replace(self.fragment, layers=layers))

    def with_entry(self, path: str, change: Callable[[Entry], Entry]) -> Export:
        """The same tars with another claim about one path."""
        entries = tuple(
            change(entry) if str(entry.path) == path else entry for entry in self.fragment.entries
        )
        return replace(self, fragment=replace(self.fragment, entries=entries))


def export(
    directory: Path,
    text: str,
    *,
    epoch: int = 1_700_000_000,
    packages: Iterable[Package] = (),
    needs: Iterable[Need] = (),
    owners: dict[str, str] | None = None,
    contents: dict[str, tuple[int, bytes]] | None = None,
) -> Export:
    """Write the layers that ``text`` lists, one path a line, and return them as an export.

    A line is ``LAYER PATH dir MODE``, ``LAYER PATH file MODE CONTENT``, ``LAYER PATH -> TARGET``
    or ``LAYER PATH = EARLIER`` (a hard link); an owner (``1000:1000``) may follow the mode, and
    xattrs (``security.capability=0100``) the owner. A layer alone on its line has no path.
    ``owners`` are the packages of paths, ``contents`` further files that no line can hold: modes
    and bytes by ``LAYER PATH``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lines = [line.split(None, 2) for line in text.strip().splitlines()]
    lines += [
        [*name.split(" "), f"file {mode:04o}"] for name, (mode, _) in (contents or {}).items()
    ]
    layers, entries = [], []
    for name in dict.fromkeys(line[0] for line in lines):
        with LayerTar(directory / f"{name}.tar", epoch) as tar:
            described = [line[1:] for line in lines if line[0] == name and len(line) > 1]
            written: dict[ImagePath, Entry] = {}
            for path, what in sorted(described, key=lambda item: ImagePath(item[0])):
                entry, content = _entry(name, path, what, written)
                entry = replace(entry, package=(owners or {}).get(path, ""))
                if contents and f"{name} {path}" in contents:
                    content = contents[f"{name} {path}"][1]
                if content is None:
                    tar.add(entry)
                else:
                    entry = tar.add_bytes(entry, content)
                written[entry.path] = entry
            digest, size = tar.finish()
        entries += written.values()
        layers.append(Layer(name, f"sha256:{digest}", size))
    return Export(
        Fragment(
            layers=tuple(layers),
            entries=tuple(entries),
            edges=tuple(Edge("test", str(entry.path), EdgeKind.DECLARED) for entry in entries),
            packages=tuple(packages),
            needs=tuple(needs),
        ),
        directory,
        epoch,
    )


def _entry(
    layer: str, path: str, what: str, written: dict[ImagePath, Entry]
) -> tuple[Entry, bytes | None]:
    kind, *rest = what.split(" ")
    at = ImagePath(path)
    if kind == "->":
        return Entry(at, Kind.SYMLINK, 0o777, 0, 0, 0, "", layer, link=" ".join(rest)), None
    if kind == "=":
        first = ImagePath(rest[0])
        return replace(written[first], path=at, hardlink=first), None
    mode, *rest = rest
    uid, gid = 0, 0
    if rest and rest[0].replace(":", "").isdigit() and ":" in rest[0]:
        uid, gid = map(int, rest.pop(0).split(":"))
    xattrs = []
    while rest and "=" in rest[0]:
        name, _, value = rest.pop(0).partition("=")
        xattrs.append((name, value))
    entry = Entry(
        at,
        Kind.DIRECTORY if kind == "dir" else Kind.FILE,
        int(mode, 8),
        uid,
        gid,
        0,
        "",
        layer,
        xattrs=tuple(sorted(xattrs)),
    )
    return entry, None if kind == "dir" else " ".join(rest).encode()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
