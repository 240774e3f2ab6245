"""What of a compiled Node project is shipped, and what of it is left out.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TYPESCRIPT = "typescript"
"""The package of the compiler, which reads the types of others when it runs."""

_WILDCARD = re.compile(r"(/\*\*/|\*\*|\*)")
_MEANING = {"/**/": "/(?:.*/)?", "**": ".*", "*": "[^/]*"}
_PACKET = 188


@dataclass(frozen=True, slots=True)
class Rules:
    """What the role's variables say of what is shipped.

    ``files`` are paths below the app (empty: what package.json says), ``excluding`` globs below
    every package of the sources, ``typescript`` those that hold besides where a build compiled
    TypeScript, ``dependencies`` and ``types`` globs below every node_modules, the latter where no
    compiler is shipped. ``configurations`` are globs of the app's directory and ``build_only``
    globs of packages, for a project that was built.
    """

    files: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()
    typescript: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    configurations: tuple[str, ...] = ()
    build_only: tuple[Mapping[str, str | None], ...] = ()

    def only_built(self, app: Path) -> tuple[str, ...]:
        """Return the globs of packages that only the build of ``app`` used."""
        return tuple(
            str(rule["package"])
            for rule in self.build_only
            if not rule.get("unless") or not any(app.glob(str(rule["unless"])))
        )


def present(directory: Path, names: Iterable[str]) -> list[str]:
    """Return the names and globs of package.json that match something, as ``npm pack`` takes them.

    A script may be named without its suffix, as ``require`` finds it.
    """
    found = []
    for name in names:
        for path in (name, *(f"{name}{suffix}" for suffix in (".js", ".json", ".node"))):
            if any(directory.glob(path)):
                found.append(path)
                break
    return found


def sources(directory: Path, globs: Iterable[str]) -> tuple[str, ...]:
    """Return the globs of TypeScript in a package of the sources; where one of them means a video
    as well, what they match of TypeScript, each by its path."""
    globs = tuple(globs)
    if not any(map(_is_video, _own_files(directory))):
        return globs
    absolute = [f"{directory}/{glob}" for glob in globs]
    return tuple(
        path.relative_to(directory).as_posix()
        for path in _own_files(directory)
        if matching(path, absolute) and not _is_video(path)
    )


def matching(path: Path, globs: Iterable[str]) -> str:
    """Return the first of some absolute globs that matches a path or a directory that it lies in,
    empty where none does: ``*`` within a name, ``**`` across names, as where they are exported."""
    texts = [str(part) for part in (path, *path.parents)]
    for glob in globs:
        parts = _WILDCARD.split(glob)
        regex = re.compile("".join(_MEANING.get(part, re.escape(part)) for part in parts))
        if any(map(regex.fullmatch, texts)):
            return glob
    return ""


def _own_files(directory: Path) -> Iterator[Path]:
    for at, directories, files in os.walk(directory):
        directories[:] = sorted(set(directories) - {"node_modules"})
        yield from (Path(at, name) for name in sorted(files))


def _is_video(path: Path) -> bool:
    """Say whether a file is a segment of a video, which has the suffix of TypeScript: a transport
    stream has packets of 188 bytes, each of which begins with 0x47 (ISO 13818-1, 2.4.3.2)."""
    if path.suffix != ".ts" or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(_PACKET * 5)
    return len(head) >= _PACKET and set(head[::_PACKET]) == {0x47}
