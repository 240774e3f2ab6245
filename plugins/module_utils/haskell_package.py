"""Haskell packages as the Cabal library reads them (roles/stack_haskell/files/describe.hs).

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Dependency:
    """A library that is wanted, with the versions of it that can be had."""

    name: str
    range: str
    available: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name if self.range in ("", ">=0") else f"{self.name} {self.range}"


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of a package that the compile runs (alex:alex)."""

    package: str
    program: str
    range: str = ">=0"


@dataclass(frozen=True, slots=True)
class Package:
    """A package whose conditionals and flags are resolved.

    ``declared`` are the executables that the file has, ``executables`` those of the components
    that are built. ``componentwise``: these are configured one by one, as others of the package
    are not wanted. ``missing`` is what nothing at hand satisfies. ``modules`` are those of
    pkg-config, ``libraries`` foreign ones as the linker names them.
    """

    name: str
    version: str
    file: str
    build_type: str = "Simple"
    synopsis: str = ""
    licence: str = ""
    homepage: str = ""
    declared: tuple[str, ...] = ()
    executables: tuple[str, ...] = ()
    componentwise: bool = False
    library: bool = False
    data_files: bool = False
    flags: tuple[str, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    missing: tuple[Dependency, ...] = ()
    tools: tuple[Tool, ...] = ()
    modules: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """Name and version, as Cabal joins them."""
        return f"{self.name}-{self.version}"

    def to_json(self) -> dict[str, Any]:
        """Return the package as ``parse_package`` reads it."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain


@dataclass(frozen=True, slots=True)
class Statement:
    """What a project file says: the name of a field, whom it concerns (the words of the sections
    around it, or the package of a constraint), and its value."""

    kind: str
    of: tuple[str, ...]
    value: str


def parse_packages(text: str) -> tuple[Package, ...]:
    """Return the packages that ``describe packages`` printed."""
    return tuple(parse_package(item) for item in json.loads(text))


def parse_package(data: Mapping[str, Any]) -> Package:
    """Return one package of those."""
    plain = {name: data[name] for name in Package.__slots__ if name in data}
    lists = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
    return Package(
        **{
            **plain,
            **lists,
            "dependencies": _dependencies(plain.get("dependencies", ())),
            "missing": _dependencies(plain.get("missing", ())),
            "tools": tuple(Tool(**item) for item in plain.get("tools", ())),
        }
    )


def parse_project(text: str) -> tuple[Statement, ...]:
    """Return the statements that ``describe project`` printed."""
    return tuple(
        Statement(item["kind"], tuple(item["of"]), item["value"]) for item in json.loads(text)
    )


def _dependencies(items: Iterable[Mapping[str, Any]]) -> tuple[Dependency, ...]:
    return tuple(
        Dependency(item["name"], item["range"], tuple(item.get("available", ()))) for item in items
    )
