"""Globs over paths: ``*`` within a name, ``**`` across names, everything else literal."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from functools import lru_cache

from rootfs_ansible.exporter.mounts import is_runtime_mount
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ROOT, ImagePath

# Brackets and question marks stay literal: file names such as ``[id].js`` are common.
_WILDCARD = re.compile(r"(/\*\*/|\*\*|\*)")
_MEANING = {"/**/": "/(?:.*/)?", "**": ".*", "*": "[^/]*"}


def is_glob(text: str) -> bool:
    """Say whether ``text`` has a wildcard."""
    return "*" in text


def any_of(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return one regular expression that matches the whole of what one of ``patterns`` does."""
    return re.compile("|".join(map(_expression, patterns)) or "(?!)", re.DOTALL)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return ``pattern`` as a regular expression for whole texts."""
    return re.compile(_expression(pattern), re.DOTALL)


def matches(pattern: str, text: str) -> bool:
    """Say whether ``pattern`` matches the whole of ``text``."""
    return compiled(pattern).fullmatch(text) is not None


def base(pattern: str) -> ImagePath:
    """Return what the relative globs beside the absolute ``pattern`` are relative to: the path
    itself, or of a glob the directory above its first wildcard."""
    names = pattern.split("/")
    fixed = next((at for at, name in enumerate(names) if is_glob(name)), len(names))
    return ImagePath("/".join(names[:fixed]) or "/")


def absolute(patterns: tuple[str, ...], directory: ImagePath) -> tuple[str, ...]:
    """Return ``patterns``, the relative ones taken from ``directory``."""
    top = directory.text.rstrip("/")
    return tuple(text if text.startswith("/") else f"{top}/{text}" for text in patterns)


def find(root: Root, pattern: str) -> Iterator[ImagePath]:
    """Yield the sorted paths that the absolute ``pattern`` matches, as their parents spell them.

    A directory that matches stands for all it holds and is not entered. What exists under the
    literal name of the pattern is meant literally. ``*`` and literal names pass through symlinks
    to directories, as in a shell; ``**`` does not, so that no link makes the search endless.
    No wildcard looks into what the kernel or the engine mounts (/proc, /run).
    """
    literal = ImagePath(pattern)
    if root.lstat(literal) is not None:
        yield literal
    elif is_glob(pattern):
        yield from search(root, ROOT, literal.relative)


def search(root: Root, directory: ImagePath, pattern: str) -> Iterator[ImagePath]:
    """Yield the sorted paths that ``pattern``, relative to ``directory``, matches; as ``find``,
    but that every name without a wildcard is literal."""
    name, _, rest = pattern.partition("/")
    if "**" in name:
        yield from _below(root, directory, pattern)
    elif is_glob(name):
        regex = compiled(name)
        for found in _names(root, directory):
            if regex.fullmatch(found):
                yield from _further(root, directory / found, rest)
    else:
        yield from _further(root, directory / name, rest)


def _further(root: Root, path: ImagePath, rest: str) -> Iterator[ImagePath]:
    if root.lstat(path) is None:
        return
    if not rest:
        yield path
    elif _is_directory(root, path):
        yield from search(root, path, rest)


def _below(root: Root, top: ImagePath, pattern: str) -> Iterator[ImagePath]:
    """Yield what ``pattern``, relative to ``top``, matches anywhere below it."""
    regex = compiled(pattern)
    start = len(top.text.rstrip("/")) + 1
    stack = [top]
    while stack:
        path = stack.pop()
        if path is not top and regex.fullmatch(path.text, start):
            yield path
            continue
        status = root.lstat(path)
        if path is top or (status is not None and stat.S_ISDIR(status.st_mode)):
            stack += [path / name for name in reversed(_names(root, path))]


def _names(root: Root, directory: ImagePath) -> tuple[str, ...]:
    resolution = root.resolve(directory)
    if resolution is None or not _is_directory(root, resolution.path):
        return ()
    if is_runtime_mount(resolution.path):
        return ()
    return root.names(resolution.path)


def _is_directory(root: Root, path: ImagePath) -> bool:
    resolution = root.resolve(path)
    status = root.lstat(resolution.path) if resolution else None
    return status is not None and stat.S_ISDIR(status.st_mode)


def _expression(pattern: str) -> str:
    pattern = re.sub(r"(\*\*/)+", "**/", pattern)
    found, rest = ("(?:.*/)?", pattern[3:]) if pattern.startswith("**/") else ("", pattern)
    literal, *parts = _WILDCARD.split(rest)
    found += re.escape(literal)
    while parts:
        wildcard, literal, *parts = parts
        if wildcard == "*" and literal and parts:
            # Where a name has what follows first leaves the most to the next wildcard, so there
            # is nothing to try again: many stars would take exponential time.
            # Before "/**/" that is where a name ends with it.
            end = "(?=/)" if parts[0] == "/**/" else ""
            found += f"(?>[^/]*?{re.escape(literal)}{end})"
        else:
            found += _MEANING[wildcard] + re.escape(literal)
    return found
