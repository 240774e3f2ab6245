"""``meta/stack.yml`` as its author wrote it: read with its lines, checked against its schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from rootfs_ansible.errors import InputError, suggestion

SCHEMA = Path(__file__).with_name("stack.schema.json")

Place = tuple[str | int, ...]
"""Where in the document something is: keys of mappings, indices of lists."""

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_LONGEST = 60
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True, slots=True)
class StackFile:
    """A stack file that is as its schema says; ``lines`` are those of its values, from 1."""

    path: Path
    data: Mapping[str, Any]
    lines: Mapping[Place, int]

    def mistake(self, place: Place, what: str) -> str:
        """Return ``what`` is wrong at ``place``, as ``FILE:LINE: KEY: WHAT``."""
        return _located(self.path, self.lines, place, what)


def read(path: Path) -> StackFile:
    """Return the stack file at ``path``.

    Raises ``InputError`` whose details are all its mistakes, by line.
    """
    problems: list[tuple[Place, str]] = []
    try:
        loader = Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        # Reading merges what "<<" names into its mapping, where a key may then be twice.
        lines = dict(_lines(node, (), frozenset(), problems))
        data: Any = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise InputError("is no stack", details=[f"{where}: this is no YAML: {reason}"]) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("is no stack", details=[f"{path}: cannot be read: {error}"]) from error
    for found in Draft202012Validator(_schema()).iter_errors(data):
        problems += _findings(found)
    if problems:
        problems.sort(key=lambda problem: (_line(lines, problem[0]), _shown_place(problem[0])))
        texts = (_located(path, lines, place, what) for place, what in problems)
        raise InputError("is no stack", details=dict.fromkeys(texts))
    return StackFile(path, data, lines)


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def _lines(
    node: yaml.Node | None, place: Place, above: frozenset[int], problems: list[tuple[Place, str]]
) -> Iterator[tuple[Place, int]]:
    """Yield the line of every value below ``node``: that of its key, or of the list's item.

    Adds to ``problems`` the keys that a mapping has twice. ``above`` are the nodes that an alias
    would lead around to.
    """
    if not place:
        yield place, node.start_mark.line + 1 if node else 1
    if id(node) in above:
        return
    above |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                problems.append(((*place, name), f"is there twice, first in line {first[name]}"))
            first.setdefault(name, line)
            yield (*place, name), line
            yield from _lines(value, (*place, name), above, problems)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*place, index), item.start_mark.line + 1
            yield from _lines(item, (*place, index), above, problems)


def _findings(error: ValidationError) -> Iterator[tuple[Place, str]]:
    """Yield what a failed keyword of the schema means, in our words: a schema's title says what
    it expects."""
    place: Place = tuple(error.absolute_path)
    schema = cast(Mapping[str, Any], error.schema)
    keywords = list(error.absolute_schema_path)
    value = cast(Any, error.instance)
    expected = cast(Any, error.validator_value)
    if "dependentSchemas" in keywords:
        yield (*place, keywords[keywords.index("dependentSchemas") + 1]), schema["title"]
    elif "propertyNames" in keywords:
        yield (*place, str(value)), f"expected {schema['title']}"
    elif error.validator == "additionalProperties":
        known = sorted(schema["properties"])
        for key in sorted(map(str, set(value) - set(known))):
            near = suggestion(key, known)
            yield (*place, key), f"there is no such key{near or f'; there are {_all(known)}'}"
    elif error.validator == "required":
        unknown = [str(key) for key in value if key not in schema["properties"]]
        for key in expected:
            # A misspelt one has its message.
            if key not in value and not suggestion(key, unknown):
                yield (*place, key), f"is missing; expected {_title(schema['properties'][key])}"
    elif error.validator == "enum":
        choices = expected[0] if len(expected) == 1 else f"one of {', '.join(expected)}"
        near = suggestion(value, expected) if isinstance(value, str) else ""
        yield place, f"expected {choices}, got {_shown(value)}{near}"
    elif error.validator == "oneOf" and isinstance(value, dict):
        names = [branch["required"][0] for branch in expected]
        given = [name for name in names if name in value]
        if given or not any(suggestion(name, map(str, value)) for name in names):
            yield place, f"expected {schema['title']}, got {_all(given) if given else 'none'}"
    elif error.validator == "anyOf" and (deeper := _deeper(error)):
        # Of the alternatives that is meant whose kind the value has.
        for below in deeper:
            yield from _findings(below)
    elif error.validator != "oneOf":
        yield place, f"expected {schema['title']}, got {_shown(value)}"


def _deeper(error: ValidationError) -> list[ValidationError]:
    return [below for below in error.context or () if below.path]


def _title(schema: Mapping[str, Any]) -> str:
    if reference := schema.get("$ref"):
        schema = _schema()["$defs"][reference.rpartition("/")[2]]
    return str(schema["title"])


def _located(path: Path, lines: Mapping[Place, int], place: Place, what: str) -> str:
    key = f"{_shown_place(place)}: " if place else ""
    return f"{path}:{_line(lines, place)}: {key}{what}"


def _line(lines: Mapping[Place, int], place: Place) -> int:
    """Return the line of a value, or of the nearest above it that is written out."""
    while place not in lines:
        place = place[:-1]
    return lines[place]


def _shown_place(place: Place) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _all(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
