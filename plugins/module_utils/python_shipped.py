"""What is shipped of installed Python packages, and what an image of them runs.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import base64
import csv
import fnmatch
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils.python_build import WHEELS
from ansible_collections.rootfs.builder.plugins.module_utils.python_bytecode import compile_all
from ansible_collections.rootfs.builder.plugins.module_utils.python_fetch import (
    DEPENDENCIES,
    SOURCES,
)
from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import (
    INSTALLED,
    PACKAGES,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import Run, StepError

_OF_THE_INSTALLATION = {"INSTALLER", "REQUESTED", "direct_url.json"}
"""What pip notes of where a package came from and who wanted it: paths of the build."""

_ARCHIVE_NAME = re.compile(r"-(?=\d)")
"""What parts the name of an archive from the version that follows it."""

_LICENCE = re.compile(r"(?:licen[cs]e|copying|notice|authors)(?![a-z])", re.IGNORECASE)
_PYTHON = re.compile(r"(?:/usr/bin/)?python(?:3(?:\.\d+)?)?")


class Installed:
    """A package that is installed, as its RECORD lists it."""

    def __init__(self, distribution: Distribution) -> None:
        self._distribution = distribution
        self.name = _normalized(distribution.name)

    def files(self) -> list[Path]:
        """Return the files of the package that are there."""
        found = {Path(os.path.normpath(file.locate())) for file in self._distribution.files or ()}
        return sorted(path for path in found if path.is_file())

    def scripts(self) -> list[str]:
        """Return the names of its console scripts."""
        points = self._distribution.entry_points
        return sorted(point.name for point in points if point.group == "console_scripts")

    def modules(self) -> list[str]:
        """Return the packages at the top of it that can be run (``python -m``)."""
        return sorted(
            path.parent.name
            for path in self.files()
            if path.name == "__main__.py" and path.parent.parent == PACKAGES
        )

    def component(self) -> dict[str, Any] | None:
        """Return it as a component, with the digest of the archive that was fetched of it; nothing
        where none was, or what was installed does not say what it is."""
        archives = [
            path
            for path in (DEPENDENCIES.iterdir() if DEPENDENCIES.is_dir() else ())
            if _normalized(_ARCHIVE_NAME.split(path.name)[0]) == self.name
        ]
        described = [path for path in self.files() if path.name == "METADATA"]
        recorded = self._recorded()
        metadata = recorded.with_name("METADATA") if recorded else None
        if len(archives) != 1 or metadata not in described:
            return None
        digest = hashlib.sha256(archives[0].read_bytes()).digest()
        return {
            "type": "pypi",
            "name": self._distribution.name,
            "version": self._distribution.version,
            "integrity": f"sha256-{base64.b64encode(digest).decode()}",
            "paths": [str(metadata)],
        }

    def take_licences(self) -> None:
        """Take the licences from the sources that it was built from, where its wheel has none."""
        recorded = self._recorded()
        if recorded is None:
            return
        noted = (path for path in self.files() if path.is_relative_to(recorded.parent))
        if any(_LICENCE.match(path.name) for path in noted):
            return
        for tree in sorted(SOURCES.glob("*-*")):
            if _normalized(tree.name.rpartition("-")[0]) == self.name:
                for path in sorted(tree.iterdir()):
                    if path.is_file() and _LICENCE.match(path.name):
                        place = recorded.with_name("licenses")
                        place.mkdir(exist_ok=True)
                        shutil.copyfile(path, place / path.name)

    def record(self) -> None:
        """Write its RECORD anew: the files that are there, their byte code among them."""
        place = Path(str(self._distribution.locate_file("")))
        recorded = self._recorded()
        if recorded is None:
            return
        licences = recorded.with_name("licenses").rglob("*")
        found = {*self.files(), *(path for path in licences if path.is_file())}
        found |= {
            compiled
            for path in found
            if path.suffix == ".py" and (compiled := Path(cache_from_source(str(path)))).is_file()
        }
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for path in sorted(found):
            name = os.path.relpath(path, place)
            if path == recorded:
                writer.writerow((name, "", ""))
                continue
            content = path.read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            writer.writerow((name, f"sha256={digest.decode()}", len(content)))
        recorded.write_text(text.getvalue(), encoding="utf-8")

    def _recorded(self) -> Path | None:
        # Some packages (setuptools) hold others as they were installed, each with a RECORD.
        place = Path(str(self._distribution.locate_file("")))
        own = (path for path in self.files() if path.parent.parent == place)
        return next((path for path in own if path.name == "RECORD"), None)


def installed() -> list[Installed]:
    """Return the packages that the build installed, by name."""
    found = [Installed(item) for item in distributions(path=[str(PACKAGES)])]
    return sorted(found, key=lambda item: item.name)


class Finish:
    """The end of a build: what is not shipped is removed, the rest compiled and recorded."""

    def __init__(self, prefix: Path, project: Mapping[str, Any], run: Run) -> None:
        self._prefix = prefix
        self._package = bool(project["package"])
        self._name = str(project["name"])
        self._run = run

    def finish(self, excluding: Sequence[str], main: str, command: Sequence[str]) -> dict[str, Any]:
        """Return what the image runs and ships. ``command`` is what an option says of the first."""
        for package in installed():
            package.take_licences()
        # More than one package may have put the same file there.
        for path in set(self._left_out(excluding)):
            _remove(path)
        if PACKAGES.is_dir():
            compile_all(self._run, [PACKAGES])
        if not self._package:
            compile_all(self._run, [self._prefix])
        packages = installed()
        for package in packages:
            package.record()
        own_names = {_normalized(path.name.partition("-")[0]) for path in WHEELS.glob("own/*.whl")}
        own = [package for package in packages if package.name in own_names]
        files = {
            str(path)
            for package in own
            for file in package.files()
            for path in (file, Path(cache_from_source(str(file))))
            if path.is_file()
        }
        # All that is in their directory, and what they put elsewhere: programs, data.
        dependencies = {str(PACKAGES)} if PACKAGES.is_dir() else set()
        dependencies |= {
            str(path)
            for package in packages
            if package not in own
            for path in package.files()
            if not path.is_relative_to(PACKAGES)
        }
        found: list[str] = [] if command else self._command(own, main)
        return {
            "command": found,
            "scripts": self._scripts(command or found),
            "installed": sorted(files),
            "files": [] if self._package else [str(self._prefix)],
            "dependencies": sorted(dependencies),
            "components": list(filter(None, (package.component() for package in packages))),
        }

    def _left_out(self, excluding: Sequence[str]) -> Iterator[Path]:
        for package in installed():
            for path in package.files():
                name = os.path.relpath(path, INSTALLED)
                noted = path.name in _OF_THE_INSTALLATION and path.parent.suffix == ".dist-info"
                if noted or any(fnmatch.fnmatchcase(name, glob) for glob in excluding):
                    yield path

    def _command(self, own: Iterable[Installed], main: str) -> list[str]:
        """Return what the image runs: the only script of the project, or the module of it."""
        own = list(own)
        scripts = sorted({name for package in own for name in package.scripts()})
        if main:
            if main not in scripts:
                raise StepError(
                    f"there is no script {main} in what the project installs",
                    "stack_python_main",
                    scripts,
                    _choose(scripts),
                )
            return [str(INSTALLED / "bin" / main)]
        if len(scripts) == 1:
            return [str(INSTALLED / "bin" / scripts[0])]
        named = [name for name in scripts if _normalized(name) == _normalized(self._name)]
        if named:
            return [str(INSTALLED / "bin" / named[0])]
        modules = sorted({name for package in own for name in package.modules()})
        if not scripts and len(modules) == 1:
            return ["/usr/bin/python3", "-m", modules[0]]
        if not self._package and (self._prefix / "__main__.py").is_file():
            return ["/usr/bin/python3", str(self._prefix / "__main__.py")]
        raise StepError(
            "has several scripts, and nothing says which one the image runs"
            if scripts
            else "nothing says what the image runs",
            self._name or str(self._prefix),
            scripts,
            _choose(scripts),
        )

    def _scripts(self, command: Sequence[str]) -> list[str]:
        """Return the files of the app that a command names to Python."""
        if len(command) < 2 or not _PYTHON.fullmatch(command[0]) or not command[1].endswith(".py"):
            return []
        return [os.path.normpath(self._prefix / command[1])]


def _remove(path: Path) -> None:
    """Remove a file, and the directories that hold nothing any more."""
    path.unlink()
    for above in path.parents:
        if above == INSTALLED or any(above.iterdir()):
            return
        above.rmdir()


def _choose(scripts: Sequence[str]) -> str:
    if scripts:
        return f"set stack_python_main to one of {', '.join(scripts)}, or rootfs_command"
    return (
        "add [project.scripts] to pyproject.toml, or set rootfs_command, such as"
        " [gunicorn, app:app]"
    )


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
