"""Nodes: the paths that a closure follows, and who reaches them."""

from __future__ import annotations

from typing import NamedTuple

from rootfs_ansible.exporter.status import Status
from rootfs_ansible.model.path import ImagePath


class Requester(NamedTuple):
    """Who reaches a path: ``shipped`` is false for what another fragment ships, ``strict`` true
    where an output names the file or what led to it."""

    source: str
    layer: str
    shipped: bool = True
    strict: bool = False


class Node(NamedTuple):
    """A path whose own edges are still to be followed; ``tree``: it is part of what an output
    holds, so that a link in it to a directory means what is in there."""

    path: ImagePath
    status: Status
    by: Requester
    tree: bool = False
