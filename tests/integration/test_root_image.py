"""The root image is made by a program of the controller: nothing of it outlives its run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, PROGRAMS, Commands

pytestmark = pytest.mark.engine

PACKAGE = {"name": "tiny", "version": "1.0.0", "scripts": {"start": "node tiny.js"}}

SLOW = """#!/bin/sh
[ "$1" != --version ] || exit 0
head -c 1000000 /dev/zero
echo $$ > "$(dirname "$0")/pid"
setsid sleep 600 &
wait
"""
"""In place of mmdebstrap: it has begun to write, and takes its time."""

BROKEN = """#!/bin/sh
[ "$1" != --version ] || exit 0
echo "E: no such suite" >&2
exit 100
"""


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    directory.mkdir()
    (tmp_path / "tmp").mkdir()
    return directory


def environment(commands: Commands, programs: Path, script: str) -> dict[str, str]:
    (programs / "mmdebstrap").write_text(script)
    (programs / "mmdebstrap").chmod(0o755)
    known = commands.environment({"TMPDIR": str(programs.parent / "tmp")})
    return {**known, "PATH": f"{programs}{os.pathsep}{known['PATH']}"}


def words(program: str, directory: Path) -> list[Any]:
    said = {
        "rootfs-ansible": ["build", directory],
        "ansible-playbook": ["playbooks/build.yml", "-e", f"app={directory}"],
    }
    options = (f"root_image_serial={uuid.uuid4().hex}", f"rootfs_store={directory.parent}/store")
    more = [word for option in options for word in ("-e", option)]
    return [PROGRAMS / program, *said[program], *more]


def eventually(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("program", ["rootfs-ansible", "ansible-playbook"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_leaves_neither_files_nor_processes(
    commands: Commands,
    app: Callable[..., Path],
    programs: Path,
    program: str,
    number: signal.Signals,
) -> None:
    if (program, number) == ("rootfs-ansible", signal.SIGKILL):
        pytest.skip("it is the playbook that is the run")
    running = subprocess.Popen(
        words(program, app(PACKAGE, {"tiny.js": ""})),
        cwd=CHECKOUT,
        env=environment(commands, programs, SLOW),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pid = programs / "pid"
    assert eventually(lambda: pid.exists() and pid.read_text())
    temporary = programs.parent / "tmp"
    assert list(temporary.glob("rootfs-root-image-*"))
    running.send_signal(number)
    assert running.wait(timeout=60) != 0
    assert eventually(lambda: not Path(f"/proc/{pid.read_text().strip()}").exists())
    assert eventually(lambda: not list(temporary.glob("rootfs-root-image-*")))


def test_what_mmdebstrap_says_is_told(
    commands: Commands, app: Callable[..., Path], programs: Path
) -> None:
    ended = subprocess.run(
        words("rootfs-ansible", app(PACKAGE, {"tiny.js": ""})),
        env=environment(commands, programs, BROKEN),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert "mmdebstrap: failed (exit code 100)" in ended.stderr
    assert "- E: no such suite" in ended.stderr
    assert list((programs.parent / "tmp").iterdir()) == []
