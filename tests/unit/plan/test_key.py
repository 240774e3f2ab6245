"""Keys change with what decides a stage, and with nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.key import (
    directory_digest,
    files_digest,
    path_digest,
    role_closure,
    role_digest,
    stage_key,
)


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


def test_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    shared = write(tmp_path / "shared" / "tasks.yml", "a")
    role = tmp_path / "role"
    write(role / "copy" / "tasks.yml", "a")
    before = directory_digest(role)
    (role / "copy" / "tasks.yml").unlink()
    (role / "copy" / "tasks.yml").symlink_to(shared)
    assert directory_digest(role) == before
    (role / "copy" / "tasks.yml").unlink()
    (role / "copy").rmdir()
    (role / "copy").symlink_to("../shared")
    assert directory_digest(role) == before
    shared.write_text("b")
    assert directory_digest(role) != before


def test_a_link_that_leads_nowhere_or_up_is_its_text(tmp_path: Path) -> None:
    """Up are its own directories, and through a link those of what that leads to."""
    role = tmp_path / "role"
    write(tmp_path / "other" / "shared" / "tasks.yml")
    (tmp_path / "other" / "shared" / "up").symlink_to("..")
    role.mkdir()
    (role / "files").symlink_to("../other/shared")
    digests = set()
    for target in ("nowhere", "elsewhere", "link", ".", "..", "/"):
        (role / "link").symlink_to(target)
        digests.add(directory_digest(role))
        write(tmp_path / "other" / f"after-{len(digests)}", "decides nothing")
        assert directory_digest(role) in digests
        (role / "link").unlink()
    assert len(digests) == 6


def test_a_path_is_what_it_holds_wherever_it_lies(tmp_path: Path) -> None:
    one = write(tmp_path / "one" / "a.gpg", "key")
    two = write(tmp_path / "two" / "b.gpg", "key")
    assert path_digest(one) == path_digest(two)
    assert path_digest(one.parent) != path_digest(two.parent)
    two.write_text("another")
    assert path_digest(one) != path_digest(two)


def test_a_file_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        files_digest(tmp_path, ["gone"])


def test_what_python_tests_and_readers_have_in_a_role_decides_nothing(tmp_path: Path) -> None:
    write(tmp_path / "tasks" / "main.yml", "[]")
    before = role_digest(tmp_path, [])
    write(tmp_path / "library" / "__pycache__" / "x.pyc")
    write(tmp_path / "molecule" / "default" / "verify.yml")
    write(tmp_path / "README.md")
    assert role_digest(tmp_path, []) == before
    write(tmp_path / "files" / "README.md", "shipped")
    assert role_digest(tmp_path, []) != before


def test_a_role_is_also_the_roles_it_depends_on(tmp_path: Path) -> None:
    write(tmp_path / "web" / "meta" / "main.yaml", "dependencies: [{role: base}]")
    write(tmp_path / "base" / "meta" / "main.yml", "dependencies: [team.infra.web]")
    template = write(tmp_path / "base" / "templates" / "conf.j2", "a")
    before = role_digest(tmp_path / "web", [(tmp_path, "")])
    template.write_text("b")
    assert role_digest(tmp_path / "web", [(tmp_path, "")]) != before


@pytest.mark.parametrize(
    "task",
    [
        "include_role: {name: base}",
        "ansible.builtin.import_role: {name: team.infra.base, tasks_from: x}",
        "ansible.builtin.include_role: name=base tasks_from=x",
        "block: [{rescue: [{include_role: {role: base}}]}]",
        "include_role: {name: base}\n  vars: {password: !vault abc}",
    ],
)
def test_a_role_is_also_the_roles_it_includes_by_name(tmp_path: Path, task: str) -> None:
    write(tmp_path / "web" / "tasks" / "main.yml", f"- {task}\n")
    other = write(tmp_path / "base" / "tasks" / "x.yml", "a")
    before = role_digest(tmp_path / "web", [(tmp_path, "")])
    other.write_text("b")
    assert role_digest(tmp_path / "web", [(tmp_path, "")]) != before


def test_a_role_of_a_collection_is_known_by_its_whole_name(tmp_path: Path) -> None:
    write(tmp_path / "web" / "tasks" / "main.yml", "- include_role: {name: team.infra.base}\n")
    same = write(tmp_path / "infra" / "base" / "tasks" / "main.yml", "a")
    other = write(tmp_path / "other" / "base" / "tasks" / "main.yml", "a")
    places = [(tmp_path / "infra", "team.infra."), (tmp_path / "other", "team.other.")]
    before = role_digest(tmp_path / "web", places)
    other.write_text("b")
    assert role_digest(tmp_path / "web", places) == before
    same.write_text("b")
    assert role_digest(tmp_path / "web", places) != before


def test_a_role_whose_name_is_known_only_at_the_run_and_no_yaml_are_passed_over(
    tmp_path: Path,
) -> None:
    write(tmp_path / "web" / "tasks" / "main.yml", '- include_role: {name: "{{ one }}"}\n')
    write(tmp_path / "web" / "tasks" / "other.yml", "include_role: [\n")
    assert role_digest(tmp_path / "web", [(tmp_path, "")])


@pytest.mark.parametrize("text", ["dependencies: [", "- base", "dependencies: {a: b}", "a"])
def test_a_description_of_a_role_that_is_none_is_left_to_ansible(tmp_path: Path, text: str) -> None:
    write(tmp_path / "web" / "meta" / "main.yml", text)
    assert role_closure(tmp_path / "web", [(tmp_path, "")]) == (tmp_path / "web",)


def test_a_role_that_only_a_left_out_file_includes_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "web" / "tasks" / "compile.yml", "- include_role: {name: base}\n")
    other = write(tmp_path / "base" / "tasks" / "main.yml", "a")

    def digests() -> tuple[str, str]:
        role = tmp_path / "web"
        whole = role_digest(role, [(tmp_path, "")])
        return whole, role_digest(role, [(tmp_path, "")], without=lambda name: "compile" in name)

    before = digests()
    other.write_text("b")
    assert digests()[0] != before[0]
    assert digests()[1] == before[1]


def test_what_is_left_out_of_a_role_is_left_out_of_that_role_alone(tmp_path: Path) -> None:
    write(tmp_path / "web" / "meta" / "main.yml", "dependencies: [base]")
    own = write(tmp_path / "web" / "tasks" / "compile.yml", "a")
    other = write(tmp_path / "base" / "tasks" / "compile.yml", "a")

    def digest() -> str:
        return role_digest(
            tmp_path / "web", [(tmp_path, "")], without=lambda name: name == "tasks/compile.yml"
        )

    before = digest()
    own.write_text("b")
    assert digest() == before
    other.write_text("b")
    assert digest() != before
