"""Stacks: found on the roles path, recognised by their marks, refused with every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.plan.stack import Stack, detect, find

KEYS = (
    "companions, environment, ignore, inventory_only, marks, name, outputs, places, prune and smoke"
)


def role(roles: Path, name: str, text: str) -> Path:
    path = roles / name / "meta" / "stack.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (roles / name / "tasks").mkdir()
    (roles / name / "tasks" / "runtime.yml").touch()
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
    assert raised.value.hint == (
        "set rootfs_stack to haskell or node: in the inventory, with -e, or in the app's own"
        " rootfs.yml"
    )
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
    assert (
        str(raised.value)
        == f"""\
stack roles are not as a stack must be
  - {tmp_path}/one/meta/stack.yml:1: marks: expected a list of file names, got 'package.json'
  - {tmp_path}/one/meta/stack.yml:1: name: is missing; \
expected a name of small letters, digits and single . _ -
  - {tmp_path}/one/meta/stack.yml:2: layer: there is no such key; there are {KEYS}
  - {tmp_path}/three/meta/stack.yml:1: expected a mapping, got a list
  - {tmp_path}/two/meta/stack.yml:2: outputs.compile[0]: expected a mapping, got 'a'"""
    )


def test_a_stack_without_a_runtime_is_refused(tmp_path: Path) -> None:
    path = role(tmp_path, "stack_zig", "name: zig\n")
    (tmp_path / "stack_zig" / "tasks" / "runtime.yml").unlink()
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    assert raised.value.details == (
        f"{path.parents[1]}/tasks/runtime.yml: is missing; every stack has the entry point runtime",
    )


def test_a_stack_that_compiles_has_an_image_for_it(tmp_path: Path) -> None:
    path = role(tmp_path, "stack_zig", "name: zig\n")
    (tmp_path / "stack_zig" / "tasks" / "compile.yml").touch()
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    assert raised.value.details == (
        f"{path.parents[1]}/tasks/build_image.yml: is missing;"
        " what compiles needs the image that it compiles in",
    )


def test_two_roles_of_a_directory_cannot_have_one_name(tmp_path: Path) -> None:
    role(tmp_path, "stack_zig", "name: zig\n")
    path = role(tmp_path, "stack_zig2", "# A copy\nname: zig\n")
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    assert raised.value.details == (f"{path}:2: name: stack_zig is called zig too",)


def test_a_stage_that_a_stack_does_not_have_ships_nothing(tmp_path: Path) -> None:
    path = role(
        tmp_path,
        "stack_zig",
        "name: zig\noutputs:\n  system: [{layer: app, path: /srv}]\n"
        "  compile: [{layer: app, path: /app}]\n",
    )
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    assert raised.value.details == (
        f"{path}:4: outputs.compile: there is no tasks/compile.yml; what is staged is declared in"
        " outputs.system",
    )
    for entry in ("build_image", "compile"):
        (tmp_path / "stack_zig" / "tasks" / f"{entry}.yml").touch()
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    assert raised.value.details == (
        f"{path}:3: outputs.system[0].layer: expected system, got 'app', which outputs.compile"
        " brings",
    )


def test_only_options_of_the_role_can_be_named(tmp_path: Path) -> None:
    path = role(
        tmp_path,
        "stack_zig",
        "name: zig\nplaces:\n  - stack_zig_mirror\n  - stack_zig_miror\n"
        "inventory_only: [rootfs_secrets]\n",
    )
    (path.parent / "argument_specs.yml").write_text(
        "argument_specs:\n  compile: {options: {stack_zig_mirror: {type: str}}}\n  runtime: {}\n"
    )
    with pytest.raises(InputError) as raised:
        find([(tmp_path, "")])
    assert raised.value.details == (
        f"{path}:4: places[1]: meta/argument_specs.yml has no option stack_zig_miror;"
        " did you mean stack_zig_mirror?",
        f"{path}:5: inventory_only[0]: meta/argument_specs.yml has no option rootfs_secrets",
    )


def test_the_first_role_of_a_name_on_the_roles_path_hides_the_others(tmp_path: Path) -> None:
    """As for Ansible, also where it is no stack."""
    role(tmp_path / "one", "stack_zig", "name: zig\n")
    (tmp_path / "one" / "stack_c").mkdir()
    role(tmp_path / "two", "stack_zig", "name: another\n")
    role(tmp_path / "two", "stack_c", "name: c\n")
    found = find([(tmp_path / "one", ""), (tmp_path / "two", ""), (tmp_path / "gone", "")])
    assert [stack.role for stack in found] == [str(tmp_path / "one" / "stack_zig")]


def test_stacks_of_collections_hide_no_others(tmp_path: Path, app: Path) -> None:
    role(tmp_path / "own", "stack_node", "name: node\nmarks: [package.json]\n")
    role(tmp_path / "team", "node", "name: node\nmarks: [package.json]\n")
    found = find([(tmp_path / "own", "rootfs.builder."), (tmp_path / "team", "team.web.")])
    (app / "package.json").touch()
    with pytest.raises(InputError, match="more than one stack recognises") as raised:
        detect(app, found)
    assert raised.value.details == (
        "rootfs.builder.stack_node: package.json",
        "team.web.node: package.json",
    )
    with pytest.raises(InputError, match="more than one stack is called 'node'") as raised:
        detect(app, found, "node")
    assert raised.value.hint == "set rootfs_stack to rootfs.builder.stack_node or team.web.node"
    assert detect(app, found, "team.web.node").directory == tmp_path / "team" / "node"


def test_a_stack_without_marks_is_chosen_alone(tmp_path: Path, app: Path) -> None:
    role(tmp_path, "stack_zig", "name: zig\n")
    found = find([(tmp_path, "")])
    with pytest.raises(InputError, match="no stack recognises") as raised:
        detect(app, found)
    assert raised.value.details == ()
    assert detect(app, found, "zig").name == "zig"
