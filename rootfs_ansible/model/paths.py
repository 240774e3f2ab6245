"""What a container had: every path, what it is, and which package owns it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.manifest import Kind

VERSION = 1

LIMIT = 1 << 20
"""How many paths are kept of a container."""

_LINKS = 40
"""Symlinks on the way to a path before it counts as a loop, as in Linux's path_resolution(7)."""

_LETTERS = {Kind.FILE: "f", Kind.DIRECTORY: "d", Kind.SYMLINK: "l"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}
_NAME = re.compile(r"(?!\.\.?\Z)[^/\0]{1,255}")
_DIRECTORY = re.compile(r"/|(/(?!\.\.?(/|\Z))[^/\0]{1,255})+")
_PACKAGE = re.compile(r"|[A-Za-z0-9][A-Za-z0-9+._-]{0,255}(:[a-z0-9-]{1,64})?")
_LINK = re.compile(r"[^\0]{1,4095}")


@dataclass(frozen=True, slots=True)
class Known:
    """One path that a container had; ``package`` owns it, alone where it is a directory."""

    kind: Kind
    package: str = ""
    link: str = ""


class Paths(Mapping[str, Known]):
    """The paths of a container by their text, whose parents are no links.

    Texts are UTF-8 with surrogate escapes.
    """

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known

    def __getitem__(self, path: str) -> Known:
        return self._known[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def resolve(self, path: str) -> str | None:
        """Return where ``path`` leads, as the system follows links and ``..``; nothing where it
        is absent."""
        steps = self.steps(path)
        return steps[-1] if steps else None

    def steps(self, path: str) -> tuple[str, ...]:
        """Return the links on the way to where ``path`` leads, and that last; nothing where it is
        absent, dangles or goes in circles."""
        at, todo, passed = "", path.split("/")[::-1], []
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                at = at.rpartition("/")[0]
                continue
            here = f"{at}/{name}"
            known = self._known.get(here)
            if known is None:
                return ()
            if known.kind is not Kind.SYMLINK:
                if todo and known.kind is Kind.FILE:
                    return ()
                at = here
                continue
            passed.append(here)
            if len(passed) > _LINKS:
                return ()
            todo += known.link.split("/")[::-1]
            at = "" if known.link.startswith("/") else at
        return (*passed, at or "/")

    def to_json(self) -> dict[str, Any]:
        """Return the paths as a JSON object, by directory."""
        numbers = {"": 0}
        directories: dict[str, list[list[Any]]] = {}
        for path in sorted(self._known):
            above = path.rpartition("/")[0]
            item = _item(path, self._known[path], numbers)
            directories.setdefault(above or "/", []).append(item)
        return {"version": VERSION, "packages": list(numbers), "directories": directories}

    @staticmethod
    def from_json(data: object) -> Paths:
        """Return the paths that ``to_json`` wrote; ``InputError`` where they are none.

        They may come from a container: names are names, links are texts, nothing else.
        """
        try:
            return Paths(dict(_read(data)))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise InputError(f"is no index of paths: {error}") from error


def index_text(index: Iterable[tuple[str, Known]]) -> Iterator[str]:
    """Yield the JSON of an index piece by piece, so that it is never there as a whole; the paths of
    a directory come together."""
    encode = json.JSONEncoder(separators=(",", ":")).encode
    numbers = {"": 0}
    yield f'{{"version":{VERSION},"directories":{{'
    separator = ""
    for above, run in groupby(index, key=lambda item: item[0].rpartition("/")[0]):
        items = [_item(path, known, numbers) for path, known in run]
        yield f"{separator}{encode(above or '/')}:{encode(items)}"
        separator = ","
    yield f'}},"packages":{encode(list(numbers))}}}'


def _item(path: str, known: Known, numbers: dict[str, int]) -> list[Any]:
    number = numbers.setdefault(known.package, len(numbers))
    link = [known.link] if known.link else []
    return [path.rpartition("/")[2], _LETTERS[known.kind], number, *link]


def _read(data: Any) -> Iterable[tuple[str, Known]]:  # noqa: ANN401 - of anybody
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']!r} is not {VERSION}")
    packages = [_matching(_PACKAGE, name) for name in data["packages"]]
    for directory, items in data["directories"].items():
        above = _matching(_DIRECTORY, directory).rstrip("/")
        for name, letter, number, *link in items:
            known = Known(_KINDS[letter], packages[number], *link)
            if (known.kind is Kind.SYMLINK) != bool(link) or number < 0:
                raise ValueError(f"{name!r} is a link without a target, or has one and is none")
            if link:
                _matching(_LINK, known.link)
            yield f"{above}/{_matching(_NAME, name)}", known


def _matching(rule: re.Pattern[str], text: str) -> str:
    if rule.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!r} is not what may be there")
    return text
