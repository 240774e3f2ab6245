"""A stack: the role that knows a language, and what its ``meta/stack.yml`` says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rootfs_ansible.errors import InputError, suggestion
from rootfs_ansible.plan import stack_file
from rootfs_ansible.plan.stack_file import StackFile

LAYERS = ("runtime", "system", "dependencies", "app")
"""The production hierarchy, lowest first: what changes least often is lowest."""

_STAGES = ("runtime", "system", "compile")
"""The stages that harvest what a stack declares."""

_OF_OPTIONS = ("places", "inventory_only")
"""The keys of a stack file that name options of its role."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack role as found on the roles path.

    ``role`` is what ``include_role`` is told, ``directory`` where it is: one of a collection by
    its name there, one of the roles path by its path, since a name would be looked for in the
    collection of the playbook first. The other fields are what ``stack.schema.json`` says of the
    keys of their names. ``outputs`` are kept by stage as they are written: their strings are
    templates over the app's variables.
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
    smoke: dict[str, dict[str, Any]]

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
    """Return the stacks below role directories, each given with the prefix of its roles' names:
    ``namespace.collection.`` of a collection's, none of one of the roles path.

    On the roles path the first role of a name is the one, and the first stack of a name; no
    collection's stack of that name counts beside it. Stacks of collections hide no others.
    Raises ``InputError`` with every mistake of every stack.
    """
    found: list[Stack] = []
    problems: list[str] = []
    roles_on_path: set[str] = set()
    stacks_on_path: set[str] = set()
    for directory, prefix in directories:
        here: dict[str, Stack] = {}
        for path in sorted(directory.absolute().glob("*/meta/stack.yml")):
            role = path.parent.parent
            if not prefix and role.name in roles_on_path:
                continue
            try:
                stack = _parse(path, f"{prefix}{role.name}" if prefix else str(role))
            except InputError as error:
                problems += error.details
                continue
            if (other := here.setdefault(stack.name, stack)) is not stack:
                what = f"{other.directory.name} is called {stack.name} too"
                problems.append(stack_file.read(path).mistake(("name",), what))
        found += [stack for name, stack in here.items() if name not in stacks_on_path]
        if not prefix and directory.is_dir():
            roles_on_path |= {path.name for path in directory.iterdir()}
            stacks_on_path |= set(here)
    if problems:
        raise InputError("stack roles are not as a stack must be", details=problems)
    return tuple(sorted(found, key=lambda stack: (stack.name, stack.role)))


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
        matching = [
            stack for stack in stacks if chosen in (stack.name, stack.role, stack.directory.name)
        ]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise InputError(
                f"more than one stack is called {chosen!r}",
                where=str(directory),
                hint=f"set rootfs_stack to {' or '.join(stack.role for stack in matching)}",
            )
        raise InputError(
            f"there is no stack {chosen!r} on the roles path or in a collection",
            where=str(directory),
            hint=f"set rootfs_stack to one of {', '.join(_called(stacks))},"
            " or add its role to roles_path",
        )
    matching = [stack for stack in stacks if stack.marked(directory)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        called = _called(matching)
        raise InputError(
            "more than one stack recognises this directory",
            where=str(directory),
            details=[
                f"{name}: {', '.join(path.name for path in stack.marked(directory))}"
                for name, stack in zip(called, matching, strict=True)
            ],
            hint=f"set rootfs_stack to {' or '.join(called)}: in the inventory, with -e, or in the"
            " app's own rootfs.yml",
        )
    raise InputError(
        "no stack recognises this directory",
        where=str(directory),
        details=[
            f"{name} looks for {' or '.join(stack.marks)}"
            for name, stack in zip(_called(stacks), stacks, strict=True)
            if stack.marks
        ],
        hint="give the directory that holds one of these files, or set rootfs_stack",
    )


def _called(stacks: Sequence[Stack]) -> list[str]:
    """Return what ``rootfs_stack`` calls each: by its role in full where another has its name."""
    names = Counter(stack.name for stack in stacks)
    return [stack.name if names[stack.name] == 1 else stack.role for stack in stacks]


def _parse(path: Path, role: str) -> Stack:
    """Return the stack of a role; ``InputError`` whose details are all that is wrong with it."""
    found = stack_file.read(path)
    data, directory = found.data, path.parent.parent
    outputs = data.get("outputs", {})
    stack = Stack(
        name=data["name"],
        role=role,
        directory=directory,
        marks=tuple(data.get("marks", [])),
        ignore=tuple(data.get("ignore", [])),
        outputs={stage: outputs.get(stage, []) for stage in _STAGES},
        prune=data.get("prune", []),
        companions=data.get("companions", []),
        environment={name: str(value) for name, value in data.get("environment", {}).items()},
        places=tuple(data.get("places", [])),
        inventory_only=tuple(data.get("inventory_only", [])),
        smoke=data.get("smoke", {}),
    )
    problems = [
        *_unknown_options(found, directory),
        *_unreached(found, stack),
        *_missing_entry_points(stack),
    ]
    if problems:
        raise InputError("is no stack", details=problems)
    return stack


def _unknown_options(found: StackFile, role: Path) -> Iterator[str]:
    """Yield what is wrong with the options that a stack file names: its role does not have them."""
    named = [
        (key, index, name)
        for key in _OF_OPTIONS
        for index, name in enumerate(found.data.get(key, []))
    ]
    known = _options(role) if named else set()
    for key, index, name in named:
        if name not in known:
            what = f"meta/argument_specs.yml has no option {name}"
            yield found.mistake((key, index), what + suggestion(name, known))


def _missing_entry_points(stack: Stack) -> Iterator[str]:
    needed = {"runtime": "every stack has the entry point runtime"}
    if stack.compiles:
        needed["build_image"] = "what compiles needs the image that it compiles in"
    for entry, reason in needed.items():
        if not stack.has(entry):
            yield f"{stack.directory}/tasks/{entry}.yml: is missing; {reason}"


def _unreached(found: StackFile, stack: Stack) -> Iterator[str]:
    """Yield the outputs that no stage of the stack harvests."""
    if not stack.compiles and stack.outputs["compile"]:
        what = "there is no tasks/compile.yml; what is staged is declared in outputs.system"
        yield found.mistake(("outputs", "compile"), what)
    for index, output in enumerate(stack.outputs["system"] if stack.compiles else ()):
        if output["layer"] != "system":
            what = f"expected system, got {output['layer']!r}, which outputs.compile brings"
            yield found.mistake(("outputs", "system", index, "layer"), what)


def _options(role: Path) -> set[str]:
    """Return the names of a role's options; what is no specification is Ansible's to refuse."""
    path = role / "meta" / "argument_specs.yml"
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), stack_file.Loader)  # noqa: S506 (safe)
        specs = data["argument_specs"].values()
        return {str(name) for spec in specs for name in spec.get("options") or ()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return set()
