"""The libraries that GHC has, as ghc-pkg dump tells of them.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstalledLibrary:
    """A library: what it needs (identifiers of others), and where its data is.

    ``package`` is what it is a library of, where that has several.
    """

    name: str
    identifier: str
    depends: tuple[str, ...]
    data_directory: str
    package: str = ""
    version: str = ""
    licence: str = ""


def parse(dump: str) -> dict[str, InstalledLibrary]:
    """Return the libraries of a dump by their identifiers."""
    found = {}
    for stanza in dump.split("\n---\n"):
        fields = _fields(stanza)
        identifier = fields.get("id", "")
        if identifier:
            found[identifier] = InstalledLibrary(
                fields["name"],
                identifier,
                tuple(fields.get("depends", "").split()),
                fields.get("data-dir", "").strip('"').rstrip("/"),
                fields.get("package-name") or fields["name"],
                fields.get("version", ""),
                fields.get("license", ""),
            )
    return found


def closure(
    libraries: Mapping[str, InstalledLibrary], names: Iterable[str]
) -> tuple[InstalledLibrary, ...]:
    """Return the libraries of these names and all that they need."""
    wanted = set(names)
    todo = [identifier for identifier, item in libraries.items() if item.name in wanted]
    found: dict[str, InstalledLibrary] = {}
    while todo:
        identifier = todo.pop()
        if identifier in libraries and identifier not in found:
            found[identifier] = libraries[identifier]
            todo += found[identifier].depends
    return tuple(sorted(found.values(), key=lambda item: item.name))


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields
