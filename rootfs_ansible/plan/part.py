"""A part of an app: what a stack of its own makes of one directory, for the app's build."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError

# The engine's client knows no other way than a class to mean a character of patterns literally,
# and takes a bracket for one only behind something else.
_IN_OUTPUTS = str.maketrans({"?": "[?]", "[": r"[\[]"})
_IN_NAMES = {**_IN_OUTPUTS, ord("*"): "[*]"}


@dataclass(frozen=True, slots=True)
class Part:
    """One item of ``rootfs_parts``.

    ``directory`` (below the app's, ``.`` for the same one) holds its project. ``outputs`` are paths
    or globs below it, which the build of the app gets at the same place below ``into``, a path of
    the app. ``stack`` is empty where the directory shows it, ``options`` are those of its stack.
    """

    directory: str
    outputs: tuple[str, ...]
    into: str
    stack: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def targets(self) -> tuple[str, ...]:
        """Return where its outputs are in the app: paths or globs below the app's directory."""
        return tuple(posixpath.normpath(posixpath.join(self.into, item)) for item in self.outputs)


def parse(items: Iterable[Mapping[str, Any]], app: Path) -> tuple[Part, ...]:
    """Return the parts that ``rootfs_parts`` of the app in the directory ``app`` declares.

    Raises ``InputError`` with all that is wrong: a directory that is none of the app's, a place
    that is not below the app's or a part's directory, two parts that write the same.
    """
    parts: list[Part] = []
    problems: list[str] = []
    written: dict[str, str] = {}
    for item in items:
        name = str(item["directory"])
        part = Part(
            directory=posixpath.normpath(name),
            outputs=tuple(posixpath.normpath(str(output)) for output in item["outputs"]),
            into=posixpath.normpath(str(item.get("into") or name)),
            stack=str(item.get("stack") or ""),
            options=dict(item.get("options") or {}),
        )
        found = [f"{name}: {problem}" for problem in _problems(part, app)]
        problems += found
        for target in () if found else part.targets():
            if target in written:
                problems.append(f"{written[target]} and {name} both write {target}")
            written.setdefault(target, name)
        parts.append(part)
    if problems:
        raise InputError(
            "the parts of the app are not as they must be",
            where="rootfs_parts",
            details=problems,
            hint="directory and into are paths below the app's directory, outputs name what the"
            " build of the part makes below its own",
        )
    return tuple(parts)


def patterns(part: Part, ignore: Iterable[str], directory: str, into: str) -> tuple[str, ...]:
    """Return, as patterns of .dockerignore, what of ``part`` is in nobody's sources: what its stack
    would ``ignore``, and what its outputs name, which is made anew.

    ``directory`` and ``into`` are its places, relative to where the sources begin; one that is
    outside of these has nothing among them.
    """
    found = [_below(directory, pattern) for pattern in ignore if not _escapes(directory)]
    found += [
        _below(place, output.translate(_IN_OUTPUTS))
        for place in dict.fromkeys((directory, into))
        for output in part.outputs
        if not _escapes(place)
    ]
    return tuple(found)


def _problems(part: Part, app: Path) -> Iterable[str]:
    directory = app / part.directory
    if _escapes(part.directory):
        yield "it is outside of the app's directory"
    elif not directory.is_dir():
        yield f"there is no such directory: {directory}"
    elif directory.resolve() != app.resolve() / part.directory:
        yield f"a link leads from it to {directory.resolve()}; name the directory itself"
    if part.into != part.directory and _escapes(part.into):
        yield f"into leads out of the app's directory: {part.into}"
    if not part.outputs:
        yield "outputs name nothing"
    for output in part.outputs:
        if _escapes(output):
            yield f"the output {output} is outside of it"
        elif output in (".", "*", "**"):
            yield f"the output {output} is all of it; name what its build makes"


def _escapes(path: str) -> bool:
    return path.startswith(("/", "../")) or path == ".." or "\0" in path


def _below(directory: str, pattern: str) -> str:
    """Return ``pattern``, as .dockerignore of ``directory`` would have it, for what is above."""
    if directory == ".":
        return pattern
    taken_back, pattern = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    return f"{taken_back}{directory.translate(_IN_NAMES)}/{pattern.lstrip('/')}"
