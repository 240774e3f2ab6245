"""The command of a Node project: its start script, main or bin as a command without a shell."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils.node_tools import script_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    MANAGERS,
    bins_of,
    loadable,
    mapping_of,
    package_name,
    plain,
    text_of,
)

from rootfs_ansible.errors import InputError

NODE = "/usr/bin/node"
UPSTREAM_NODE = "/usr/local/bin/node"

_SCRIPT_SUFFIXES = (".js", ".mjs", ".cjs")
_INTERPRETERS = ("ts-node", "tsx", "nodemon", "ts-node-dev", "babel-node", "swc-node")
_OF_WORKSPACE = ("-w", "--workspace", "--filter", "-F", "-C", "--prefix", "--cwd")
"""The options of npm, pnpm and yarn that run a script of another package."""

_PRODUCTION_SCRIPTS = ("start:prod", "start:production", "prod", "production", "serve")
_INITS = ("exec", "dumb-init", "tini")
_SHELL_PROGRAMS = {
    ".", "bash", "cd", "cp", "dash", "docker", "echo", "eval", "export", "if", "java", "make",
    "mkdir", "mv", "perl", "php", "python", "python3", "rm", "ruby", "set", "sh", "sleep",
    "source", "sudo", "test", "touch", "while", "[",
}  # fmt: skip
"""Programs that no npm package brings: a command that starts with one needs more than node."""

_OPERATORS = {
    "&&": "joins commands with &&",
    "||": "joins commands with ||",
    "&": "starts a second command with &",
    "|": "joins commands with |",
    ";": "joins commands with ;",
    "<": "redirects its input",
    ">": "redirects its output",
    "(": "opens a subshell",
    ")": "opens a subshell",
    "\n": "has several lines",
}
_EXPANSIONS = {"$": "expands a variable", "`": "runs a command in backticks"}
_GLOBS = "*?["
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True, slots=True)
class Command:
    """The command of the image in exec form. ``program`` names a dependency's executable that
    stands for the first argument until the build container resolves it. ``origin`` says where in
    package.json it comes from."""

    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    program: str = ""
    origin: str = ""


def command_of(package: Mapping[str, Any], directory: Path, node: str = NODE) -> Command:
    """Return how the app starts: its ``start`` script, else ``main`` (or server.js, index.js),
    else its only ``bin``; in exec form.

    Raises ``InputError`` where only a shell could run it, or nothing says how it starts.
    """
    scripts = mapping_of(package, "scripts")
    if scripts.get("start"):
        return _Scripts(package, node).command("start")
    main = text_of(package, "main")
    built = bool(scripts.get("build"))
    candidates = [(main, "main")] if main else []
    candidates += [("server.js", "server.js"), ("index.js", "index.js")]
    for path, origin in candidates:
        if loadable(directory / path) or (origin == "main" and built):
            return Command((node, plain(path)), (), "", origin)
    bins = bins_of(package)
    own = text_of(package, "name").rpartition("/")[2]
    if own in bins or len(bins) == 1:
        name = own if own in bins else next(iter(bins))
        return Command((node, plain(bins[name])), (), "", f"bin.{name}")
    hint = "set rootfs_command (such as [node, server.js]), or a start script in package.json"
    if bins:
        raise InputError("several programs in bin, and no start script", hint=hint)
    if main:
        raise InputError(f"main: {main} does not exist, and there is no start script", hint=hint)
    raise InputError("nothing says how it starts: no start, main or bin", hint=hint)


class _NeedsShellError(Exception):
    """A command line that only a shell can run."""


class _Scripts:
    """Resolves the scripts of one package.json to a command without a shell."""

    def __init__(self, package: Mapping[str, Any], node: str) -> None:
        self._node = node
        self._scripts = mapping_of(package, "scripts")
        self._production = {
            *mapping_of(package, "dependencies"),
            *mapping_of(package, "optionalDependencies"),
            *mapping_of(package, "peerDependencies"),
        }
        self._development = set(mapping_of(package, "devDependencies")) - self._production
        self._bins = bins_of(package)

    def command(self, name: str, seen: tuple[str, ...] = ()) -> Command:
        line = self._scripts.get(name)
        origin = f"scripts.{name}"
        if not isinstance(line, str):
            raise InputError(f"{origin}: there is no such script")
        if name in seen:
            raise InputError(f"{origin}: runs itself ({' → '.join((*seen, name))})")
        try:
            environment, words = _environment(_words(line))
            command = self._resolve(words, origin, (*seen, name))
        except _NeedsShellError as error:
            raise InputError(
                f"{origin} {error}, and the image has no shell: {line!r}",
                hint=self._hint(line, origin),
            ) from error
        merged = {**dict(command.environment), **dict(environment)}
        return dataclasses.replace(
            command, environment=tuple(sorted(merged.items())), origin=command.origin or origin
        )

    def _resolve(self, words: Sequence[str], origin: str, seen: tuple[str, ...]) -> Command:
        if not words:
            raise InputError(f"{origin}: runs nothing")
        program, *rest = words
        if program in _INITS:
            # The image has an init of its own.
            rest = rest[1:] if rest[:1] == ["--"] else rest
            return self._resolve(rest, origin, seen)
        if program in ("env", "cross-env"):
            environment, words = _environment(rest)
            inner = self._resolve(words, origin, seen)
            merged = {**dict(inner.environment), **dict(environment)}
            return dataclasses.replace(inner, environment=tuple(sorted(merged.items())))
        if program in ("node", "nodejs"):
            return self._node_command(rest, origin)
        if program in (*MANAGERS, "npx", "pnpx"):
            return self._manager_command(program, rest, origin, seen)
        if program in _SHELL_PROGRAMS or program.endswith(".sh"):
            raise _NeedsShellError(f"runs {program}")
        if "/" in program:
            return self._path_command(program, rest, origin)
        if program in self._bins:
            return Command((self._node, plain(self._bins[program]), *rest), origin=origin)
        self._refuse_development(program, origin)
        return Command((program, *rest), program=program, origin=origin)

    def _node_command(self, arguments: list[str], origin: str) -> Command:
        if script_of(arguments) is None:
            raise InputError(f"{origin}: node is told nothing to run")
        for option, value in zip(arguments, [*arguments[1:], ""], strict=True):
            name, _, joined = option.partition("=")
            if name in ("-r", "--require", "--import", "--loader", "--experimental-loader"):
                self._refuse_development(package_name(joined or value), origin)
        return Command((self._node, *arguments), origin=origin)

    def _manager_command(
        self, program: str, rest: list[str], origin: str, seen: tuple[str, ...]
    ) -> Command:
        words = [word for word in rest if word not in ("-s", "--silent", "--quiet", "-q")]
        for option, value in zip(rest, [*rest[1:], ""], strict=True):
            name, _, joined = option.partition("=")
            if name in _OF_WORKSPACE:
                raise InputError(
                    f"{origin}: starts a workspace: {' '.join((program, *rest))}",
                    hint=f"set stack_node_workspace: {joined or value}",
                )
        if program in ("npx", "pnpx"):
            verb, words = "exec", [word for word in words if word not in ("--no-install", "-y")]
        else:
            verb, words = (words[0], words[1:]) if words else ("", [])
        if words[:1] == ["--"]:
            words = words[1:]
        if verb in ("exec", "x", "dlx"):
            if not words or words[0].startswith("-"):
                raise InputError(f"{origin}: {program} {verb} is told nothing to run")
            return self._resolve(words, origin, seen)
        if verb in ("run", "run-script"):
            if not words or words[0].startswith("-"):
                raise _NeedsShellError(f"runs {' '.join((program, *rest))}")
            verb, words = words[0], words[1:]
        elif program == "npm" and verb not in ("start", "test"):
            raise _NeedsShellError(f"runs {' '.join((program, *rest))}")
        if words[:1] == ["--"]:
            words = words[1:]
        if verb in self._scripts:
            inner = self.command(verb, seen)
            return dataclasses.replace(inner, arguments=(*inner.arguments, *words))
        if program == "npm" or verb.startswith("-") or not verb:
            raise InputError(f"{origin}: {' '.join((program, *rest))}: there is no such script")
        return self._resolve([verb, *words], origin, seen)

    def _path_command(self, program: str, rest: list[str], origin: str) -> Command:
        found = re.fullmatch(r"(?:\./)?node_modules/\.bin/([^/]+)", program)
        if found:
            return self._resolve([found[1], *rest], origin, ())
        if program.endswith(_SCRIPT_SUFFIXES):
            return Command((self._node, plain(program), *rest), origin=origin)
        raise _NeedsShellError(f"runs {program}, which is no JavaScript")

    def _refuse_development(self, name: str, origin: str) -> None:
        if name in self._development or (name in _INTERPRETERS and name not in self._production):
            raise InputError(
                f"{origin}: {name} is a development dependency, which is not shipped",
                hint="set rootfs_command to what the build makes (such as [node, dist/index.js]),"
                f" or move {name} to dependencies{self._other(origin)}",
            )

    def _other(self, origin: str) -> str:
        """Suggest another script by whose name production is meant, where it would do."""
        for name in _PRODUCTION_SCRIPTS:
            if origin == f"scripts.{name}" or name not in self._scripts:
                continue
            try:
                arguments = self.command(name).arguments
            except InputError:
                continue
            return f"; scripts.{name} says [{', '.join(['node', *arguments[1:]])}]"
        return ""

    def _hint(self, line: str, origin: str) -> str:
        """Suggest the last part of the line that starts node, else an example."""
        for part in reversed(re.split(r"&&|\|\||[;|&]", line)):
            try:
                environment, words = _environment(_words(part.strip()))
            except _NeedsShellError:
                continue
            if words and words[0] in ("node", "nodejs"):
                hint = f"set rootfs_command: [{', '.join(['node', *words[1:]])}]"
                if environment:
                    pairs = ", ".join(f"{name}: {value!r}" for name, value in environment)
                    hint += f" and rootfs_env: {{{pairs}}}"
                return hint
        example = "set rootfs_command to what it starts (such as [node, dist/index.js])"
        return f"{example}{self._other(origin)}"


def _words(line: str) -> list[str]:
    """Split a command line into words as a POSIX shell does (XCU 2.2, quoting).

    Raises ``_NeedsShellError`` for anything that is more than words.
    """
    text = line.strip()
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(enumerate(text))
    for at, character in characters:
        if quote == "'" and character != quote:
            word = (word or "") + character
        elif character == quote:
            quote = ""
        elif character in _EXPANSIONS:
            raise _NeedsShellError(_EXPANSIONS[character])
        elif character == "\\":
            word = (word or "") + next(characters, (0, ""))[1]
        elif quote:
            word = (word or "") + character
        elif character in "'\"":
            quote, word = character, word or ""
        elif character in _OPERATORS:
            raise _NeedsShellError(_OPERATORS.get(text[at : at + 2], _OPERATORS[character]))
        elif character in _GLOBS or (character == "~" and word is None):
            raise _NeedsShellError(f"expands {character}")
        elif character.isspace():
            words += [word] if word is not None else []
            word = None
        else:
            word = (word or "") + character
    if quote:
        raise _NeedsShellError("has a quote that is not closed")
    return [*words, word] if word is not None else words


def _environment(words: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    pairs: list[tuple[str, str]] = []
    rest = list(words)
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        pairs.append((name, value))
    return tuple(pairs), rest
