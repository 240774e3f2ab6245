"""What of a package's own files is shipped, as its ``files`` says."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    bins_of,
    braces,
    plain,
    text_of,
)

_ALWAYS = ("package.json", "LICENSE*", "LICENCE*", "NOTICE*")
"""What ``npm pack`` takes whatever ``files`` says."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What of a package's own files is shipped: path globs below its directory (empty: all of
    it), and the globs of what is left out."""

    paths: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()


def shipped_of(package: Mapping[str, Any], started: Sequence[str] = ()) -> Shipped:
    """Return what package.json's ``files`` says is shipped, as ``npm pack`` reads it.

    ``started`` are the files that the command names. The field is taken only where they, or else
    ``main``, lie in it: it was written for a registry, and an application that keeps its server
    elsewhere means all of its directory.
    """
    files = package.get("files")
    if not isinstance(files, list) or not all(isinstance(item, str) for item in files):
        return Shipped()
    paths: list[str] = []
    excluding: list[str] = []
    for item in files:
        (excluding if item.startswith("!") else paths).extend(braces(plain(item.lstrip("!"))))
    paths = [path for path in paths if path]
    if not paths:
        return Shipped()
    main = plain(text_of(package, "main"))
    # node takes index.js for a directory without main (Node.js, modules, LOAD_AS_DIRECTORY).
    entries = [plain(path) or main or "index.js" for path in started] or [main]
    for entry in entries:
        own = entry and not entry.startswith("node_modules/")
        if own and not any(_covers(path, entry) for path in paths):
            return Shipped()
    named = [main, *map(plain, bins_of(package).values())]
    return Shipped(
        tuple(sorted({*paths, *_ALWAYS, *(entry for entry in named if entry)})),
        tuple(sorted(excluding)),
    )


def _covers(pattern: str, path: str) -> bool:
    pattern = pattern.removesuffix("/**").removesuffix("/*")
    return any(
        fnmatch.fnmatch(str(part), pattern)
        for part in (PurePosixPath(path), *PurePosixPath(path).parents)
    ) or fnmatch.fnmatch(f"{path}.js", pattern)
