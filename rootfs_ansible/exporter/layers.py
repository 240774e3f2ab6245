"""Layers: every shipped path in exactly one, its directories with the lowest that needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rootfs_ansible.exporter.closure import Closure, Reached
from rootfs_ansible.exporter.pathmap import PathMap
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import Status, status
from rootfs_ansible.model.manifest import Edge, EdgeKind, Kind
from rootfs_ansible.model.path import ImagePath

# A directory that the export makes, because what it makes goes there.
_MADE = Status(Kind.DIRECTORY, 0o755, 0, 0, 0)


def partition(
    root: Root, found: Closure, layers: Iterable[str], provided: frozenset[ImagePath]
) -> None:
    """Give every entry of ``found`` its layer, and its parents entries of their own.

    A directory goes to the lowest layer that has something in it. One that only what was left
    out was in is no entry any more. Adds the edges of parents.
    """
    order = {layer: at for at, layer in enumerate(layers)}
    entries = found.entries
    above: PathMap[Reached] = PathMap()
    explained = {edge.target for edge in found.edges}
    done = ("", -1)
    for path, reached in entries.pairs():
        if not _is_kept(reached):
            continue
        # What lies beside the last one has the same parents, which are where they belong.
        beside = (path.text.rpartition("/")[0], order[reached.layer])
        if beside == done:
            continue
        done = beside
        child = path
        while (parent := child.parent).text != "/" and parent not in provided:
            placed = above.get(parent)
            declared = placed or entries.get(parent)
            if placed is None and declared is not None and _is_kept(declared):
                placed = declared
            if placed is not None and order[placed.layer] <= order[reached.layer]:
                break
            seen = root.lstat(parent) if declared is None else None
            if declared is not None:
                is_there = declared.layer == reached.layer
                above[parent] = declared if is_there else replace(declared, layer=reached.layer)
            else:
                place = status(seen) if seen else _MADE
                above[parent] = Reached(place, reached.layer, made=seen is None)
            if parent.text not in explained and parent not in found.declared:
                explained.add(parent.text)
                found.edges.add(Edge(child.text, parent.text, EdgeKind.PARENT))
            child = parent
    left = [path for path, at in entries.pairs() if not _is_kept(at) and path not in above]
    for path in left:
        del entries[path]
    for path, reached in above.pairs():
        entries[path] = reached
    texts = {path.text for path in left}
    found.edges -= {edge for edge in found.edges if edge.target in texts}
    for path in left:
        found.declared.pop(path, None)


def _is_kept(reached: Reached) -> bool:
    return reached.kept or reached.status.kind is not Kind.DIRECTORY
