"""Stacks: found on the roles path, recognised by their marks, refused with every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.stack import Stack, detect, find


def role(roles: Path, name: str, text: str) -> Path:
    path = roles / name / "meta" / "stack.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.fixture
def stacks(tmp_path: Path) -> tuple[Stack, ...]:
    own, team = tmp_path / "own", tmp_path / "team"
    role(own, "stack_node", "name: node\nmarks: [package.json]\n")
    role(own, "stack_haskell", 'name: haskell\nmarks: ["*.cabal"]\n')
    role(team, "stack_zig", "name: zig\nmarks: [build.zig]\n")
    (own / "no_stack" / "meta").mkdir(parents=True)
    return find([(team, ""), (own, "rootfs.builder.")])


@pytest.fixture
def app(tmp_path: Path) -> Path:
    directory = tmp_path / "app"
    directory.mkdir()
    return directory


def test_a_role_with_a_stack_file_is_a_stack(stacks: tuple[Stack, ...], tmp_path: Path) -> None:
    """A team's own is called by its path: so no other of its name can be run for it."""
    assert {stack.name: stack.role for stack in stacks} == {
        "haskell": "rootfs.builder.stack_haskell",
        "node": "rootfs.builder.stack_node",
        "zig": str(tmp_path / "team" / "stack_zig"),
    }


def test_a_teams_role_takes_the_place_of_ours(tmp_path: Path) -> None:
    role(tmp_path / "team", "our_node", "name: node\nmarks: [package.json]\n")
    role(tmp_path / "own", "stack_node", "name: node\nmarks: [package.json]\n")
    found = find([(tmp_path / "team", ""), (tmp_path / "own", "rootfs.builder.")])
    assert [stack.role for stack in found] == [str(tmp_path / "team" / "our_node")]


def test_a_directory_shows_its_stack_by_its_files(stacks: tuple[Stack, ...], app: Path) -> None:
    (app / "web.cabal").touch()
    assert detect(app, stacks).name == "haskell"


def test_a_directory_without_marks_says_what_each_stack_looks_for(
    stacks: tuple[Stack, ...], app: Path
) -> None:
    with pytest.raises(InputError) as raised:
        detect(app, stacks)
    assert raised.value.where == str(app)
    assert raised.value.details == (
        "haskell looks for *.cabal",
        "node looks for package.json",
        "zig looks for build.zig",
    )


def test_two_stacks_for_one_directory_are_an_error_that_says_how_to_choose(
    stacks: tuple[Stack, ...], app: Path
) -> None:
    (app / "web.cabal").touch()
    (app / "package.json").touch()
    with pytest.raises(InputError, match="more than one stack") as raised:
        detect(app, stacks)
    assert raised.value.details == ("haskell: web.cabal", "node: package.json")
    assert raised.value.hint == "set rootfs_stack to haskell or node"
    assert detect(app, stacks, "node").name == "node"


def test_a_stack_may_be_chosen_by_the_name_of_its_role(
    stacks: tuple[Stack, ...], app: Path
) -> None:
    assert detect(app, stacks, "stack_zig").name == "zig"
    assert detect(app, stacks, "rootfs.builder.stack_node").name == "node"


def test_a_stack_that_is_nowhere_lists_those_there_are(
    stacks: tuple[Stack, ...], app: Path
) -> None:
    with pytest.raises(InputError, match="no stack 'cobol'") as raised:
        detect(app, stacks, "cobol")
    assert "haskell, node, zig" in raised.value.hint


def test_a_directory_that_is_not_there_is_said_so(stacks: tuple[Stack, ...], app: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        detect(app / "nowhere", stacks)


def test_all_mistakes_of_all_stack_files_come_together(tmp_path: Path) -> None:
    role(tmp_path, "one", "marks: package.json\nlayer: x\n")
    role(tmp_path, "two", "name: two\noutputs: {compile: [a]}\n")
    role(tmp_path, "three", "- no mapping\n")
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    text = str(raised.value)
    assert "layer: no such key" in text
    assert "name: expected a string" in text
    assert "marks: expected a list of strings" in text
    assert "outputs: expected a list of mappings for each stage" in text
    assert "is not a mapping" in text
