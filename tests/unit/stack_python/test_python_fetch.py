"""The fetch: what each tool is asked, and what of its answer is built."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import python_fetch
from ansible_collections.rootfs.builder.plugins.module_utils.python_fetch import (
    Fetch,
    Wishes,
    local_trees,
    parted,
    unpacked,
)
from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import Tools

TOOLS = {name: [f"{name}==1"] for name in ("pdm", "pip", "pipenv", "poetry", "uv")}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {
        "WORK": tmp_path,
        "DEPENDENCIES": tmp_path / "dependencies",
        "BUILD": tmp_path / "build",
        "SOURCES": tmp_path / "sources",
        "_TOOLS": tmp_path / "tools",
        "_REQUIREMENTS": tmp_path / "requirements.txt",
        "_WITHOUT_HASHES": tmp_path / "without-hashes.txt",
    }.items():
        monkeypatch.setattr(python_fetch, name, value)
    return tmp_path


class Machine:
    """Runs nothing: it notes the commands and what they are told."""

    def __init__(self, said: str = "") -> None:
        self.commands: list[str] = []
        self.told: list[dict[str, str]] = []
        self._said = said

    def __call__(self, command: list[str], _at: str, told: dict[str, str]) -> tuple[int, str, str]:
        self.commands.append(" ".join(Path(command[0]).parts[-1:] + tuple(command[1:])))
        self.told.append(told)
        if command[1].endswith("requirements.py"):
            return 0, json.dumps({tree: ["setuptools"] for tree in command[3:]}), ""
        return 0, self._said, ""


def fetch(
    work: Path, kind: str, lock: str, *, package: bool = False, said: str = "", **wishes: Any
) -> tuple[Machine, dict[str, Any]]:
    machine = Machine(said)
    project = {"lock": lock, "kind": kind, "package": package, "requirements": ["flask"]}
    (work / "app").mkdir()
    found = Fetch(work / "app", project, Tools(machine, {}), Wishes(tools=TOOLS, **wishes)).fetch()
    return machine, found


@pytest.mark.parametrize(
    ("kind", "lock", "checked"),
    [
        ("uv", "uv.lock", "uv export --quiet --locked"),
        ("poetry", "poetry.lock", "poetry check --lock"),
        ("pdm", "pdm.lock", "pdm lock --check"),
        ("pipenv", "Pipfile.lock", "pipenv verify"),
    ],
)
def test_the_tool_of_a_lock_file_checks_it_and_says_what_is_installed(
    work: Path, kind: str, lock: str, checked: str
) -> None:
    machine, _ = fetch(work, kind, lock)
    assert machine.commands[1].endswith(f"install --quiet {kind}==1")
    assert machine.commands[2].startswith(checked)
    assert machine.commands[-1].endswith(f"--no-deps --requirement {work}/requirements.txt")


def test_extras_and_groups_are_those_of_each_tool(work: Path) -> None:
    machine, _ = fetch(work, "uv", "uv.lock", extras=("fast",), groups=("web",))
    assert machine.commands[2].endswith("--extra=fast --group=web")


def test_pylock_is_read_by_a_pip_that_knows_it(work: Path) -> None:
    machine, _ = fetch(work, "pylock", "pylock.toml")
    assert f"--target={work}/tools/pip pip==1" in machine.commands[0]
    assert machine.commands[1].startswith(f"python3 {work}/tools/pip/pip download")


def test_a_package_that_nothing_pins_is_resolved_with_its_extras(work: Path) -> None:
    machine, found = fetch(work, "project", "pyproject.toml", package=True, extras=("a", "b"))
    assert machine.commands[0].endswith(f" {work}/app[a,b]")
    assert found == {
        "sources": [], "local": [], "own": [f"{work}/app"], "may_lack": False,
    }  # fmt: skip


def test_what_builds_the_project_is_fetched_as_well(work: Path) -> None:
    machine, _ = fetch(work, "requirements", "requirements.txt", package=True)
    assert machine.commands[-2].endswith(f"requirements.py build {work}/app")
    assert machine.commands[-1].endswith(f"download --dest={work}/build setuptools")


def test_an_index_is_of_the_fetch_and_stands_over_that_of_a_lock_file(work: Path) -> None:
    said = "-i https://index.example.org/simple\nidna==1\n"
    machine, _ = fetch(
        work, "pipenv", "Pipfile.lock", said=said, index="https://other.example.org/simple",
        no_binary=("idna",),
    )  # fmt: skip
    assert machine.told[-1]["PIP_INDEX_URL"] == "https://other.example.org/simple"
    assert "--no-binary=idna" in machine.commands[-1]
    assert (work / "requirements.txt").read_text() == "idna==1\n"


LOCKED = """\
--extra-index-url https://index.example.org/simple
./letters
idna==3.10 ; python_version >= "3.8" \\
    --hash=sha256:00 \\
    --hash=sha256:11
-e ./words
text @ git+https://example.org/text@00 ; sys_platform == "linux"
colorama==0.4.6
"""


def test_directories_and_repositories_beside_hashes_are_fetched_for_themselves(work: Path) -> None:
    machine, _ = fetch(work, "pipenv", "Pipfile.lock", said=LOCKED)
    assert [command.rpartition(" ")[2] for command in machine.commands[-2:]] == [
        str(work / "requirements.txt"), str(work / "without-hashes.txt"),
    ]  # fmt: skip
    assert (work / "without-hashes.txt").read_text() == (
        "--extra-index-url https://index.example.org/simple\n./letters\n-e ./words\n"
        'text @ git+https://example.org/text@00 ; sys_platform == "linux"\n'
    )
    # What an index has and nobody hashed is left to pip, which refuses it.
    left = (work / "requirements.txt").read_text()
    assert left.splitlines()[1:] == [
        'idna==3.10 ; python_version >= "3.8" \\', "    --hash=sha256:00 \\",
        "    --hash=sha256:11", "colorama==0.4.6",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["./letters\nidna==1\n", "idna==1 --hash=sha256:00\n", ""])
def test_what_pip_takes_at_once_is_one_file(text: str) -> None:
    assert parted(text) == (text, "")


def test_a_program_of_a_repository_can_be_run(work: Path) -> None:
    place = work / "dependencies"
    place.mkdir()
    (work / "sources").mkdir()
    with zipfile.ZipFile(place / "letters-1.zip", "w") as archive:
        for name, mode in (("configure", 0o100755), ("setup.py", 0o100644)):
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            archive.writestr(member, "")
    (tree,) = unpacked(place)
    assert tree == str(work / "sources" / "letters-1")
    assert [path.name for path in sorted(Path(tree).iterdir()) if path.stat().st_mode & 0o111] == [
        "configure"
    ]


def test_directories_among_what_is_installed_are_packages_of_the_project(tmp_path: Path) -> None:
    for name in ("letters", "words", "more words", "änderung"):
        (tmp_path / name).mkdir()
    (tmp_path / "x.whl").touch()
    text = (
        f"Obtaining file://{tmp_path} (from -r requirements.txt (line 1))\n"
        f"Processing ./letters (from -r requirements.txt (line 2))\n"
        f"  Preparing metadata (pyproject.toml): started\nProcessing {tmp_path}/words\n"
        f"Processing ./x.whl\nCollecting idna\nProcessing ./more words (from x==1)\n"
        f"Obtaining file://{tmp_path}/%C3%A4nderung#egg=x (from -r requirements.txt (line 3))\n"
    )
    assert local_trees(text, tmp_path) == [
        str(tmp_path), str(tmp_path / "letters"), str(tmp_path / "more words"),
        str(tmp_path / "words"), str(tmp_path / "änderung"),
    ]  # fmt: skip
