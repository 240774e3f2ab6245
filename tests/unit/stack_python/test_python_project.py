"""A Python project on the controller: what says what is installed, and how it is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.python_project import (
    Project,
    Request,
    read,
)

from rootfs_ansible.errors import InputError

PACKAGE = """\
[project]
name = "web"
version = "1.2"
description = "Serves"
license = {text = "MIT"}
requires-python = ">=3.12"
[build-system]
requires = ["hatchling"]
"""
FILES = """\
[project]
name = "web"
dependencies = ["flask>=3"]
[project.optional-dependencies]
Fast_Mail = ["aiosmtpd"]
all = ["web[fast-mail]", "rich"]
"""


NOTHING = Request()


def project(directory: Path, text: str = "", *names: str, request: Request = NOTHING) -> Project:
    for name in names:
        (directory / name).touch()
    if text:
        (directory / "pyproject.toml").write_text(text)
    return read(directory, request)


class TestLock:
    @pytest.mark.parametrize(
        ("names", "lock", "kind"),
        [
            (["pylock.toml"], "pylock.toml", "pylock"),
            (["uv.lock", "requirements.txt"], "uv.lock", "uv"),
            (["poetry.lock"], "poetry.lock", "poetry"),
            (["pdm.lock"], "pdm.lock", "pdm"),
            (["Pipfile", "Pipfile.lock"], "Pipfile.lock", "pipenv"),
            (["requirements.txt", "setup.py"], "requirements.txt", "requirements"),
            (["setup.py"], "setup.py", "project"),
        ],
    )
    def test_the_file_that_is_there_says_what_is_installed(
        self, tmp_path: Path, names: list[str], lock: str, kind: str
    ) -> None:
        found = project(tmp_path, "", *names)
        assert (found.lock, found.kind) == (lock, kind)

    def test_two_lock_files_are_not_clear(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="more than one lock file") as raised:
            project(tmp_path, PACKAGE, "uv.lock", "poetry.lock")
        assert raised.value.details == ("poetry.lock", "uv.lock")
        assert raised.value.hint.startswith("set stack_python_lock to poetry.lock or uv.lock")

    @pytest.mark.parametrize(
        ("chosen", "kind"),
        [
            ("uv.lock", "uv"),
            ("pylock.web.toml", "pylock"),
            ("requirements-web.txt", "requirements"),
            ("pyproject.toml", "project"),
        ],
    )
    def test_an_option_chooses(self, tmp_path: Path, chosen: str, kind: str) -> None:
        names = ("uv.lock", "poetry.lock", "pylock.web.toml", "requirements-web.txt")
        found = project(tmp_path, PACKAGE, *names, request=Request(lock=chosen))
        assert (found.lock, found.kind) == (chosen, kind)

    def test_one_that_is_not_there_cannot_be_chosen(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no uv\.lock, which stack_python_lock names"):
            project(tmp_path, PACKAGE, request=Request(lock="uv.lock"))

    @pytest.mark.parametrize("chosen", ["/etc/passwd", "../uv.lock"])
    def test_one_of_another_directory_cannot_be_chosen(self, tmp_path: Path, chosen: str) -> None:
        with pytest.raises(InputError, match="not below the app's directory"):
            project(tmp_path, PACKAGE, request=Request(lock=chosen))

    @pytest.mark.parametrize(
        ("lock", "refused"),
        [
            ("pylock.toml", ("stack_python_extras: fast", "stack_python_groups: web")),
            ("Pipfile.lock", ("stack_python_extras: fast",)),
            ("requirements.txt", ("stack_python_extras: fast",)),
        ],
    )
    def test_what_it_does_not_know_is_not_passed_over(
        self, tmp_path: Path, lock: str, refused: tuple[str, ...]
    ) -> None:
        request = Request(extras=("fast",), groups=("web",))
        with pytest.raises(InputError, match="nothing is added to it by name") as raised:
            project(tmp_path, "", lock, request=request)
        assert raised.value.details == refused
        assert (
            project(
                tmp_path,
                PACKAGE,
                lock,
                "uv.lock",
                request=Request(lock="uv.lock", extras=("fast",), groups=("web",)),
            ).kind
            == "uv"
        )

    def test_a_file_of_requirements_beside_a_lock_file_is_not_read_in_silence(
        self, tmp_path: Path
    ) -> None:
        (warning,) = project(tmp_path, PACKAGE, "uv.lock", "requirements.txt").warnings
        assert warning.startswith("uv.lock says what is installed, requirements.txt is not read")

    def test_what_nothing_pins_has_a_warning(self, tmp_path: Path) -> None:
        assert project(tmp_path, PACKAGE, "uv.lock").warnings == ()
        (warning,) = project(tmp_path, PACKAGE, request=Request(lock="pyproject.toml")).warnings
        assert "nothing pins" in warning


class TestForm:
    @pytest.mark.parametrize(
        ("text", "names", "package"),
        [
            (PACKAGE, [], True),
            (FILES, [], False),
            ("", ["setup.py"], True),
            ("", ["requirements.txt"], False),
            ("[tool.ruff]\n[build-system]\nrequires = []\n", ["requirements.txt"], False),
            (PACKAGE + "[tool.uv]\npackage = false\n", [], False),
            ("[tool.poetry]\npackage-mode = false\n[build-system]\n", ["poetry.lock"], False),
            ("[tool.poetry]\nname = 'x'\n[build-system]\nrequires = []\n", [], True),
        ],
    )
    def test_what_says_how_it_is_built_is_a_package(
        self, tmp_path: Path, text: str, names: list[str], package: bool
    ) -> None:
        assert project(tmp_path, text, *names).package is package

    @pytest.mark.parametrize(
        ("text", "package", "name"),
        [("[metadata]\nname = web\n", True, "web"), ("[flake8]\nformat = %(path)s\n", False, "")],
    )
    def test_setuptools_may_have_it_in_a_file_of_its_own(
        self, tmp_path: Path, text: str, package: bool, name: str
    ) -> None:
        (tmp_path / "setup.cfg").write_text(text)
        found = project(tmp_path, "[build-system]\nrequires = ['setuptools']\n")
        assert (found.package, found.name) == (package, name)

    def test_a_file_of_settings_alone_has_no_dependencies(self, tmp_path: Path) -> None:
        assert project(tmp_path, "[tool.ruff]\n").requirements == ()

    def test_an_option_ships_a_package_as_its_files(self, tmp_path: Path) -> None:
        assert not project(tmp_path, PACKAGE, request=Request(form="files")).package

    def test_what_nothing_builds_is_no_package(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nothing says how it is built"):
            project(tmp_path, FILES, request=Request(form="package"))


class TestRequirements:
    def test_of_files_are_what_pyproject_says(self, tmp_path: Path) -> None:
        assert project(tmp_path, FILES).requirements == ("flask>=3",)

    def test_an_extra_may_name_another(self, tmp_path: Path) -> None:
        found = project(tmp_path, FILES, request=Request(extras=("all",)))
        assert sorted(set(found.requirements)) == ["aiosmtpd", "flask>=3", "rich"]

    def test_extras_that_name_each_other_are_taken_once(self, tmp_path: Path) -> None:
        text = FILES.replace('"aiosmtpd"', '"aiosmtpd", "web[all]"')
        found = project(tmp_path, text, request=Request(extras=("all", "fast.mail")))
        assert sorted(found.requirements) == ["aiosmtpd", "flask>=3", "rich"]

    @pytest.mark.parametrize(
        ("text", "names", "form"),
        [
            ("[project]\nname = 'web'\ndynamic = ['dependencies']\n", [], "auto"),
            ("", ["setup.py"], "files"),
        ],
    )
    def test_that_only_a_build_says_are_an_error_of_files(
        self, tmp_path: Path, text: str, names: list[str], form: str
    ) -> None:
        with pytest.raises(InputError, match="only when it is built") as raised:
            project(tmp_path, text, *names, request=Request(form=form))
        assert "requirements.txt" in raised.value.hint

    def test_that_only_uv_finds_are_not_taken_from_an_index(self, tmp_path: Path) -> None:
        text = FILES + "[tool.uv.sources]\nFlask = {workspace = true}\nother = {path = 'x'}\n"
        with pytest.raises(InputError, match="which only uv reads") as raised:
            project(tmp_path, text)
        assert raised.value.details == ("Flask",)
        assert project(tmp_path, text, "uv.lock").kind == "uv"

    def test_an_extra_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="has no extra slow") as raised:
            project(tmp_path, FILES, request=Request(extras=("slow",)))
        assert "all, fast-mail" in raised.value.hint

    def test_of_a_package_are_left_to_pip(self, tmp_path: Path) -> None:
        text = PACKAGE.replace("[build", 'dependencies = ["flask"]\n[build')
        assert project(tmp_path, text).requirements == ()

    def test_poetrys_own_form_needs_its_lock_file(self, tmp_path: Path) -> None:
        text = "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\nflask = '^3'\n"
        with pytest.raises(InputError, match="in poetry's own form") as raised:
            project(tmp_path, text)
        assert "poetry lock" in raised.value.hint


def test_a_python_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        project(tmp_path, PACKAGE, request=Request(distribution_version="3.11.2"))
    assert raised.value.what == "requires-python is >=3.12, and the distribution has Python 3.11.2"
    assert project(tmp_path, PACKAGE, request=Request(distribution_version="3.13.5")).package


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project\n", "is not TOML"),
        ("project = 1\n", "project is no table"),
        ("[project]\ndependencies = 'x'\n", "dependencies is no list"),
        ("[project]\ndependencies = ['x y']\n", "no requirement"),
        ("[project]\nrequires-python = 'new'\n", "requires-python: "),
    ],
)
def test_a_mistake_in_pyproject_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        project(tmp_path, text, request=Request(distribution_version="3.13.5"))
    assert raised.value.where == str(tmp_path / "pyproject.toml")


def test_a_directory_without_its_files_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no Python project"):
        read(tmp_path)


def test_the_facts_describe_the_image(tmp_path: Path) -> None:
    facts = project(tmp_path, PACKAGE, "uv.lock").to_facts(tmp_path)
    assert facts["labels"] == {
        "org.opencontainers.image.title": "web",
        "org.opencontainers.image.version": "1.2",
        "org.opencontainers.image.description": "Serves",
        "org.opencontainers.image.licenses": "MIT",
    }
    assert facts["python"] == {
        "name": "web", "lock": "uv.lock", "kind": "uv", "package": True, "requirements": [],
    }  # fmt: skip
