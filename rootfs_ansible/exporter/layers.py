"""Layers: every shipped path in exactly one, its directories with the lowest that needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rootfs_ansible.exporter.closure import Closure, Reached
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import Status, status
from rootfs_ansible.model.manifest import Edge, EdgeKind, Kind
from rootfs_ansible.model.path import ImagePath

# A directory that the export makes, because what it makes goes there.
_MADE = Status(Kind.DIRECTORY, 0o755, 0, 0, 0)


def partition(
    root: Root, found: Closure, layers: Iterable[str], provided: frozenset[ImagePath]
) -> dict[str, dict[ImagePath, Reached]]:
    """Return the paths of each layer, sorted, parents included and lowest layer first.

    A directory goes to the lowest layer that has something in it. One that only what was left
    out was in is not shipped. Adds the edges of parents to ``found``.
    """
    order = {layer: at for at, layer in enumerate(layers)}
    kept: dict[ImagePath, Reached] = {}
    explained = {edge.target for edge in found.edges}
    for path, reached in sorted(found.entries.items(), key=lambda item: item[0].order):
        if reached.status.kind is Kind.DIRECTORY and not reached.kept:
            continue
        _put(kept, path, reached, order)
        child = path
        while (parent := child.parent).text != "/" and parent not in provided:
            known = kept.get(parent)
            if known is not None and order[known.layer] <= order[reached.layer]:
                break
            declared = known or found.entries.get(parent)
            seen = root.lstat(parent) if declared is None else None
            if declared is not None:
                above = replace(declared, layer=reached.layer)
            else:
                above = Reached(status(seen) if seen else _MADE, reached.layer, made=seen is None)
            _put(kept, parent, above, order)
            if parent.text not in explained:
                explained.add(parent.text)
                found.edges.add(Edge(child.text, parent.text, EdgeKind.PARENT))
            child = parent
    left = {path.text for path in found.entries if path not in kept}
    found.edges -= {edge for edge in found.edges if edge.target in left}
    split: dict[str, dict[ImagePath, Reached]] = {layer: {} for layer in order}
    for path, reached in sorted(kept.items(), key=lambda item: item[0].order):
        split[reached.layer][path] = reached
    return split


def _put(
    kept: dict[ImagePath, Reached], path: ImagePath, reached: Reached, order: Mapping[str, int]
) -> None:
    known = kept.get(path)
    if known is None or order[reached.layer] < order[known.layer]:
        kept[path] = reached
