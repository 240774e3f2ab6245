"""Keys change with what decides a stage, and with nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.key import directory_digest, files_digest, role_digest, stage_key


def write(path: Path, text: str = "", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_key_is_of_its_stage_and_its_inputs() -> None:
    assert stage_key("compile", {"a": 1}) == stage_key("compile", {"a": 1})
    assert stage_key("compile", {"a": 1}) != stage_key("compile", {"a": 2})
    assert stage_key("compile", {"a": 1}) != stage_key("runtime", {"a": 1})
    assert stage_key("compile", {"a": 1, "b": 2}) == stage_key("compile", {"b": 2, "a": 1})


def test_a_digest_knows_names_contents_and_run_bits_but_no_umask_and_no_time(
    tmp_path: Path,
) -> None:
    write(tmp_path / "one" / "a", "text")
    write(tmp_path / "two" / "a", "text", mode=0o600)
    os.utime(tmp_path / "two" / "a", (0, 0))
    assert files_digest(tmp_path / "one", ["a"]) == files_digest(tmp_path / "two", ["a"])
    (tmp_path / "two" / "a").chmod(0o755)
    assert files_digest(tmp_path / "one", ["a"]) != files_digest(tmp_path / "two", ["a"])


def test_a_link_is_its_target_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    before = files_digest(tmp_path, ["link"])
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("elsewhere")
    assert files_digest(tmp_path, ["link"]) != before


def test_a_file_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        files_digest(tmp_path, ["gone"])


def test_what_python_and_tests_leave_in_a_role_decides_nothing(tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "main.yml", "[]")
    before = directory_digest(tmp_path)
    write(tmp_path / "library" / "__pycache__" / "x.pyc")
    write(tmp_path / "molecule" / "default" / "verify.yml")
    write(tmp_path / "README.md")
    assert directory_digest(tmp_path) == before


def test_a_role_is_also_the_roles_it_depends_on(tmp_path: Path) -> None:
    write(tmp_path / "web" / "meta" / "main.yml", "dependencies: [{role: base}]")
    write(tmp_path / "base" / "meta" / "main.yml", "dependencies: [team.infra.web]")
    template = write(tmp_path / "base" / "templates" / "conf.j2", "a")
    before = role_digest(tmp_path / "web", [tmp_path])
    template.write_text("b")
    assert role_digest(tmp_path / "web", [tmp_path]) != before


def test_what_is_left_out_of_a_role_is_left_out_of_that_role_alone(tmp_path: Path) -> None:
    write(tmp_path / "web" / "meta" / "main.yml", "dependencies: [base]")
    own = write(tmp_path / "web" / "tasks" / "compile.yml", "a")
    other = write(tmp_path / "base" / "tasks" / "compile.yml", "a")

    def digest() -> str:
        return role_digest(
            tmp_path / "web", [tmp_path], without=lambda name: name == "tasks/compile.yml"
        )

    before = digest()
    own.write_text("b")
    assert digest() == before
    other.write_text("b")
    assert digest() != before
