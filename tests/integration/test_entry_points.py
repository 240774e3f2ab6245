"""The two entry points, as a user of Ansible expects them to behave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Commands
from runs import digest_in

pytestmark = pytest.mark.engine

HELLO = {"name": "hello", "version": "1.0.0", "scripts": {"start": "node hello.js"}}
HELLO_JS = "console.log('hello', process.getuid())\n"


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("apps") / "hello"
    directory.mkdir()
    (directory / "package.json").write_text(json.dumps(HELLO))
    (directory / "hello.js").write_text(HELLO_JS)
    return directory


def test_both_entry_points_give_the_same_digest(
    commands: Commands, hello: Path, tmp_path: Path
) -> None:
    result = commands.build(hello)
    ended = commands.playbook("-e", f"app={hello}", "-e", f"rootfs_store={tmp_path / 'store'}")
    assert ended.returncode == 0, ended.stdout
    assert digest_in(tmp_path / "store", "hello:latest") == result["digest"]
    assert result["digest"] in ended.stdout


def test_the_result_is_one_object(commands: Commands, hello: Path) -> None:
    result = commands.build(hello)
    assert result["image"] == "hello:latest"
    assert [layer["name"] for layer in result["layers"]] == [
        "runtime", "system", "dependencies", "app",
    ]  # fmt: skip
    assert result["size"] == sum(layer["size"] for layer in result["layers"])
    manifest = json.loads(Path(result["manifest"]).read_text())
    assert {"entries", "edges"} <= set(manifest)
    assert (Path(result["layout"]) / "oci-layout").is_file()


def test_the_image_runs(commands: Commands, hello: Path) -> None:
    result = commands.build(hello)
    said = subprocess.check_output(
        ["docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", result["image"]],
        env=commands.environment({}),
        text=True,
    )
    assert said == "hello 65532\n"


def test_with_nothing_changed_no_role_runs(
    commands: Commands, built_example: dict[str, Any]
) -> None:
    ended = commands.playbook("--limit", "node-web")
    assert ended.returncode == 0, ended.stdout
    assert "TASK [rootfs.builder." not in ended.stdout
    assert "included:" not in ended.stdout
    assert built_example["digest"] in ended.stdout
    assert "changed=0" in ended.stdout


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    commands: Commands, app: Callable[..., Path], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    directory = app(HELLO, {"hello.js": ""})
    options = ("--check", "-e", f"rootfs_store={store}")
    for ended in (
        commands.playbook(*options, "-e", f"app={directory}"),
        commands.run("rootfs-ansible", "build", directory, *options),
    ):
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "tiny would be built" in ended.stdout
        assert "compile      to run" in ended.stdout
    assert not store.exists()


@pytest.mark.parametrize("form", ["oci", "tar", "dir"])
def test_the_rootfs_is_written_where_it_is_wanted(
    commands: Commands, hello: Path, tmp_path: Path, form: str
) -> None:
    target = tmp_path / "out"
    commands.build(hello, "--format", form, "--output", str(target))
    if form == "dir":
        assert (target / "app" / "hello.js").read_text() == HELLO_JS
    else:
        listing = subprocess.check_output(["tar", "-tf", target], text=True).splitlines()
        assert ("app/hello.js" if form == "tar" else "oci-layout") in listing


def test_the_command_line_shows_what_ansible_warns_of_once(
    commands: Commands, app: Callable[..., Path], tmp_path: Path
) -> None:
    package = {**HELLO, "engines": {"node": ">=20"}, "dependencies": {}}
    directory = app(package, {"hello.js": HELLO_JS}, "warned")
    ended = commands.run("rootfs-ansible", "build", directory, "-e", f"rootfs_store={tmp_path}/s")
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("warning: warned: ") == 1
    assert "no lock file" in ended.stderr


def test_an_inventory_of_two_apps_shares_the_runtime(
    commands: Commands, hello: Path, tmp_path: Path
) -> None:
    inventory = tmp_path / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts.yml").write_text(
        f"apps: {{hosts: {{one: {{rootfs_app_dir: {hello}}}, two: {{rootfs_app_dir: {hello}}}}}}}"
    )
    (inventory / "group_vars" / "apps.yml").write_text(
        "rootfs_image_name: 'team/{{ inventory_hostname }}'\nrootfs_env: {TEAM: shop}\n"
    )
    store = tmp_path / "store"
    ended = commands.playbook("-i", str(inventory), "-e", f"rootfs_store={store}")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("TASK [Harvest the runtime layer]") == 1
    # Which of them makes it is not said: who is planned first, leads.
    assert ended.stdout.count("skipping: [two]") != ended.stdout.count("skipping: [one]")
    one = commands.run("ansible-playbook", "playbooks/build.yml", "-i", str(inventory),
                       "--limit", "one", "-e", f"rootfs_store={store}")  # fmt: skip
    assert "team/one:latest" in one.stdout
    assert "team/two:latest" not in one.stdout
    for name in ("one", "two"):
        inspected = subprocess.check_output(
            ["docker", "image", "inspect", f"team/{name}:latest"],
            env=commands.environment({}),
            text=True,
        )
        assert "TEAM=shop" in json.loads(inspected)[0]["Config"]["Env"]
