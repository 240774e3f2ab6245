"""How an image starts: the inventory's command is read as a start script is, and what either
names must be there after the build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils.node_start import Start as Started
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError
from ansible_collections.rootfs.builder.plugins.plugin_utils import node_project
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_project import Project, Request
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_start import Start

from rootfs_ansible.errors import InputError

NODE = "/usr/bin/node"
SHELL = {"start": "npm run prepare && node server.js"}


def written(directory: Path, package: dict[str, Any], *files: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "package.json").write_text(json.dumps(package))
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    return directory


def read(directory: Path, line: str = "", **said: Any) -> Project:
    start = Start(command=tuple(line.split()), **said)
    return node_project.read(directory, Request(start=start))


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("node server.js", f"{NODE} ./server.js"),
        ("/usr/bin/node server.js", f"{NODE} ./server.js"),
        ("/usr/local/bin/node /app/server.js --all", f"{NODE} ./server.js --all"),
        ("tini -g -- node server.js", f"{NODE} ./server.js"),
        ("/usr/bin/env TZ=UTC node server.js", f"{NODE} ./server.js"),
        ("node .", f"{NODE} ."),
        ("node -r dotenv/config -r /app/a.js .", f"{NODE} -r dotenv/config -r=./a.js ."),
        ("node /srv/other.js", f"{NODE} /srv/other.js"),
        ("bin/www", "./bin/www"),
        ("/usr/bin/git daemon", "/usr/bin/git daemon"),
        ("git daemon", "git daemon"),
    ],
)
def test_a_given_command_is_read_from_the_apps_directory(
    tmp_path: Path, line: str, arguments: str
) -> None:
    command = read(written(tmp_path, {"scripts": SHELL}), line).command
    assert " ".join(command.arguments) == arguments
    assert command.given


def test_a_given_command_starts_in_the_given_directory(tmp_path: Path) -> None:
    written(tmp_path, {})
    command = read(tmp_path, "node ../server.js", working_directory="/app/dist/web").command
    assert command.arguments == (NODE, "./dist/server.js")
    command = read(tmp_path, "node server.js", working_directory="/var/lib/web").command
    assert command.arguments == (NODE, "/var/lib/web/server.js")


def test_a_given_command_of_a_workspace_may_name_another(tmp_path: Path) -> None:
    written(tmp_path, {"workspaces": ["*"]})
    api = written(tmp_path / "api", {"name": "api"})
    assert read(api, "node /app/web/server.js").command.arguments == (NODE, "../web/server.js")


def test_an_entry_point_is_the_first_part_of_what_is_given(tmp_path: Path) -> None:
    written(tmp_path, {"files": ["lib"]})
    found = read(tmp_path, "lib/server.js", entrypoint=("tini", "--", "node"))
    assert found.command.arguments == (NODE, "./lib/server.js")
    assert found.command.origin == "rootfs_command"
    assert read(tmp_path, entrypoint=("tini", "--")).command.origin == "rootfs_entrypoint"


def test_what_the_inventory_gives_is_not_the_projects_to_say(tmp_path: Path) -> None:
    facts = node_project.to_facts(read(written(tmp_path, {}), "node server.js"), "/app")
    assert facts["command"] == []


def test_a_program_alone_is_the_entry_point_so_that_arguments_are_its_own(tmp_path: Path) -> None:
    written(tmp_path, {"name": "shop", "bin": "cli.js"}, "cli.js")
    facts = node_project.to_facts(read(tmp_path), "/app")
    assert (facts["entrypoint"], facts["command"]) == ([NODE, "cli.js"], [])
    facts = node_project.to_facts(read(tmp_path, "node cli.js --all"), "/app")
    assert (facts["entrypoint"], facts["command"]) == ([], [])
    written(tmp_path, {"name": "shop", "bin": "cli.js", "scripts": {"start": "shop --all"}})
    facts = node_project.to_facts(read(tmp_path), "/app")
    assert (facts["entrypoint"], facts["command"]) == ([], [NODE, "cli.js", "--all"])


@pytest.mark.parametrize(("line", "taken"), [("node server.js", False), ("node lib/a.js", True)])
def test_files_is_taken_where_the_given_command_lies_in_it(
    tmp_path: Path, line: str, taken: bool
) -> None:
    found = read(written(tmp_path, {"scripts": SHELL, "files": ["lib"]}), line)
    assert bool(found.shipped.paths) == taken


def test_a_given_command_is_refused_as_a_start_script_would_be(tmp_path: Path) -> None:
    written(tmp_path, {"devDependencies": {"tsx": "*"}})
    with pytest.raises(InputError, match="rootfs_command: tsx is a development dependency"):
        read(tmp_path, "node --import tsx src/index.ts")
    with pytest.raises(InputError, match="rootfs_command: node is told nothing to run"):
        read(tmp_path, "node --no-warnings")


def test_an_env_file_that_is_not_shipped_is_warned_of(tmp_path: Path) -> None:
    written(tmp_path, {"scripts": {"start": "node --env-file=.env server.js"}})
    assert any(
        "the image starts without --env-file=.env" in text for text in read(tmp_path).warnings
    )
    given = read(tmp_path, "node --env-file=.env server.js").warnings
    assert any("without that file node does not start" in text for text in given)


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ("node -r dotenv/config server.js", True),
        ("node --import=dotenv/config server.js", True),
        ("env-cmd -f .env.production node server.js", True),
        ("dotenv -e .env.production -- node server.js", True),
        ("node server.js", False),
        ("tsx server.js", False),
    ],
)
def test_settings_that_a_dependency_reads_and_that_are_not_shipped_are_warned_of(
    tmp_path: Path, line: str, *, warned: bool
) -> None:
    packages = dict.fromkeys(("dotenv", "dotenv-cli", "env-cmd", "tsx"), "*")
    package = {"scripts": {"start": line}, "dependencies": packages}
    assert not any(".env" in text for text in read(written(tmp_path, package)).warnings)
    written(tmp_path, package, ".env.example")
    assert not any(".env" in text for text in read(tmp_path).warnings)
    written(tmp_path, package, ".env.production")
    assert warned == any(
        text.startswith("scripts.start has .env.production read, which") and "rootfs_env" in text
        for text in read(tmp_path).warnings
    )


# After the build


def started(directory: Path, line: str = "", files: tuple[str, ...] = ()) -> list[str]:
    """Return the command of a project once a build has made ``files``."""
    project = read(directory, line)
    facts = node_project.to_facts(project, "/app")["node"]
    for name in files:
        written(directory, json.loads((directory / "package.json").read_text()), name)
    return Started(directory, directory, json.loads(json.dumps(facts))).command()


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("node dist/index.js", "dist/index.js"),
        ("node dist/index", "dist/index.js"),
        ("node dist", "dist/index.js"),
        ("node .", "lib/main.js"),
        ("node -r ./trace server.js", "trace.js"),
        ("node --env-file=conf/env server.js", "conf/env"),
        ("./dist/www", "dist/www"),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_what_the_command_names_must_be_there_after_the_build(
    tmp_path: Path, line: str, file: str, given: bool
) -> None:
    package = {"main": "lib/main.js", "scripts": SHELL if given else {"start": line}}
    written(tmp_path, package, "server.js")
    with pytest.raises(StepError, match="which is not there after the build") as raised:
        started(tmp_path, line if given else "")
    assert "stack_node_build (such as [build:ts])" in raised.value.hint
    command = started(tmp_path, line if given else "", (file,))
    assert bool(command) != given, "a given command is taken from the inventory"


def test_an_entry_point_starts_in_every_directory(tmp_path: Path) -> None:
    written(tmp_path, {"name": "shop", "bin": "cli.js"}, "cli.js")
    (tmp_path / "cli.js").write_text("#!/usr/bin/env -S node --no-warnings\n")
    assert started(tmp_path) == [NODE, "--no-warnings", f"{tmp_path}/cli.js"]


def test_a_given_command_may_name_what_comes_from_elsewhere(tmp_path: Path) -> None:
    assert started(written(tmp_path, {}), "/usr/bin/git daemon") == []


def test_a_program_that_the_build_made_is_run_as_its_first_line_says(tmp_path: Path) -> None:
    written(tmp_path, {"scripts": {"start": "./dist/www --all", "build": "make"}})
    facts = node_project.to_facts(read(tmp_path), "/app")["node"]
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "www").write_text("#!/usr/bin/env -S node --no-warnings\n")
    command = Started(tmp_path, tmp_path, facts).command()
    assert command == [NODE, "--no-warnings", f"{tmp_path}/dist/www", "--all"]
    (tmp_path / "dist" / "www").write_text("#!/bin/sh\n")
    with pytest.raises(StepError, match="is run by /bin/sh, which the image does not have"):
        Started(tmp_path, tmp_path, facts).command()


def test_a_program_that_no_dependency_brings_is_known_after_the_fetch(tmp_path: Path) -> None:
    scripts = {"start": "mkserve dist", "start:prod": "node server.js"}
    written(tmp_path, {"scripts": scripts, "dependencies": {"serve": "*"}})
    start = Started(tmp_path, tmp_path, node_project.to_facts(read(tmp_path), "/app")["node"])
    with pytest.raises(StepError, match="runs mkserve, which no production dependency") as raised:
        start.check_dependency()
    assert raised.value.hint.endswith("; scripts.start:prod says [node, server.js]")
    written(tmp_path / "node_modules" / "serve", {"name": "serve", "bin": {"mkserve": "x.js"}})
    start.check_dependency()
