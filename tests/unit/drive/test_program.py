"""A program that a run waits for gives its output, and leaves no process, however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from rootfs_ansible.drive.keeper import Process
from rootfs_ansible.drive.program import write_output
from rootfs_ansible.errors import BuildError

RUN = """
import sys
from pathlib import Path
from rootfs_ansible.drive.keeper import Process
from rootfs_ansible.drive.program import write_output
write_output(Process.of(int(sys.argv[1])), sys.argv[3:], Path(sys.argv[2]))
"""


@pytest.fixture
def owner() -> Process:
    return Process.of(os.getpid())


@pytest.fixture
def mark() -> str:
    """A word by which a test finds the processes that it started."""
    return f"mark-{uuid.uuid4().hex}"


def shell(script: str, mark: str) -> list[str]:
    return ["sh", "-c", script, mark]


def running(mark: str) -> list[int]:
    """Return the processes that carry a mark."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def eventually(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_output_is_a_file(owner: Process, tmp_path: Path) -> None:
    target = tmp_path / "out"
    write_output(owner, ["sh", "-c", "echo $SHOP; echo told >&2"], target, {"SHOP": "open"})
    assert target.read_text() == "open\n"


def test_a_failure_is_told_with_what_the_program_said(owner: Process, tmp_path: Path) -> None:
    with pytest.raises(BuildError) as failed:
        write_output(owner, ["sh", "-c", "echo no mirror >&2; exit 3"], tmp_path / "out")
    assert str(failed.value) == "sh: failed (exit code 3)\n  - no mirror"


def test_a_program_that_is_not_there_is_named(owner: Process, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="failed") as failed:
        write_output(owner, ["no-such-program"], tmp_path / "out")
    assert str(failed.value) == (
        "no-such-program: failed (exit code 127)\n  - No such file or directory"
    )


def test_what_a_program_leaves_running_ends_with_it(
    owner: Process, tmp_path: Path, mark: str
) -> None:
    script = f'setsid sh -c "sleep 600; : {mark}" & echo done'
    write_output(owner, shell(script, mark), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "done\n"
    assert running(mark) == []


@pytest.mark.parametrize(
    ("whom", "number"),
    [("run", signal.SIGKILL), ("waiting", signal.SIGKILL), ("waiting", signal.SIGINT)],
)
def test_it_ends_with_the_run_and_with_who_waits_for_it(
    tmp_path: Path, mark: str, whom: str, number: signal.Signals
) -> None:
    script = f"""
    trap 'echo cleaned > {tmp_path}/cleaned; exit 1' TERM
    setsid sh -c "sleep 600; : {mark}" &
    echo begun > {tmp_path}/begun
    wait
    """
    run = subprocess.Popen(["sleep", "600"])
    words = [sys.executable, "-c", RUN, str(run.pid), tmp_path / "out", *shell(script, mark)]
    waiting = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    assert eventually((tmp_path / "begun").exists)
    {"run": run, "waiting": waiting}[whom].send_signal(number)
    assert waiting.wait(timeout=60) != 0
    assert eventually(lambda: not running(mark))
    assert (tmp_path / "cleaned").read_text() == "cleaned\n"
    run.kill()
    run.wait()
