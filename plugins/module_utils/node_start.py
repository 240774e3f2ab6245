"""How a Node project starts, as far as its build decides it.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils import (
    node_arguments,
    node_tree,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError


class Start:
    """The command of the app in the directory ``app``, below the sources in ``root``."""

    def __init__(self, root: Path, app: Path, project: Mapping[str, Any]) -> None:
        self._root = root
        self._app = app
        self._node: str = project["node"]
        self._builds = bool(project["builds"])
        self._command: Mapping[str, Any] = project["command"]

    def check_dependency(self) -> None:
        """See that what was fetched brings the program, before anything is compiled for it."""
        if "/" not in self._command["program"]:
            self._program()

    def command(self) -> list[str]:
        """Return the command with its program resolved, empty where the inventory gives it;
        ``StepError`` where it starts nothing."""
        arguments: list[str] = list(self._command["arguments"])
        program = self._program()
        if program:
            return [*_interpreter(program, self._node), str(program), *arguments[1:]]
        for file in node_arguments.files_of(arguments, self._node):
            path = Path(os.path.normpath(self._app / file))
            # What lies outside of the sources comes from elsewhere.
            if path.is_relative_to(self._root) and not _loaded(path):
                raise self._unbuilt(os.path.normpath(file))
        if self._command["whole"]:
            return self._anywhere(arguments)
        return [] if self._command["given"] else arguments

    def scripts(self) -> list[str]:
        """Return the files of the sources that are started, which an image has to have. A file of
        variables may also come where the image runs."""
        words = self._command["arguments"]
        if self._command["program"]:
            program = self._program()
            return [str(program)] if program else []
        settings = {
            option.value
            for option in node_arguments.parse(words[1:]).options
            if option.name in node_arguments.ENVIRONMENT_FILES
        }
        named = set(node_arguments.files_of(words, self._node)) - settings
        found = (_loaded(Path(os.path.normpath(self._app / file))) for file in sorted(named))
        return [str(path) for path in found if path and path.is_relative_to(self._root)]

    def _anywhere(self, arguments: list[str]) -> list[str]:
        """Return a command of node so that it starts in every directory: whoever gives arguments
        to a program also says where it runs."""
        told = node_arguments.parse(arguments[1:])
        script = str(self._app / told.script) if told.script else told.script
        return [arguments[0], *dataclasses.replace(told, script=script).words]

    def _program(self) -> Path | None:
        """Return the file of the program that the command names, nothing where it names none."""
        name: str = self._command["program"]
        if not name:
            return None
        if "/" in name:
            path = self._app / name
            if not path.is_file():
                raise self._unbuilt(name)
            return path
        found = node_tree.program(name, node_tree.read(self._app), self._root)
        if found is None:
            raise StepError(
                f"{self._command['origin']} runs {name}, which no production dependency brings",
                hint=self._command["advice"],
            )
        return found

    def _unbuilt(self, file: str) -> StepError:
        """Return the error of a file that is missing, and that a build should have made."""
        hint = (
            "see which scripts build it (stack_node_build), or name another in rootfs_command"
            if self._builds
            else "no build script ran: name those that make it in stack_node_build (such as"
            " [build:ts]), or name another in rootfs_command"
        )
        return StepError(
            f"{self._command['origin']} runs {file}, which is not there after the build", hint=hint
        )


def _interpreter(path: Path, node: str) -> list[str]:
    with path.open("rb") as stream:
        if stream.read(4) == b"\x7fELF":
            return []
    words = node_arguments.interpreter(path)
    if words is None:
        return [node]
    if words and node_arguments.is_node(words[0]):
        return [node, *words[1:]]
    raise StepError(
        f"{path} is run by {' '.join(words[:1])}, which the image does not have",
        hint="set rootfs_command to a program of node",
    )


def _loaded(path: Path) -> Path | None:
    """Return the file that node finds by a name (Node.js, modules, LOAD_AS_FILE and
    LOAD_AS_DIRECTORY), nothing where there is none; a loader may take TypeScript for it."""
    main = node_tree.read(path).manifest.get("main")
    places = [path]
    if isinstance(main, str):
        places += [path / main, path / main / "index"]
    for place in (*places, path / "index"):
        for suffix in ("", ".js", ".cjs", ".mjs", ".ts"):
            file = place.with_name(place.name + suffix)
            if file.is_file():
                return file
    return None
