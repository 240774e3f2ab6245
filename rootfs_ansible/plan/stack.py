"""A stack: the role that knows a language, and what its ``meta/stack.yml`` says of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rootfs_ansible.errors import InputError

LAYERS = ("runtime", "system", "dependencies", "app")
"""The production hierarchy, lowest first: what changes least often is lowest."""

_STAGES = ("runtime", "system", "compile")
_KEYS = {
    "name",
    "marks",
    "ignore",
    "environment",
    "outputs",
    "prune",
    "companions",
    "inventory_only",
    "places",
}


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack role as found on the roles path.

    ``role`` is what ``include_role`` is told, ``directory`` where it is: our own by the name in
    the collection, a team's by its path, since a name would be looked for in the collection of
    the playbook first. ``marks`` are the file
    names (globs) that mark a project, ``ignore`` the names that never belong to its sources.
    ``outputs`` by stage, ``prune``, ``companions`` and ``environment`` are kept as written:
    their strings are templates over the app's variables. ``places`` are the options that say
    where something is reached, not what it is: they are in no key.
    """

    name: str
    role: str
    directory: Path
    marks: tuple[str, ...]
    ignore: tuple[str, ...]
    outputs: dict[str, list[dict[str, Any]]]
    prune: list[dict[str, Any]]
    companions: list[dict[str, Any]]
    environment: dict[str, str]
    places: tuple[str, ...]
    inventory_only: tuple[str, ...]

    def has(self, entry_point: str) -> bool:
        """Say whether the role has an (optional) entry point."""
        return (self.directory / "tasks" / f"{entry_point}.yml").is_file()

    @property
    def compiles(self) -> bool:
        """Whether apps of the stack are compiled; others are what is staged for them."""
        return self.has("compile")

    def marked(self, directory: Path) -> tuple[Path, ...]:
        """Return the files of ``directory`` that mark a project of this stack."""
        return tuple(
            sorted(path for mark in self.marks for path in directory.glob(mark) if path.is_file())
        )


def find(directories: Iterable[tuple[Path, str]]) -> tuple[Stack, ...]:
    """Return the stacks below role directories, each given with the prefix of its roles' names.

    The first of a name wins, as on Ansible's roles path. Raises ``InputError`` with every
    mistake of every ``meta/stack.yml``.
    """
    found: dict[str, Stack] = {}
    problems: list[str] = []
    for directory, prefix in directories:
        for path in sorted(directory.glob("*/meta/stack.yml")):
            role = path.parent.parent
            try:
                stack = _parse(path, f"{prefix}{role.name}" if prefix else str(role.absolute()))
            except InputError as error:
                problems.append(str(error))
            else:
                found.setdefault(stack.name, stack)
    if problems:
        raise InputError("stack roles are not as a stack must be", details=problems)
    return tuple(sorted(found.values(), key=lambda stack: stack.name))


def detect(directory: Path, stacks: tuple[Stack, ...], chosen: str = "") -> Stack:
    """Return the stack of the app in ``directory``: the ``chosen`` one, or the one it shows.

    Raises ``InputError`` where the directory is missing, shows no stack, or shows several.
    """
    if not directory.is_dir():
        raise InputError(
            "no such directory",
            where=str(directory),
            hint="set rootfs_app_dir (or app) to the directory that holds the app",
        )
    if chosen:
        for stack in stacks:
            if chosen in (stack.name, stack.role, stack.directory.name):
                return stack
        raise InputError(
            f"there is no stack {chosen!r} on the roles path",
            where=str(directory),
            hint=f"set rootfs_stack to one of {', '.join(stack.name for stack in stacks)},"
            " or add its role to roles_path",
        )
    matching = [stack for stack in stacks if stack.marked(directory)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise InputError(
            "more than one stack recognises this directory",
            where=str(directory),
            details=[
                f"{stack.name}: {', '.join(path.name for path in stack.marked(directory))}"
                for stack in matching
            ],
            hint=f"set rootfs_stack to {' or '.join(stack.name for stack in matching)}",
        )
    raise InputError(
        "no stack recognises this directory",
        where=str(directory),
        details=[f"{stack.name} looks for {' or '.join(stack.marks)}" for stack in stacks],
        hint="give the directory that holds one of these files, or set rootfs_stack",
    )


def _parse(path: Path, role: str) -> Stack:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(data, dict):
        raise InputError("is not a mapping", where=str(path))
    problems = [f"{key}: no such key" for key in sorted(set(data) - _KEYS, key=str)]
    if not isinstance(data.get("name"), str):
        problems.append("name: expected a string")
    for key in ("marks", "ignore", "places", "inventory_only"):
        if not _is_list_of(data.get(key, []), str):
            problems.append(f"{key}: expected a list of strings")
    for key in ("prune", "companions"):
        if not _is_list_of(data.get(key, []), dict):
            problems.append(f"{key}: expected a list of mappings")
    environment = data.get("environment", {})
    if not isinstance(environment, dict):
        problems.append("environment: expected a mapping")
    outputs = data.get("outputs", {})
    if not isinstance(outputs, dict) or not set(outputs) <= set(_STAGES):
        problems.append(f"outputs: expected a mapping with {', '.join(_STAGES)}")
    elif not all(_is_list_of(value, dict) for value in outputs.values()):
        problems.append("outputs: expected a list of mappings for each stage")
    if problems:
        raise InputError("is not a stack", where=str(path), details=problems)
    return Stack(
        name=data["name"],
        role=role,
        directory=path.parent.parent,
        marks=tuple(data.get("marks", [])),
        ignore=tuple(data.get("ignore", [])),
        outputs={stage: outputs.get(stage, []) for stage in _STAGES},
        prune=data.get("prune", []),
        companions=data.get("companions", []),
        environment={str(name): str(value) for name, value in environment.items()},
        places=tuple(data.get("places", [])),
        inventory_only=tuple(data.get("inventory_only", [])),
    )


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
