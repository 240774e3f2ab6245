"""The command of a Node project: its start script, main or bin as a command without a shell."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils import node_arguments
from ansible_collections.rootfs.builder.plugins.plugin_utils import node_calls, node_programs
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_left_out import as_shipped
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    MANAGERS,
    bins_of,
    loadable,
    mapping_of,
    package_name,
    plain,
    text_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_words import (
    NeedsShellError,
    assignments,
    split,
    yaml_word,
)

from rootfs_ansible.errors import InputError

NODE = "/usr/bin/node"
UPSTREAM_NODE = "/usr/local/bin/node"

_SCRIPT_SUFFIXES = (".js", ".mjs", ".cjs")
_PRODUCTION_SCRIPTS = ("start:prod", "start:production", "prod", "production", "serve")
INITS = ("exec", "dumb-init", "tini")
_COMMANDS = re.compile(r"&&|\|\||[;|]|(?<![<>])&(?!>)")
"""What stands between the commands of a line; ``2>&1`` is none of them."""
_REDIRECTION = re.compile(r"\s*(?:\d*[<>]{1,2}&?|&>{1,2})\s*[^\s<>]+")

_EXAMPLE = "set rootfs_command to what it starts (such as [node, dist/index.js])"


@dataclass(frozen=True, slots=True)
class Command:
    """The command of the image in exec form.

    ``program`` names a dependency's executable, or one of the app by its path, that stands for
    the first argument until the build container resolves it. ``origin`` says where it comes from,
    ``given`` that the inventory names it and the image takes it from there, ``whole`` that it is
    all of what is run, and words given where the image runs are its arguments. ``advice`` is what
    to do where no dependency brings the program, ``dropped`` the options that it has in
    package.json and not here.
    """

    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    program: str = ""
    origin: str = ""
    given: bool = False
    whole: bool = False
    advice: str = ""
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """Another package of the repository: its directory, also below the root, its name, and
    whether it has a start script."""

    path: Path
    directory: str
    name: str
    starts: bool


def command_of(
    package: Mapping[str, Any],
    directory: Path,
    node: str = NODE,
    members: Sequence[Member] = (),
    *,
    built: bool = False,
) -> Command:
    """Return how the app starts: its ``start`` script, else ``main`` (or server.js, index.js),
    else its only ``bin``; in exec form. What is ``built`` may not be there yet.

    Raises ``InputError`` where only a shell could run it, or nothing says how it starts.
    """
    scripts = mapping_of(package, "scripts")
    commands = _Commands(package, directory, node, members)
    if scripts.get("start"):
        return commands.script("start")
    main = text_of(package, "main")
    candidates = [(main, "main")] if main else []
    candidates += [("server.js", "server.js"), ("index.js", "index.js")]
    for path, origin in candidates:
        if loadable(directory / path) or (origin == "main" and built):
            return Command((node, plain(path) or "."), (), "", origin)
    bins = bins_of(package)
    own = text_of(package, "name").rpartition("/")[2]
    if own in bins or len(bins) == 1:
        return commands.bin(own if own in bins else next(iter(bins)))
    hint = "set rootfs_command (such as [node, server.js]), or a start script in package.json"
    if bins:
        raise InputError("several programs in bin, and no start script", hint=hint)
    if main:
        raise InputError(f"main: {main} does not exist, and there is no start script", hint=hint)
    raise InputError("nothing says how it starts: no start, main or bin", hint=hint)


def check_arguments(
    arguments: node_arguments.Arguments, package: Mapping[str, Any], origin: str
) -> None:
    """Refuse arguments of node that run nothing, or that load what is not shipped."""
    _Commands(package, Path(), NODE, ()).check(arguments, origin)


class _Commands:
    """Resolves what one package.json says to commands without a shell."""

    def __init__(
        self, package: Mapping[str, Any], directory: Path, node: str, members: Sequence[Member]
    ) -> None:
        self._directory = directory
        self._node = node
        self._members = members
        self._scripts = mapping_of(package, "scripts")
        self._production = {
            *mapping_of(package, "dependencies"),
            *mapping_of(package, "optionalDependencies"),
            *mapping_of(package, "peerDependencies"),
        }
        self._development = set(mapping_of(package, "devDependencies")) - self._production
        self._bins = bins_of(package)
        self._suggesting = False

    def script(self, name: str, seen: tuple[str, ...] = ()) -> Command:
        """Return what a script starts; ``seen`` are the scripts that led to it."""
        line = self._scripts.get(name)
        origin = f"scripts.{name}"
        if not isinstance(line, str):
            raise InputError(f"{origin}: there is no such script")
        if name in seen:
            raise InputError(f"{origin}: runs itself ({' → '.join((*seen, name))})")
        try:
            environment, words = assignments(split(line))
            command = self._resolve(words, origin, (*seen, name))
        except NeedsShellError as error:
            raise InputError(
                f"{origin} {error}, and the image has no shell: {line!r}",
                hint=self._hint(line, origin),
            ) from error
        merged = {**dict(command.environment), **dict(environment)}
        return dataclasses.replace(
            command, environment=tuple(sorted(merged.items())), origin=command.origin or origin
        )

    def bin(self, name: str) -> Command:
        """Return how one of the package's own programs is started."""
        origin = f"bin.{name}"
        try:
            command = self._own_program(self._bins[name], [], origin, ())
        except NeedsShellError as error:
            raise InputError(f"{origin} {error}, and the image has no shell", hint=_EXAMPLE) from (
                error
            )
        return dataclasses.replace(command, whole=True)

    def check(self, arguments: node_arguments.Arguments, origin: str) -> None:
        """Do what ``check_arguments`` does."""
        if arguments.script is None:
            raise InputError(f"{origin}: node is told nothing to run")
        for option in arguments.options:
            if option.name in node_arguments.LOADS:
                self._refuse_development((package_name(option.value),), origin)

    def _resolve(self, words: Sequence[str], origin: str, seen: tuple[str, ...]) -> Command:
        if not words:
            raise InputError(f"{origin}: runs nothing")
        program, *rest = words
        if program in (*INITS, "corepack"):
            # The image has an init of its own, and needs no package manager.
            rest = rest[1:] if rest[:1] == ["--"] else rest
            return self._resolve(rest, origin, seen)
        if program in ("env", "cross-env"):
            environment, words = assignments(rest)
            inner = self._resolve(words, origin, seen)
            merged = {**dict(inner.environment), **dict(environment)}
            return dataclasses.replace(inner, environment=tuple(sorted(merged.items())))
        if node_arguments.is_node(program):
            return self._node_command(rest, origin, seen)
        if program in (*MANAGERS, "npx", "pnpx"):
            return self._managed(program, rest, origin, seen)
        linked = re.fullmatch(r"(?:\./)?node_modules/\.bin/([^/]+)", program)
        if linked:
            return self._resolve([linked[1], *rest], origin, seen)
        if program in self._bins:
            return self._own_program(self._bins[program], rest, origin, seen)
        if program in node_programs.RUNNERS:
            raise self._elsewhere(" ".join(words), self._named(rest), origin)
        if program in node_programs.SEQUENCES:
            scripts = [word for word in rest if word == "--" or not word.startswith("-")]
            if len(scripts) == 1 and scripts[0] in self._scripts:
                return self._script_with(scripts[0], (), seen)
        why = node_programs.needs_shell(program, rest)
        if why:
            raise NeedsShellError(why)
        if "/" in program and not program.startswith("@"):
            return self._own_program(program, rest, origin, seen)
        self._refuse_development(node_programs.packages_of(program), origin)
        advice = (
            "set rootfs_command (such as [node, dist/index.js]), or add the package that brings it"
            f" to dependencies{self._other(origin)}"
        )
        return Command((program, *rest), program=program, origin=origin, advice=advice)

    def _node_command(self, words: list[str], origin: str, seen: tuple[str, ...]) -> Command:
        arguments = node_arguments.parse(words)
        for option in arguments.options:
            if option.name == "--run":
                name, *rest = [option.value, *arguments.rest] if option.value else arguments.rest
                return self._script_with(name, rest, seen)
        self.check(arguments, origin)
        arguments, dropped = as_shipped(arguments)
        return Command((self._node, *arguments.words), origin=origin, dropped=dropped)

    def _managed(
        self, program: str, rest: list[str], origin: str, seen: tuple[str, ...]
    ) -> Command:
        line = " ".join((program, *rest))
        call = node_calls.call(program, rest)
        if call.place:
            raise self._elsewhere(line, call.place, origin)
        if call.kind in ("shell", "other"):
            raise NeedsShellError(f"runs {line}")
        if not call.words:
            if call.kind == "program":
                raise InputError(f"{origin}: {line} is told nothing to run")
            raise NeedsShellError(f"runs {line}")
        name, *words = call.words
        if call.kind != "program":
            if name in self._scripts:
                return self._script_with(name, words, seen)
            if call.kind == "script":
                raise InputError(f"{origin}: {line}: there is no such script")
        # npx next@14: which version it is, the lock says.
        return self._resolve([re.sub(r"(?<=.)@[^/]*$", "", name), *words], origin, seen)

    def _script_with(self, name: str, words: Sequence[str], seen: tuple[str, ...]) -> Command:
        inner = self.script(name, seen)
        return dataclasses.replace(inner, arguments=(*inner.arguments, *words))

    def _own_program(
        self, program: str, rest: Sequence[str], origin: str, seen: tuple[str, ...]
    ) -> Command:
        """Return how a program of the app itself starts: as its first line says, where it is
        there before the build."""
        path = plain(program)
        script = path.endswith(_SCRIPT_SUFFIXES)
        there = (self._directory / path).is_file()
        words = node_arguments.interpreter(self._directory / path) if there else None
        if words:
            runner = Path(words[0]).name
            if node_programs.needs_shell(runner, words):
                raise NeedsShellError(f"runs {program}, a program of {words[0]}")
            return self._resolve([runner, *words[1:], path, *rest], origin, seen)
        if script:
            return Command((self._node, path, *rest), origin=origin)
        if there or program.endswith(".sh"):
            raise NeedsShellError(f"runs {program}, which is no JavaScript")
        # The build may make it.
        path = f"./{path}"
        return Command((path, *rest), program=path, origin=origin)

    def _refuse_development(self, packages: Sequence[str], origin: str) -> None:
        """Refuse what only development dependencies bring; ``packages`` are those that may."""
        if self._production.intersection(packages):
            return
        for name in packages:
            if name in self._development or name in node_programs.INTERPRETERS:
                raise InputError(
                    f"{origin}: {name} is a development dependency, which is not shipped",
                    hint="set rootfs_command to what the build makes (such as"
                    f" [node, dist/index.js]), or move {name} to dependencies{self._other(origin)}",
                )

    # What to do instead

    def _named(self, words: Sequence[str]) -> str:
        """Return the member that the words of a task runner name, else that it is several."""
        for word in words:
            name = (word.partition("=")[2] or word).partition(":")[0]
            if self._member(name):
                return name
        return node_calls.EVERYWHERE

    def _member(self, place: str) -> Member | None:
        path = (self._directory / place).resolve()
        for member in self._members:
            if place in (member.name, member.directory) or path == member.path:
                return member
        return None

    def _elsewhere(self, line: str, place: str, origin: str) -> InputError:
        """Return the error of a script that starts another package, with how to build that."""
        member = self._member(place)
        startable = [other.directory for other in self._members if other.starts]
        if member:
            hint = f"set stack_node_workspace: {yaml_word(member.directory)}"
        elif (self._directory / place / "package.json").is_file():
            hint = f"give that directory as the app: {self._directory / place}"
        elif startable:
            several = ", ".join(map(yaml_word, startable))
            hint = f"set stack_node_workspace to one of {several}, or rootfs_command"
        else:
            hint = _EXAMPLE
        return InputError(f"{origin}: starts another package: {line}", hint=hint)

    def _other(self, origin: str) -> str:
        """Suggest another script by whose name production is meant, where it would do."""
        for name in _PRODUCTION_SCRIPTS:
            command = self._instead(name, origin)
            if command:
                return f"; scripts.{name} says {_as_list(command.arguments[1:])}"
        return ""

    def _instead(self, name: str, origin: str) -> Command | None:
        """Return what another script starts, where that is node; nothing while another error is
        being explained."""
        if self._suggesting or origin == f"scripts.{name}" or name not in self._scripts:
            return None
        self._suggesting = True
        try:
            command = self.script(name, (origin.removeprefix("scripts."),))
        except InputError:
            return None
        finally:
            self._suggesting = False
        return None if command.program else command

    def _hint(self, line: str, origin: str) -> str:
        """Suggest the last part of the line that starts node, else an example."""
        parts = [_REDIRECTION.sub("", part).strip() for part in _COMMANDS.split(line)]
        entered = re.fullmatch(r"cd\s+(\S+)", parts[0])
        if entered and (self._directory / entered[1] / "package.json").is_file():
            return self._elsewhere(line, entered[1], origin).hint
        for at, part in reversed(list(enumerate(parts))):
            command = self._node_part(part, origin)
            if command is None:
                continue
            hint = f"set rootfs_command: {_as_list(command.arguments[1:])}"
            if command.environment:
                pairs = ", ".join(f"{name}: {value!r}" for name, value in command.environment)
                hint += f" and rootfs_env: {{{pairs}}}"
            if entered:
                hint += f" and rootfs_workdir to the directory {entered[1]} of the image"
            scripts = [name for part in parts[:at] for name in self._script_run(part)]
            if set(scripts) - {"build"}:
                hint += f"; stack_node_build: [{', '.join(scripts)}] makes that part of the build"
            return hint
        return f"{_EXAMPLE}{self._other(origin)}"

    def _node_part(self, part: str, origin: str) -> Command | None:
        """Return what a part of a line starts, itself or by a script, where that is node."""
        for name in self._script_run(part):
            return self._instead(name, origin)
        try:
            environment, words = assignments(split(part))
        except NeedsShellError:
            return None
        if not words:
            return None
        if words[0] in node_programs.SUPERVISORS:
            # Its options are its own; what it starts has a suffix.
            at = next((at for at, word in enumerate(words) if word.endswith(_SCRIPT_SUFFIXES)), 0)
            return Command((self._node, *words[at:]), environment) if at else None
        if not node_arguments.is_node(words[0]):
            return None
        arguments, _ = as_shipped(node_arguments.parse(words[1:]))
        return Command((self._node, *arguments.words), environment)

    def _script_run(self, part: str) -> tuple[str, ...]:
        """Return the script that a part of a line runs by way of a package manager."""
        try:
            words = assignments(split(part))[1]
        except NeedsShellError:
            return ()
        if not words or words[0] not in MANAGERS:
            return ()
        call = node_calls.call(words[0], words[1:])
        name = call.words[:1] if call.kind in ("script", "either") and not call.place else ()
        return name if name and name[0] in self._scripts else ()


def _as_list(arguments: Sequence[str]) -> str:
    """Return a command of node as it is written in YAML."""
    return f"[{', '.join(map(yaml_word, ['node', *arguments]))}]"
