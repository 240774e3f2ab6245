"""A team's own stack: the one that docs/stacks.md shows, outside of this checkout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from conftest import CHECKOUT, Commands
from documents import console_commands, write_files

pytestmark = pytest.mark.engine

PAGE = CHECKOUT / "docs" / "stacks.md"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page."""
    directory = tmp_path_factory.mktemp("team")
    write_files(PAGE, directory)
    return directory


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A store of the tests' own, so that all is built anew."""
    directory = tmp_path_factory.mktemp("cache")
    return {
        "XDG_CACHE_HOME": str(directory),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(directory / "molecule"),
        "NO_COLOR": "1",
    }


def run(commands: Commands, team: Path, environment: dict[str, str], command: str) -> str:
    """Run a command of the page where its files are."""
    ended = subprocess.run(
        ["bash", "-ec", command],
        cwd=team,
        env=commands.environment(environment),
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_page_builds_its_app_and_tests_its_role(
    commands: Commands, team: Path, environment: dict[str, str]
) -> None:
    playbook, run_image, command_line, molecule = console_commands(PAGE)
    built = run(commands, team, environment, playbook)
    said = run(commands, team, environment, run_image)
    assert said.startswith("Grüße! It is ")
    assert "+0545" in said
    result = json.loads(run(commands, team, environment, command_line))
    assert result["digest"] in built
    manifest = json.loads(Path(result["manifest"]).read_text())
    layers = {entry["path"]: entry["layer"] for entry in manifest["entries"]}
    assert layers["/opt/app/bin/greet"] == "app"
    assert layers["/usr/lib/x86_64-linux-gnu/libz.so.1"] == "system"
    assert {"/app/greet.c", "/usr/bin/sh", "/usr/bin/make"}.isdisjoint(layers)
    tested = run(commands, team, environment, f"{molecule} 2>&1")
    assert "1 passed" in tested
    for action in ("check", "converge", "idempotence", "verify"):
        assert f"[default > {action}] Executed: Successful" in tested


def test_the_role_of_the_page_is_as_ansible_lint_wants_it(
    commands: Commands, team: Path, environment: dict[str, str]
) -> None:
    run(commands, team, environment, "ansible-lint --offline --profile production")


def test_a_stack_on_the_roles_path_is_found_from_anywhere(
    commands: Commands, team: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    elsewhere = {**environment, "ANSIBLE_ROLES_PATH": str(team / "roles")}
    result = commands.build(team / "greet", environment=elsewhere, cwd=tmp_path)
    said = commands.run(
        "ansible-playbook", "rootfs.builder.build", "-e", f"app={team / 'greet'}",
        environment=elsewhere, cwd=tmp_path,
    )  # fmt: skip
    assert result["digest"] in said.stdout


def test_a_stack_of_a_collection_is_found_and_built(
    commands: Commands, team: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    collection = tmp_path / "collections" / "ansible_collections" / "team" / "web"
    collection.mkdir(parents=True)
    (collection / "roles").symlink_to(team / "roles")
    result = commands.build(
        team / "greet",
        "-e",
        f"rootfs_store={tmp_path / 'store'}",
        environment={**environment, "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections")},
        cwd=tmp_path,
    )
    assert result["image"] == "greet:latest"


@pytest.mark.parametrize("place", ["roles", "."])
def test_a_stack_beside_a_playbook_is_found_by_it(
    commands: Commands, team: Path, environment: dict[str, str], tmp_path: Path, place: str
) -> None:
    """One that a team imports ours into."""
    (tmp_path / "build.yml").write_text("- import_playbook: rootfs.builder.build\n")
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "stack_make").symlink_to(team / "roles" / "stack_make")
    ended = commands.run(
        "ansible-playbook", tmp_path / "build.yml", "--check", "-e", f"app={team / 'greet'}",
        "-e", f"rootfs_store={tmp_path / 'store'}", environment=environment, cwd=tmp_path,
    )  # fmt: skip
    assert f"by {tmp_path / place / 'stack_make'}" in ended.stdout


def test_a_mistake_of_a_stack_ends_the_build_with_its_line(
    commands: Commands, team: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    stack = tmp_path / "stack_make" / "meta" / "stack.yml"
    stack.parent.mkdir(parents=True)
    text = (team / "roles" / "stack_make" / "meta" / "stack.yml").read_text()
    stack.write_text(text.replace("layer: app", "layer: apps"))
    line = (
        stack.read_text()
        .splitlines()
        .index('    - {layer: apps, path: "{{ rootfs_compiled.installed }}"}')
    )
    ended = commands.run(
        "rootfs-ansible", "build", team / "greet", "--check",
        environment={**environment, "ANSIBLE_ROLES_PATH": str(tmp_path)}, cwd=tmp_path,
    )  # fmt: skip
    assert ended.returncode == 1
    assert (
        f"{stack}:{line + 1}: outputs.compile[0].layer: expected one of dependencies, app,"
        " got 'apps'; did you mean app?" in ended.stderr
    )


class Both:
    """An app that two stacks recognise: by its Makefile, and by its package.json."""

    def __init__(self, commands: Commands, environment: dict[str, str], base: Path) -> None:
        self._commands = commands
        self._environment = environment
        self.directory = base / "shop"
        self.directory.mkdir()
        (self.directory / "Makefile").write_text("install:\n")
        (self.directory / "package.json").write_text('{"scripts": {"start": "node shop.js"}}')
        (self.directory / "shop.js").touch()
        self.inventory = base / "inventory"
        self.say()

    def say(self, **variables: str) -> None:
        """Say these variables of the app in the inventory."""
        host = {"rootfs_app_dir": str(self.directory), **variables}
        self.inventory.write_text(json.dumps({"apps": {"hosts": {"shop": host}}}))

    def planned(self, *words: str) -> str:
        """Return what a dry run prints."""
        ended = self._commands.playbook(
            "--check", "-i", str(self.inventory), *words, environment=self._environment
        )
        return ended.stdout


@pytest.fixture
def both(commands: Commands, team: Path, environment: dict[str, str], tmp_path: Path) -> Both:
    return Both(commands, {**environment, "ANSIBLE_ROLES_PATH": str(team / "roles")}, tmp_path)


def test_two_stacks_that_match_are_told_and_how_to_choose(both: Both) -> None:
    said = both.planned()
    assert "more than one stack recognises this directory" in said
    assert "make: Makefile" in said
    assert "node: package.json" in said
    assert (
        "set rootfs_stack to make or node: in the inventory, with -e, or in the app's own"
        " rootfs.yml" in said
    )


def test_the_app_the_inventory_and_the_caller_choose_each_over_the_other(both: Both) -> None:
    (both.directory / "rootfs.yml").write_text("rootfs_stack: make\n")
    assert "shop would be built from" in both.planned()
    assert "/roles/stack_make" in both.planned()
    both.say(rootfs_stack="node")
    assert "by rootfs.builder.stack_node" in both.planned()
    assert "/roles/stack_make" in both.planned("-e", "rootfs_stack=make")
