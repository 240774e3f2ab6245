"""A Python project as its own files describe it: identity, what is installed, how it is shipped.

Nothing is run and nothing is fetched. What the files of requirements and the lock files say is read
later, in the build container, by the tools that write them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from rootfs_ansible.errors import InputError

PYPROJECT = "pyproject.toml"
REQUIREMENTS = "requirements.txt"
_SETUP = "setup.py"
_SETUP_CFG = "setup.cfg"

_KINDS = {"uv.lock": "uv", "poetry.lock": "poetry", "pdm.lock": "pdm", "Pipfile.lock": "pipenv"}
_UNKNOWN = {
    "pipenv": ("stack_python_extras",),
    "pylock": ("stack_python_extras", "stack_python_groups"),
    "requirements": ("stack_python_extras",),
}
"""What the files of a kind do not know."""

_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
"""The names that PEP 751 allows."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an inventory says of a project.

    ``lock`` is the file that says what is installed, ``extras`` and ``groups`` what of it besides;
    ``form`` is one of auto, package and files; ``distribution_version`` the version of Python that
    the distribution has.
    """

    lock: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    form: str = "auto"
    distribution_version: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """All that a Python project says of itself.

    ``lock`` is the file that says what is installed and ``kind`` whose it is: pylock, uv, poetry,
    pdm, pipenv, requirements, or project where no file but its own does. ``package`` is whether it
    is installed as a package; of one that is not, ``requirements`` are its dependencies where
    ``kind`` is project.
    """

    name: str
    lock: str
    kind: str
    package: bool
    requirements: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def to_facts(self, directory: Path) -> dict[str, Any]:
        """Return the project as the fact ``rootfs_project``."""
        return {
            "context": str(directory),
            "toolchain": "",
            "command": [],
            "labels": dict(self.labels),
            "locks": [self.lock] if self.lock else [],
            "python": {
                "name": self.name,
                "lock": self.lock,
                "kind": self.kind,
                "package": self.package,
                "requirements": list(self.requirements),
            },
        }


def read(directory: Path, request: Request = Request()) -> Project:
    """Return the project in ``directory``.

    Raises ``InputError`` where its files are not as they must be, where it is not clear which one
    says what is installed, or where it wants another Python than the distribution has.
    """
    manifest = _Manifest(directory)
    manifest.check_python(request.distribution_version)
    package = manifest.is_package if request.form == "auto" else request.form == "package"
    if package and not manifest.has_build:
        raise InputError(
            "is no package: nothing says how it is built",
            where=str(directory),
            hint="add a [build-system] to pyproject.toml, or set stack_python_project: files",
        )
    lock, warnings = _lock(directory, request.lock)
    kind = _kind(lock)
    _check_wishes(kind, lock, directory, request)
    requirements: tuple[str, ...] = ()
    if kind == "project":
        manifest.check_sources()
        warnings = (
            *warnings,
            "nothing pins the versions of its dependencies, so each build takes the newest that"
            " fit; a lock file gives the same ones every time",
        )
        if not package:
            requirements = tuple(manifest.requirements(request.extras))
    return Project(
        name=manifest.name,
        lock=lock,
        kind=kind,
        package=package,
        requirements=requirements,
        labels=tuple(manifest.labels()),
        warnings=warnings,
    )


def _lock(directory: Path, chosen: str) -> tuple[str, tuple[str, ...]]:
    """Return the file that says what is installed, and warnings."""
    if chosen:
        if Path(chosen).is_absolute() or ".." in Path(chosen).parts:
            raise InputError(
                f"stack_python_lock names {chosen}, which is not below the app's directory",
                where=str(directory),
                hint="name it relative to the app's directory, which is all that a build sees",
            )
        if not (directory / chosen).is_file():
            raise InputError(
                f"there is no {chosen}, which stack_python_lock names", where=str(directory)
            )
        return chosen, ()
    names = sorted(path.name for path in directory.iterdir() if path.is_file())
    locks = [name for name in names if name in _KINDS or name == "pylock.toml"]
    if len(locks) > 1:
        raise InputError(
            "has more than one lock file, and they need not say the same",
            where=str(directory),
            details=locks,
            hint=f"set stack_python_lock to {' or '.join(locks)}, or remove the others",
        )
    if locks:
        warnings = (
            (
                f"{locks[0]} says what is installed, {REQUIREMENTS} is not read;"
                f" stack_python_lock: {REQUIREMENTS} chooses the other",
            )
            if REQUIREMENTS in names
            else ()
        )
        return locks[0], warnings
    for name in (REQUIREMENTS, PYPROJECT, _SETUP):
        if name in names:
            return name, ()
    raise InputError(
        "is no Python project",
        where=str(directory),
        hint=f"give the directory that holds {PYPROJECT}, {REQUIREMENTS} or {_SETUP}",
    )


def _check_wishes(kind: str, lock: str, directory: Path, request: Request) -> None:
    """Refuse to pass over what an inventory wishes besides, where the file knows no such thing."""
    wishes = {"stack_python_extras": request.extras, "stack_python_groups": request.groups}
    unknown = [option for option in _UNKNOWN.get(kind, ()) if wishes[option]]
    if unknown:
        raise InputError(
            f"{lock} says all that is installed, and nothing is added to it by name",
            where=str(directory),
            details=[f"{option}: {', '.join(wishes[option])}" for option in unknown],
            hint="write what they add to that file, or let another say what is installed:"
            " stack_python_lock",
        )


def _kind(lock: str) -> str:
    name = Path(lock).name
    if _PYLOCK.fullmatch(name):
        return "pylock"
    if name in (PYPROJECT, _SETUP):
        return "project"
    return _KINDS.get(name, "requirements")


class _Manifest:
    """What pyproject.toml says, where there is one."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / PYPROJECT
        self._data = _toml(self._path) if self._path.is_file() else {}
        self._project = self._table("project")
        self._poetry = self._table("tool", "poetry")
        self._name_of_setuptools = _name_in_setup_cfg(directory / _SETUP_CFG)
        self._is_of_setuptools = bool(self._name_of_setuptools) or (directory / _SETUP).is_file()

    @property
    def name(self) -> str:
        found = self._project.get("name") or self._poetry.get("name") or self._name_of_setuptools
        return str(found or "")

    @property
    def has_build(self) -> bool:
        """Whether something says how it is built: what says nothing is built by setuptools."""
        return "build-system" in self._data or (self._directory / _SETUP).is_file()

    @property
    def is_package(self) -> bool:
        """Whether its own tools would install it, as uv and poetry are told."""
        if self._table("tool", "uv").get("package") is False:
            return False
        if self._poetry.get("package-mode") is False:
            return False
        return self.has_build and bool(self._project or self._poetry or self._is_of_setuptools)

    def check_python(self, version: str) -> None:
        """Refuse a project that the distribution's Python is too old or too new for."""
        wanted = str(self._project.get("requires-python") or "")
        try:
            fits = SpecifierSet(wanted).contains(version, prereleases=True)
        except InvalidSpecifier as error:
            raise InputError(f"requires-python: {error}", where=str(self._path)) from error
        if version and not fits:
            raise InputError(
                f"requires-python is {wanted}, and the distribution has Python {version}",
                where=str(self._path),
                hint="widen requires-python where the project runs on that version, or build on a"
                " root image that has another (root_image_*, stack_python_distribution_version)",
            )

    def requirements(self, extras: Sequence[str]) -> Iterator[str]:
        """Yield the requirements of a project that is not installed itself."""
        if self._poetry.get("dependencies") and "dependencies" not in self._project:
            raise InputError(
                "says its dependencies in poetry's own form, which pip does not read",
                where=str(self._path),
                hint="run poetry lock: poetry.lock says what is installed",
            )
        if "dependencies" in _texts(self._project, "dynamic", self._path) or (
            self._is_of_setuptools and not self._project
        ):
            raise InputError(
                "says its dependencies only when it is built, and it is shipped as its files",
                where=str(self._path if self._data else self._directory),
                hint=f"write them to {REQUIREMENTS}, or list them in project.dependencies",
            )
        optional = {
            canonicalize_name(name): _texts(self._table("project", "optional-dependencies"), name,
                                            self._path)
            for name in self._table("project", "optional-dependencies")
        }  # fmt: skip
        todo, done = list(extras), set[str]()
        texts = _texts(self._project, "dependencies", self._path)
        while texts or todo:
            for requirement in self._parsed(texts):
                # An extra may name others of the project by its own name, and they that one.
                if canonicalize_name(requirement.name) == canonicalize_name(self.name or "-"):
                    todo += sorted(requirement.extras)
                else:
                    yield str(requirement)
            texts = []
            if not todo or (extra := canonicalize_name(todo.pop())) in done:
                continue
            done.add(extra)
            if extra not in optional:
                raise InputError(
                    f"has no extra {extra}",
                    where=str(self._path),
                    hint=f"set stack_python_extras to some of {', '.join(sorted(optional))}"
                    if optional
                    else "it has none at all",
                )
            texts = optional[extra]

    def check_sources(self) -> None:
        """Refuse to let pip take from an index what uv takes from elsewhere: a package of that
        name there may be anybody's."""
        dependencies = _texts(self._project, "dependencies", self._path)
        wanted = {canonicalize_name(item.name) for item in self._parsed(dependencies)}
        sources = sorted(
            name for name in self._table("tool", "uv", "sources")
            if canonicalize_name(name) in wanted
        )  # fmt: skip
        if sources:
            raise InputError(
                "tool.uv.sources says where dependencies come from, which only uv reads",
                where=str(self._path),
                details=sources,
                hint="run uv lock, and give the directory that holds uv.lock (of a workspace its"
                " root)",
            )

    def _parsed(self, texts: Iterable[str]) -> Iterator[Requirement]:
        for text in texts:
            try:
                yield Requirement(text)
            except InvalidRequirement as error:
                raise InputError(f"no requirement: {error}", where=str(self._path)) from error

    def labels(self) -> Iterator[tuple[str, str]]:
        """Yield what describes the image, as OCI's annotations."""
        said = {**self._poetry, **self._project}
        licence = said.get("license")
        for name, value in (
            ("title", self.name),
            ("version", said.get("version")),
            ("description", said.get("description")),
            ("licenses", licence.get("text") if isinstance(licence, Mapping) else licence),
        ):
            if isinstance(value, str) and value and "\n" not in value:
                yield f"org.opencontainers.image.{name}", value

    def _table(self, *names: str) -> Mapping[str, Any]:
        found: Any = self._data
        for name in names:
            found = found.get(name, {})
            if not isinstance(found, Mapping):
                raise InputError(f"{'.'.join(names)} is no table", where=str(self._path))
        return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"is not TOML: {error}", where=str(path)) from error


def _name_in_setup_cfg(path: Path) -> str:
    """Return the name of the package that setuptools finds there: other tools have settings in
    the same file, and then there is none."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (UnicodeDecodeError, ConfigParserError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    return parser.get("metadata", "name", fallback="")


def _texts(table: Mapping[str, Any], name: str, path: Path) -> list[str]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise InputError(f"{name} is no list of requirements", where=str(path))
    return list(found)
