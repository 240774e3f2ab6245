"""What an image is made of, by what lies in it and by what its stack says."""

from __future__ import annotations

import email.parser
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.component import SYSTEM, Component
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.manifest import Entry, Fragment, Kind, plain_name
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack.licences import expression, joined, of_copyright
from rootfs_ansible.pack.link import led, resolved
from rootfs_ansible.pack.sbom import component_url
from rootfs_ansible.store.layout import Store

RULES = Path(__file__).with_name("components.json")

SAID = "components"
"""The key by which a stack says what no file of its images tells."""

_OF_THE_DISTRIBUTION = ("deb", SYSTEM)

_OS_RELEASE = ImagePath("/etc/os-release")
_DOCUMENTS = ImagePath("/usr/share/doc")
_LARGEST = 4 << 20
"""Bytes of a file that is read; npm refuses a larger package.json."""

Contents = Mapping[ImagePath, bytes]


def said(facts: Mapping[str, Any]) -> tuple[Component, ...]:
    """Return the components that a stack names in ``facts``; ``InputError`` where they are none,
    or what the distribution alone says."""
    found = Document(facts, "the stack").each(SAID, Component.from_json)
    for component in found:
        if component.type in _OF_THE_DISTRIBUTION:
            raise InputError(
                f"the stack names {component.name} as a component of type {component.type}",
                hint="the records in the image say which packages of the distribution there are",
            )
    return found


def with_components(store: Store, linked: Fragment, named: Iterable[Component]) -> Fragment:
    """Return the manifest with its components and its packages' licences, read from its layers.

    ``named`` are those that the stack says; one that is at no path of the image is none of it.
    Where a path is of a file that says itself what it is, the file is believed: what the stack
    says besides of the same component (a digest) is kept, and of any other is not.
    """
    entries = {entry.path: entry for entry in linked.entries}
    rules = [(rule, path) for path in _files(entries) for rule in _rules() if rule.fits(path)]
    licences = {
        package.name: at
        for package in linked.packages
        if (at := _file(_DOCUMENTS / plain_name(package.name) / "copyright", entries))
    }
    system = _file(_OS_RELEASE, entries)
    wanted = {*(path for _, path in rules), *licences.values(), *filter(None, [system])}
    contents = _read(store, linked, {_content_of(entries[path]) for path in wanted})

    def content(path: ImagePath) -> bytes:
        return contents.get(_content_of(entries[path]), b"")

    read = [component for rule, path in rules if (component := rule.read(path, content(path)))]
    known = {_same(component) for component in read}
    told = {path for _, path in rules}
    found = [
        *read,
        *(
            component
            for component in _present(named, entries)
            if _same(component) in known or not told.intersection(component.paths)
        ),
        *([_distribution(system, content(system))] if system else []),
    ]
    return replace(
        linked,
        packages=tuple(
            replace(package, licence=of_copyright(_text(content(licences[package.name]))))
            if package.name in licences
            else replace(package, licence="")
            for package in linked.packages
        ),
        components=_merged(filter(None, found), entries),
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """What files say of the component that they belong to, and by which words."""

    type: str
    files: tuple[tuple[str, ...], ...]
    parse: Callable[[bytes], Mapping[str, Any]]
    name: str
    version: str
    licence: tuple[str, ...]

    def fits(self, path: ImagePath) -> bool:
        """Say whether a path ends as one of the rule's files does."""
        for names in self.files:
            last = path.text.rsplit("/", len(names))[1:]
            if len(last) == len(names) and all(map(fnmatchcase, last, names)):
                return True
        return False

    def read(self, path: ImagePath, content: bytes) -> Component | None:
        """Return the component that a file says; nothing where it says none.

        A name without a version, and a version without a name, are what scanners pass over too.
        """
        try:
            data = self.parse(content)
        except (ValueError, RecursionError):
            return None
        licence = next(filter(None, (_licence(data.get(key)) for key in self.licence)), "")
        # What says too much of its licence is there all the same.
        for told in (licence, ""):
            with suppress(InputError):
                return Component(
                    self.type, _plain(data.get(self.name)), _plain(data.get(self.version)), (path,),
                    licence=told,
                )  # fmt: skip
        return None


def _json(content: bytes) -> Mapping[str, Any]:
    data = json.loads(content.decode("utf-8-sig"))
    return data if isinstance(data, dict) else {}


def _headers(content: bytes) -> Mapping[str, Any]:
    # A message looks through all its headers for each; of several the first counts there, too.
    items = email.parser.Parser().parsestr(_text(content), headersonly=True).items()
    return dict(reversed(items))


_FORMATS = {"json": _json, "headers": _headers}


@cache
def _rules() -> tuple[_Rule, ...]:
    def parsed(rule: Document) -> _Rule:
        return _Rule(
            rule.text("type"),
            tuple(tuple(glob.split("/")) for glob in rule.texts("files")),
            _FORMATS[rule.text("format")],
            rule.text("name"),
            rule.text("version"),
            rule.texts("licence"),
        )

    return Document({"rules": json.loads(RULES.read_bytes())}, RULES.name).each("rules", parsed)


def _files(entries: Mapping[ImagePath, Entry]) -> Iterator[ImagePath]:
    for path, entry in entries.items():
        if entry.kind is Kind.FILE and entry.size <= _LARGEST:
            yield path


def _read(store: Store, linked: Fragment, wanted: set[ImagePath]) -> Contents:
    found: dict[ImagePath, bytes] = {}
    layers = {entry.layer for entry in linked.entries if entry.path in wanted}
    for layer in linked.layers:
        if layer.digest and layer.name in layers:
            found |= store.contents(layer.digest, wanted)
    return found


def _file(path: ImagePath, entries: Mapping[ImagePath, Entry]) -> ImagePath | None:
    """Return the file that ``path`` leads to."""
    at = resolved(path, entries)
    found = led(entries[at], entries) if at is not None else None
    if found is None or found.kind is not Kind.FILE or found.size > _LARGEST:
        return None
    return found.path


def _content_of(entry: Entry) -> ImagePath:
    return entry.hardlink or entry.path


def _present(named: Iterable[Component], entries: Mapping[ImagePath, Entry]) -> Iterator[Component]:
    for component in named:
        paths = tuple(at for path in component.paths if (at := resolved(path, entries)) is not None)
        if paths:
            licence = expression(component.licence)
            yield replace(component, paths=paths, licence=licence)


def _distribution(path: ImagePath, content: bytes) -> Component | None:
    """Return the distribution by its os-release(5)."""
    fields = dict(
        line.split("=", 1) for line in _text(content).splitlines() if "=" in line and line[0] != "#"
    )
    plain = {name: value.strip().strip("\"'") for name, value in fields.items()}
    with suppress(InputError):
        return Component(SYSTEM, plain.get("ID", ""), plain.get("VERSION_ID", ""), (path,))
    return None


def _merged(
    found: Iterable[Component], entries: Mapping[ImagePath, Entry]
) -> tuple[Component, ...]:
    """Return each component once, with all its paths, in the layer of the first of them."""
    same: dict[str, list[Component]] = {}
    for component in found:
        same.setdefault(_same(component), []).append(component)
    merged = []
    for items in same.values():
        paths = sorted({path for item in items for path in item.paths})
        merged.append(
            replace(
                items[0],
                paths=tuple(paths),
                layer=entries[paths[0]].layer,
                licence=next((item.licence for item in items if item.licence), ""),
                integrity=next((item.integrity for item in items if item.integrity), ""),
            )
        )
    return tuple(sorted(merged))


def _same(component: Component) -> str:
    # The names of one distribution of Python are many, and its URL is one.
    return component_url(component)


def _licence(value: object) -> str:
    """Return the licence that a value of any age of package.json says, or a header."""
    if isinstance(value, str):
        return expression(value)
    several = value if isinstance(value, list) else [value]
    said = (item.get("type") if isinstance(item, dict) else item for item in several)
    return joined((expression(item) for item in said if isinstance(item, str)), "OR")


def _plain(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
