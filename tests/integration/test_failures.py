"""Bad input and interrupts: each has a message that says what to do, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from conftest import CHECKOUT, PROGRAMS, Commands
from relays import Relay

from rootfs_ansible.drive.engine import LABEL_APP, LABEL_OWNER, LABEL_PURPOSE, Engine
from rootfs_ansible.drive.keeper import Process

pytestmark = pytest.mark.engine

Maker = Callable[..., Path]

START = {"name": "tiny", "version": "1.0.0", "scripts": {"start": "node tiny.js"}}
TINY = {"tiny.js": "console.log('tiny')\n"}


def lock(**dependencies: str) -> str:
    """Return a lock file that says what ``dependencies`` the app has, and locks none of them."""
    root = {"name": "tiny", "version": "1.0.0", "dependencies": dependencies}
    return json.dumps({"name": "tiny", "lockfileVersion": 3, "packages": {"": root}})


def left_behind(commands: Commands) -> set[str]:
    """Return the runs that have ended and still have something in the engine."""
    engine = Engine(commands.docker_host)
    owners = {labels[LABEL_OWNER] for labels in engine.labelled(LABEL_OWNER)}
    engine.close()
    processes = {owner: Process.parse(owner) for owner in owners}
    return {owner for owner, process in processes.items() if process and not process.alive()}


def eventually_nothing_left(commands: Commands) -> bool:
    """Say whether the keepers have removed all that ended runs had, within a while."""
    for _ in range(60):
        if not left_behind(commands):
            return True
        time.sleep(0.5)
    return False


def refusal(commands: Commands, directory: Path, *words: str) -> str:
    """Build what cannot be built, and return what the user is told."""
    ended = commands.run("rootfs-ansible", "build", directory, *words)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert eventually_nothing_left(commands)
    return ended.stderr


def test_a_directory_of_no_stack(commands: Commands, tmp_path: Path) -> None:
    told = refusal(commands, tmp_path)
    assert f"{tmp_path}: no stack recognises this directory" in told
    assert "node looks for package.json" in told


def test_a_directory_that_is_not_there(commands: Commands, tmp_path: Path) -> None:
    assert "there is no such directory" in refusal(commands, tmp_path / "nowhere")


def test_invalid_json_has_a_line_and_a_column(commands: Commands, app: Maker) -> None:
    directory = app('{"name": "x",,}')
    assert f"{directory}/package.json:1:14: is not JSON" in refusal(commands, directory)


def test_a_start_script_that_needs_a_shell(commands: Commands, app: Maker) -> None:
    told = refusal(commands, app({"name": "x", "scripts": {"start": "tsc && node dist/a.js"}}))
    assert "joins commands with &&, and the image has no shell" in told
    assert "set rootfs_command: [node, dist/a.js]" in told


def test_nothing_to_start(commands: Commands, app: Maker) -> None:
    told = refusal(commands, app({"name": "x"}))
    assert "nothing says how it starts" in told
    assert "rootfs_command" in told


def test_a_version_of_node_that_is_no_range(commands: Commands, app: Maker) -> None:
    told = refusal(commands, app({**START, "engines": {"node": "banana"}}, TINY))
    assert "engines.node: not a version range: 'banana'" in told


def test_a_version_of_node_that_does_not_exist(commands: Commands, app: Maker) -> None:
    told = refusal(commands, app({**START, "engines": {"node": ">=999"}}, TINY))
    assert ">=999" in told
    assert "22." in told, "what is available"


def test_a_misspelt_option(commands: Commands, app: Maker) -> None:
    told = refusal(commands, app(START, TINY), "-e", "rootfs_prefx=/srv")
    assert "rootfs_prefx; did you mean rootfs_prefix?" in told


def test_a_user_that_is_no_number(commands: Commands, app: Maker) -> None:
    told = refusal(commands, app(START, TINY), "-e", "rootfs_user=root")
    assert "rootfs_user is 'root', which is not uid or uid:gid" in told


def test_a_lock_file_that_disagrees(commands: Commands, app: Maker) -> None:
    package = {**START, "dependencies": {"is-number": "^7.0.0"}}
    told = refusal(commands, app(package, {**TINY, "package-lock.json": lock()}))
    assert "is-number" in told
    assert "package-lock.json" in told


def test_a_dependency_that_does_not_exist(commands: Commands, app: Maker) -> None:
    name = "rootfs-ansible-has-no-such-dependency"
    told = refusal(commands, app({**START, "dependencies": {name: "1.0.0"}}, TINY))
    assert name in told


def test_an_addon_that_does_not_compile(commands: Commands, app: Maker) -> None:
    addon = {"name": "addon", "version": "1.0.0", "main": "index.js", "gypfile": True}
    files = {
        **TINY,
        "addon/package.json": json.dumps(addon),
        "addon/index.js": "module.exports = require('./build/Release/addon.node')\n",
        "addon/binding.gyp": '{"targets": [{"target_name": "addon", "sources": ["addon.c"]}]}',
        "addon/addon.c": "#include <node_api.h>\nint broken(void) { return nonsense; }\n",
    }
    told = refusal(commands, app({**START, "dependencies": {"addon": "file:addon"}}, files))
    assert "addon.c:2" in told
    assert "nonsense" in told


def test_an_output_that_matches_nothing(commands: Commands, app: Maker) -> None:
    outputs = {"rootfs_outputs": [{"path": "/app/templates"}, {"path": "/app/views/*.html"}]}
    told = refusal(commands, app(START, TINY), "-e", json.dumps(outputs))
    assert "/app/templates" in told
    assert "/app/views/*.html" in told


def test_a_command_that_is_not_in_the_image(commands: Commands, app: Maker) -> None:
    command = json.dumps({"rootfs_command": ["/usr/bin/python3", "tiny.py"]})
    told = refusal(commands, app(START, TINY), "-e", command)
    assert "the image starts /usr/bin/python3, which is not in it" in told


def test_a_script_that_is_not_in_the_image(commands: Commands, app: Maker) -> None:
    files = json.dumps({"stack_node_files": ["lib"]})
    told = refusal(commands, app(START, {**TINY, "lib/a.js": ""}), "-e", files)
    assert "the image starts /app/tiny.js, which is not in it" in told


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(directory)]
    subprocess.run(mount, check=True)
    yield directory
    subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk(commands: Commands, app: Maker, small_disk: Path) -> None:
    told = refusal(commands, app(START, TINY), "-e", f"rootfs_store={small_disk}/store")
    assert "the disk of the store is full" in told
    assert str(small_disk / "store") in told
    halves = [path for path in (small_disk / "store" / "aside").rglob("*") if path.is_file()]
    assert [path for path in halves if path.stat().st_size > 0] == []


def wait_for(text: str, stream: IO[str] | None) -> None:
    """Read what a build says until it says ``text``."""
    assert stream is not None
    said = []
    for line in stream:
        if text in line:
            return
        said.append(line)
    pytest.fail(f"the build ended before {text!r}: {''.join(said)}")


@pytest.mark.parametrize("fate", ["freeze", "cut"])
def test_an_engine_that_stops_answering_midway(
    commands: Commands, app: Maker, tmp_path: Path, fate: str
) -> None:
    """It is not waited for, it is named, and the next build removes what could not be removed."""
    relay = Relay(commands.docker_host, tmp_path / "relay.sock")
    directory = app(START, TINY, f"tiny-{fate}")
    store = ("-e", f"rootfs_store={tmp_path / 'store'}")
    words: list[Any] = [PROGRAMS / "rootfs-ansible", "build", directory]
    running = subprocess.Popen(
        [*words, *store],
        env=commands.environment({"DOCKER_HOST": relay.docker_host}),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    wait_for("Compile the apps", running.stderr)
    building = (f"label={LABEL_APP}=tiny-{fate}", f"label={LABEL_PURPOSE}=build")
    while running.poll() is None and not listed(commands, *building):
        time.sleep(0.1)
    getattr(relay, fate)()
    assert running.stderr is not None
    told = running.stderr.read()
    assert running.wait(timeout=60) == 1
    assert "no answer from the container engine" in told
    assert "Traceback" not in told
    # It goes on from where that one stood: in the same store, with a container of its own.
    commands.build(directory, *store)
    assert eventually_nothing_left(commands)


def listed(commands: Commands, *filters: str) -> list[str]:
    """Return the containers that these filters of ``docker ps`` leave."""
    words = [word for said in filters for word in ("--filter", said)]
    command = ["docker", "ps", "--all", "--quiet", *words]
    return subprocess.check_output(command, env=commands.environment({}), text=True).split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_harvest_leaves_nothing_in_the_store(
    commands: Commands, app: Maker, tmp_path: Path, number: signal.Signals
) -> None:
    store = tmp_path / "store"
    words = ["-e", f"app={app(START, TINY)}", "-e", f"rootfs_store={store}"]
    running = subprocess.Popen(
        [PROGRAMS / "ansible-playbook", "playbooks/build.yml", *words],
        cwd=CHECKOUT,
        env=commands.environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for("TASK [Harvest the runtime layer]", running.stdout)
    while running.poll() is None and not list(store.glob("aside/*/exporter.pyz")):
        time.sleep(0.05)
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert eventually_nothing_left(commands)
    assert list((store / "aside").iterdir()) == []


@pytest.mark.parametrize(
    ("play", "number"),
    [("Compile the apps", signal.SIGINT), ("Make the stacks' runtimes", signal.SIGTERM)],
)
def test_an_interrupt_leaves_nothing_and_the_next_build_is_whole(
    commands: Commands, app: Maker, tmp_path: Path, play: str, number: signal.Signals
) -> None:
    directory = app(START, TINY)
    store = f"rootfs_store={tmp_path / 'store'}"
    words: list[Any] = [PROGRAMS / "rootfs-ansible", "build", directory, "-e", store]
    running = subprocess.Popen(
        words,
        env=commands.environment({"PYTHONUNBUFFERED": "1"}),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    wait_for(play, running.stderr)
    time.sleep(2)
    os.killpg(running.pid, number)
    told = running.stderr.read()
    assert running.wait(timeout=60) == 130, told
    assert "interrupted" in told
    assert eventually_nothing_left(commands)
    whole = commands.build(directory, "-e", store)
    other = commands.build(directory, "-e", f"rootfs_store={tmp_path / 'other'}")
    assert whole["digest"] == other["digest"]
