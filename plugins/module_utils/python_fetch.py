"""What a Python project needs, fetched: its dependencies, and what builds those that are sources.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import (
    PIP,
    PYTHON,
    WORK,
    Tools,
    secret_environment,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

DEPENDENCIES = WORK / "dependencies"
"""Wheels and sources of what the app depends on."""

BUILD = WORK / "build"
"""Wheels and sources of what builds these, and the project."""

SOURCES = WORK / "sources"
"""The sources of what has no wheel, by name and version: the same place in each build, since what
is compiled may name it."""

_TOOLS = WORK / "tools"
_REQUIREMENTS = WORK / "requirements.txt"
_WITHOUT_HASHES = WORK / "requirements-without-hashes.txt"
_LOCAL = re.compile(
    r"^\s*(?:Obtaining (?P<url>file://\S+)|Processing (?P<path>.+?))(?: \(from .*\))?$",
    re.MULTILINE,
)
_INDEX = re.compile(r"^(?:-i|--index-url|--extra-index-url)[ =].*\n?", re.MULTILINE)
_LINE = re.compile(r"(?:[^\n]*\\\n)*[^\n]+\n?")
"""A line of a file of requirements, with those that continue it."""

_OPTION = re.compile(r"-(?!e\b|-editable\b)")
_PLACE = re.compile(r"-|[./]|[^\s;]+\s*@\s|\S+://")
"""What starts a requirement that says where a package is, and not which version of it."""

_LEAVING_OUT = ("pdm", "uv")
"""Whose lock files may leave out what a package requires (overrides, exclusions)."""

_ARCHIVES = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What an inventory says of the fetch: extras and groups of the project, what is compiled
    though there is a wheel, where packages come from, the requirements of tools by name."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Fetch:
    """The fetch for the project at ``prefix``, which is as the controller read it."""

    def __init__(
        self, prefix: Path, project: Mapping[str, Any], tools: Tools, wishes: Wishes
    ) -> None:
        self._prefix = prefix
        self._lock = str(project["lock"])
        self._kind = str(project["kind"])
        self._package = bool(project["package"])
        self._requirements = [str(item) for item in project["requirements"]]
        self._tools = tools
        self._wishes = wishes
        self._indexes = {
            name: value
            for name, value in (
                ("PIP_INDEX_URL", wishes.index),
                ("PIP_EXTRA_INDEX_URL", " ".join(wishes.extra_indexes)),
            )
            if value
        }
        self._environment = {**secret_environment(), **self._indexes}

    def fetch(self) -> dict[str, Any]:
        """Fetch all; return the plan of the build: which trees become packages, in which order."""
        for directory in (DEPENDENCIES, BUILD, SOURCES, WORK / "home"):
            directory.mkdir(parents=True, exist_ok=True)
        local = self._dependencies()
        own = [str(self._prefix)] if self._package else []
        local = [path for path in local if path != str(self._prefix)]
        sources = unpacked(DEPENDENCIES)
        self._builders([*sources, *local, *own])
        return {
            "sources": sources,
            "local": local,
            "own": own,
            "may_lack": self._kind in _LEAVING_OUT,
        }

    def _dependencies(self) -> list[str]:
        """Fetch what is installed, and return the directories that are among it."""
        words: list[str] = []
        pip: Sequence[str] = PIP
        if self._kind == "project" and self._package:
            extras = f"[{','.join(self._wishes.extras)}]" if self._wishes.extras else ""
            words = [f"{self._prefix}{extras}"]
        elif self._kind == "project":
            if not self._requirements:
                return []
            _REQUIREMENTS.write_text("".join(f"{line}\n" for line in self._requirements))
            words = ["--requirement", str(_REQUIREMENTS)]
        elif self._kind == "requirements":
            words = ["--requirement", str(self._prefix / self._lock)]
        elif self._kind == "pylock":
            words = ["--requirement", str(self._prefix / self._lock)]
            pip = (PYTHON, f"{self._tool('pip', isolated=False)}/pip")
        else:
            self._export()
            # A lock is complete, and may say otherwise than the packages themselves.
            words = ["--no-deps", "--requirement", str(_REQUIREMENTS)]
        if self._kind in ("project", "requirements"):
            words += [f"--group={group}" for group in self._wishes.groups]
        text = self._downloaded_dependencies(words, pip)
        if _WITHOUT_HASHES.is_file():
            words = ["--no-deps", "--requirement", str(_WITHOUT_HASHES)]
            text += self._downloaded_dependencies(words, pip)
        return local_trees(text, self._prefix)

    def _downloaded_dependencies(self, words: Iterable[str], pip: Sequence[str]) -> str:
        what = "the dependencies cannot be fetched"
        return self._download(DEPENDENCIES, [*self._no_binary(), *words], what, pip)

    def _no_binary(self) -> list[str]:
        return [f"--no-binary={name}" for name in self._wishes.no_binary]

    def _export(self) -> None:
        """Let the tool whose lock it is say what is installed, as requirements."""
        command, environment = _EXPORTS[self._kind](self._wishes)
        tool = self._tool(self._kind)
        for words in command:
            output = self._tools.output(
                (f"{tool}/bin/{words[0]}", *words[1:]),
                f"{self._kind} does not take {self._lock}",
                str(self._prefix / self._lock),
                self._prefix,
                {**secret_environment(), **environment},
            )
        if self._kind != "pipenv":
            output = _REQUIREMENTS.read_text(encoding="utf-8") if _REQUIREMENTS.is_file() else ""
        if self._wishes.index:
            # Where a lock file took it from stands back: its hashes say what it is.
            output = _INDEX.sub("", output)
        output, without_hashes = parted(output)
        _REQUIREMENTS.write_text(output, encoding="utf-8")
        if without_hashes:
            _WITHOUT_HASHES.write_text(without_hashes, encoding="utf-8")

    def _tool(self, name: str, *, isolated: bool = True) -> Path:
        """Install a tool where nothing else is, and return its place."""
        place = _TOOLS / name
        requirements = self._wishes.tools[name]
        what = f"{name}, which reads {self._lock}, cannot be installed"
        hint = "set stack_python_tools to versions that the index has"
        try:
            if not isolated:
                words = ("install", "--quiet", f"--target={place}", *requirements)
                self._tools.pip(words, what, environment=self._environment)
                return place
            self._tools.output((PYTHON, "-m", "venv", str(place)), what)
            words = ("install", "--quiet", *requirements)
            self._tools.pip(
                words, what, environment=self._environment,
                pip=(f"{place}/bin/python", "-m", "pip"),
            )  # fmt: skip
        except StepError as error:
            raise StepError(error.what, error.where, error.lines, hint) from error
        return place

    def _download(
        self,
        place: Path,
        words: Iterable[str],
        what: str,
        pip: Sequence[str] = PIP,
    ) -> str:
        return self._tools.pip(
            ("download", f"--dest={place}", *words),
            what,
            self._lock,
            self._prefix,
            self._environment,
            pip,
        )

    def _builders(self, trees: Iterable[str]) -> None:
        """Fetch what the build systems of some trees want, and what builds that in turn."""
        todo, done = list(trees), set[str]()
        while todo:
            tree = todo.pop()
            done.add(tree)
            what = f"what builds {Path(tree).name} cannot be fetched"
            wanted = self._tools.requirements(("build", tree), what, self._environment)[tree]
            if wanted:
                self._download(BUILD, wanted, what)
            todo += [path for path in unpacked(BUILD) if path not in done.union(todo)]


def parted(requirements: str) -> tuple[str, str]:
    """Return the requirements that have hashes, and the directories and repositories beside them:
    these have none, and where one requirement has a hash pip wants one of each.

    The second text is empty where all can be said at once.
    """
    if "--hash=" not in requirements:
        return requirements, ""
    lines = _LINE.findall(requirements)
    places = {
        line
        for line in lines
        if "--hash=" not in line and _PLACE.match(line) and not _OPTION.match(line)
    }
    if not places:
        return requirements, ""
    return (
        "".join(line for line in lines if line not in places),
        "".join(line for line in lines if line in places or _OPTION.match(line)),
    )


def unpacked(place: Path) -> list[str]:
    """Unpack the sources among what was fetched; return their directories, in order."""
    found = []
    for archive in sorted(place.iterdir()):
        suffix = next((end for end in _ARCHIVES if archive.name.endswith(end)), "")
        if not suffix:
            continue
        directory = SOURCES / archive.name.removesuffix(suffix)
        if not directory.is_dir():
            aside = directory.with_name(f".{directory.name}")
            shutil.rmtree(aside, ignore_errors=True)
            if suffix == ".zip":
                shutil.unpack_archive(archive, aside)
                _make_executable(archive, aside)
            else:
                shutil.unpack_archive(archive, aside, filter="data")
            held = list(aside.iterdir())
            # What pip packs of a repository has no directory of its own around it.
            (held[0] if len(held) == 1 and held[0].is_dir() else aside).rename(directory)
        found.append(str(directory))
    return found


def _make_executable(archive: Path, directory: Path) -> None:
    """Make executable what is so in a zip archive, such as configure: shutil passes over that."""
    with zipfile.ZipFile(archive) as held:
        for item in held.infolist():
            path = (directory / item.filename).resolve()
            executable = item.external_attr >> 16 & 0o100
            if executable and path.is_file() and path.is_relative_to(directory.resolve()):
                path.chmod(0o755)


def local_trees(text: str, prefix: Path) -> list[str]:
    """Return the directories that pip said it takes as packages, from what it printed."""
    paths = [
        prefix / (unquote(urlsplit(match["url"]).path) if match["url"] else match["path"])
        for match in _LOCAL.finditer(text)
    ]
    return sorted({str(path.resolve()) for path in paths if path.is_dir()})


def _uv(wishes: Wishes) -> tuple[list[list[str]], dict[str, str]]:
    command = [
        "uv", "export", "--quiet", "--locked", "--format=requirements.txt", "--no-default-groups",
        "--no-emit-project", "--no-editable", "--no-header", "--no-annotate",
        f"--output-file={_REQUIREMENTS}",
        *(f"--extra={extra}" for extra in wishes.extras),
        *(f"--group={group}" for group in wishes.groups),
    ]  # fmt: skip
    return [command], {"UV_PYTHON": PYTHON, "UV_PYTHON_DOWNLOADS": "never"}


def _poetry(wishes: Wishes) -> tuple[list[list[str]], dict[str, str]]:
    command = [
        "poetry", "export", "--format=requirements.txt", f"--output={_REQUIREMENTS}",
        "--only=main" if not wishes.groups else f"--with={','.join(wishes.groups)}",
        *(f"--extras={extra}" for extra in wishes.extras),
    ]  # fmt: skip
    return [["poetry", "check", "--lock"], command], {
        "POETRY_VIRTUALENVS_CREATE": "false",
        "POETRY_NO_INTERACTION": "1",
    }


def _pdm(wishes: Wishes) -> tuple[list[list[str]], dict[str, str]]:
    command = [
        "pdm", "export", "--format=requirements", "--prod", f"--output={_REQUIREMENTS}",
        *(f"--group={name}" for name in (*wishes.extras, *wishes.groups)),
    ]  # fmt: skip
    return [["pdm", "lock", "--check"], command], {
        "PDM_CHECK_UPDATE": "0",
        "PDM_USE_VENV": "0",
        "PDM_PYTHON": PYTHON,
        "PDM_NON_INTERACTIVE": "1",
    }


def _pipenv(wishes: Wishes) -> tuple[list[list[str]], dict[str, str]]:
    categories = ",".join(["packages", *wishes.groups])
    command = ["pipenv", "requirements", "--hash"]
    if wishes.groups:
        command.append(f"--categories={categories}")
    return [["pipenv", "verify"], command], {
        "PIPENV_IGNORE_VIRTUALENVS": "1",
        "PIPENV_NOSPIN": "1",
        "PIPENV_PYTHON": PYTHON,
        "PIPENV_YES": "1",
    }


_EXPORTS: Mapping[str, Callable[[Wishes], tuple[list[list[str]], dict[str, str]]]] = {
    "pdm": _pdm,
    "pipenv": _pipenv,
    "poetry": _poetry,
    "uv": _uv,
}
"""How each tool is told to check its lock file, and to write what it says as requirements."""
