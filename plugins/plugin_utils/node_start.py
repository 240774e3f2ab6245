"""How an app starts: as the inventory says, else as its package.json does."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils import node_arguments
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import (
    INITS,
    Command,
    Member,
    check_arguments,
    command_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_left_out import (
    is_secret,
    unread_settings,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    bins_of,
    mapping_of,
    text_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_words import (
    assignments,
    yaml_word,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_workspaces import Place

from rootfs_ansible.errors import InputError


@dataclass(frozen=True, slots=True)
class Start:
    """What an inventory says of how the image starts: ``entrypoint`` and ``command`` in place of
    what the project says (both empty: as that says). ``prefix`` is where the project's sources
    are in the image, and ``working_directory`` where it starts (empty: in the app's directory).
    Nothing is started of what is not ``needed``.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    prefix: str = "/app"
    working_directory: str = ""
    needed: bool = True


def command_at(place: Place, start: Start, node: str, *, built: bool) -> Command:
    """Return how the app in ``place`` starts; what is ``built`` may not be there yet."""
    if not start.needed:
        return Command(given=True)
    if start.entrypoint or start.command:
        return _given(place, start, node)
    return _of_package(place, node, built=built)


def _of_package(place: Place, node: str, *, built: bool) -> Command:
    members = [
        Member(
            path,
            place.relative(path),
            text_of(data, "name"),
            bool(mapping_of(data, "scripts").get("start")),
        )
        for path, data in place.members
    ]
    try:
        return command_of(place.package, place.app, node, members, built=built)
    except InputError as error:
        startable = [yaml_word(member.directory) for member in members if member.starts]
        own = mapping_of(place.package, "scripts").get("start")
        if own or not startable or place.app != place.root:
            raise
        raise InputError(
            f"{error.what}; it is a workspace root",
            hint=f"set stack_node_workspace to one of {', '.join(startable)}, or rootfs_command",
        ) from error


def start_warnings(place: Place, command: Command) -> list[str]:
    """Return what of the start is not as package.json or the inventory would have it."""
    package = place.package
    warnings = []
    scripts = mapping_of(package, "scripts")
    if command.origin.startswith("scripts.") and scripts.get("prestart"):
        warnings.append(
            f"scripts.prestart does not run when the image starts: {scripts['prestart']!r}"
        )
    instead = "set rootfs_env, or give the variables where the image runs"
    if command.dropped:
        warnings.append(
            f"{command.origin} reads an env file, which is not shipped: the image starts without"
            f" {' '.join(command.dropped)}; {instead}"
        )
    unread = unread_settings(command.arguments, command.program, place.app)
    if unread:
        warnings.append(
            f"{command.origin} has {', '.join(unread)} read, which stack_node_excluding keeps out"
            f" of the image: {instead}"
        )
    for option in node_arguments.parse(command.arguments[1:]).options if command.given else ():
        if option.name == "--env-file" and is_secret(option.value.rpartition("/")[2]):
            warnings.append(
                f"{command.origin} reads {option.value}, which stack_node_excluding keeps out of"
                f" the image; without that file node does not start: {instead}"
            )
    if command.origin == "main" and bins_of(package):
        warnings.append(
            f"main ({text_of(package, 'main')}) is started, not bin"
            f" ({', '.join(bins_of(package).values())}): set rootfs_command for that"
        )
    return warnings


def _given(place: Place, start: Start, node: str) -> Command:
    """Return the command that the inventory gives as a start script would give it: what only
    leads to the program is passed over, and files are named from the app's directory."""
    origin = "rootfs_command" if start.command else "rootfs_entrypoint"
    words = [*start.entrypoint, *start.command]
    while words and Path(words[0]).name in (*INITS, "env"):
        words = words[words.index("--") + 1 :] if "--" in words else words[1:]
        words = assignments(words)[1]
    if not words:
        return Command(origin=origin, given=True)
    root = posixpath.normpath(start.prefix)
    home = posixpath.normpath(posixpath.join(root, place.relative(place.app)))
    begin = posixpath.join(root, start.working_directory or home)

    def from_home(path: str) -> str:
        path = posixpath.normpath(posixpath.join(begin, path))
        inside = path == root or path.startswith(f"{root}/")
        path = posixpath.relpath(path, home) if inside else path
        # A path has a slash: a word without one is found by way of PATH or node_modules.
        return path if path.startswith((".", "/")) else f"./{path}"

    if not node_arguments.is_node(words[0]):
        program = from_home(words[0]) if "/" in words[0] else words[0]
        return Command((program, *words[1:]), origin=origin, given=True)
    arguments = node_arguments.parse(words[1:])
    check_arguments(arguments, place.package, origin)
    placed = dataclasses.replace(
        arguments,
        options=tuple(_placed(option, from_home) for option in arguments.options),
        script=from_home(arguments.script) if arguments.script else arguments.script,
    )
    return Command((node, *placed.words), origin=origin, given=True)


def _placed(
    option: node_arguments.Option, from_home: Callable[[str], str]
) -> node_arguments.Option:
    if not option.names_file:
        return option
    value = from_home(option.value)
    return node_arguments.Option(option.name, value, (f"{option.name}={value}",))
