"""What a store takes on disk: by image, by stage, and what images share."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.image import ImageLayer
from rootfs_ansible.pack.summary import columns, printable, size_text
from rootfs_ansible.store.layout import Store
from rootfs_ansible.store.upkeep import Removed, layer_names, require

_SECTOR = 512
"""Bytes of what st_blocks counts (inode(7))."""


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """An image with a name: the bytes of its layers, and of those that no other image has."""

    name: str
    digest: str
    size: int
    own: int


@dataclass(frozen=True, slots=True)
class StageUsage:
    """The layers of one name: how many there are, their bytes, how many images have one of them,
    and the bytes there would be if each of these had its own (``unshared``)."""

    name: str
    layers: int
    size: int
    images: int
    unshared: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store takes: ``other`` are the bytes of all that is no layer, ``total`` is what the
    disk gives for it, both in bytes."""

    images: tuple[ImageUsage, ...]
    stages: tuple[StageUsage, ...]
    other: int
    total: int

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)

    def to_text(self) -> str:
        """Return it as a person reads it."""
        images = [
            (printable(image.name), size_text(image.size), size_text(image.own))
            for image in self.images
        ]
        stages = [
            (
                printable(stage.name),
                f"{stage.layers:,}",
                size_text(stage.size),
                f"{stage.images:,}",
                size_text(stage.unshared),
            )
            for stage in self.stages
        ]
        other = ("other", "", size_text(self.other), "", "")
        return "\n".join(
            [
                *columns([("image", "size", "its own"), *images]),
                "",
                *columns([("stage", "layers", "size", "images", "not shared"), *stages, other]),
                "",
                f"{size_text(self.total)} on disk",
            ]
        )


def usage(store: Store) -> Usage:
    """Return what a store takes; ``InputError`` for a directory that is none."""
    require(store)
    status = dict(_status(store.directory.rglob("*")))
    sizes = {
        digest: status[path].st_size for digest, path in store.blobs().items() if path in status
    }
    named = {name: found.digest for name, found in sorted(store.refs().items())}
    layers = {digest: _layers_of(store, digest) for digest in set(named.values())}
    # Of one that two stages gave, the image says whose it is.
    stages = layer_names(store) | {
        layer.digest: layer.name for found in layers.values() for layer in found if layer.digest
    }
    stages = {digest: name for digest, name in stages.items() if digest in sizes}
    shares = Counter(digest for found in layers.values() for digest in _digests(found))
    # Lowest first, as images have them.
    order = [layer.name for found in layers.values() for layer in found]
    order = list(dict.fromkeys([*order, *sorted(stages.values())]))
    files = sum(one.st_size for one in status.values() if stat.S_ISREG(one.st_mode))
    return Usage(
        tuple(
            ImageUsage(
                name,
                digest,
                sum(sizes.get(layer, 0) for layer in _digests(layers[digest])),
                sum(
                    sizes.get(layer, 0) for layer in _digests(layers[digest]) if shares[layer] == 1
                ),
            )
            for name, digest in named.items()
        ),
        tuple(
            _stage(name, stages, sizes, layers.values())
            for name in order
            if name in stages.values()
        ),
        files - sum(sizes[digest] for digest in stages),
        sum(one.st_blocks for one in status.values()) * _SECTOR,
    )


def removed_text(removed: Iterable[Removed], said: str) -> str:
    """Return what was removed, or would be, as a person reads it: a line for each, and the sum,
    ``said`` what happened to it."""
    removed = list(removed)
    rows = [
        (
            one.kind,
            printable(one.name),
            size_text(one.size) if one.path else "",
            printable(one.note),
        )
        for one in removed
    ]
    total = size_text(sum(one.size for one in removed))
    return "\n".join([*columns(rows), f"{len(removed):,} {said}, {total}"])


def _stage(
    name: str,
    stages: Mapping[str, str],
    sizes: Mapping[str, int],
    images: Iterable[tuple[ImageLayer, ...]],
) -> StageUsage:
    own = {digest for digest, stage in stages.items() if stage == name}
    used = [own & _digests(image) for image in images]
    return StageUsage(
        name,
        len(own),
        sum(sizes[digest] for digest in own),
        sum(map(bool, used)),
        sum(sizes[digest] for found in used for digest in found),
    )


def _layers_of(store: Store, digest: str) -> tuple[ImageLayer, ...]:
    try:
        layers = Document(store.manifest(digest)).each("layers", ImageLayer.from_json)
    except InputError:
        return ()
    return layers


def _digests(layers: Iterable[ImageLayer]) -> set[str]:
    return {layer.digest for layer in layers if layer.digest}


def _status(paths: Iterable[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        # What a running build writes aside comes and goes.
        with contextlib.suppress(FileNotFoundError):
            yield path, path.lstat()
