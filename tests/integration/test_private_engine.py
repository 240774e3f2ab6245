"""The engine of our own: it starts whatever a killed one left, and only it is stopped.

Each test has a network of its own, as two engines do not share one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rootfs_ansible.drive import daemon
from rootfs_ansible.drive.daemon import Daemon
from rootfs_ansible.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start an engine")

PRELUDE = """
import os, signal, subprocess, sys
from pathlib import Path
from rootfs_ansible.drive import daemon
from rootfs_ansible.drive.daemon import Daemon, answers, find
from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.errors import EngineError
own = Daemon(Path(sys.argv[1]))
def version():
    return Engine(own.docker_host).ping()
"""


@pytest.fixture
def directory(docker_host: str) -> Iterator[Path]:
    """A short path for an engine, which is stopped in the end."""
    if shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("the engine is elsewhere, and there is no dockerd here")
    path = Path(f"/var/tmp/rootfs-test-{os.getpid()}")
    yield path
    Daemon(path).stop()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def place() -> Iterator[Path]:
    """A short path for what is no engine."""
    with tempfile.TemporaryDirectory(prefix="rootfs-test-") as path:
        yield Path(path)


def alone(script: str, directory: Path, *wrapper: str, **environment: str) -> str:
    """Run a script in a network of its own, and return what it printed."""
    inherited = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"}
    done = subprocess.run(
        ["unshare", "--net", *wrapper, sys.executable, "-c", PRELUDE + script, directory],
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@needs_root
@pytest.mark.engine
def test_it_outlives_who_started_it_and_is_stopped_once(directory: Path) -> None:
    started = "print(own.start(), own.start(), bool(version()))"
    assert alone(started, directory) == "True False True\n"
    # A socket needs no network: it answers here too.
    assert alone("print(own.start(), find(own.directory))", directory) == (
        f"False unix://{directory}/docker.sock\n"
    )
    stopped = "print(own.stop(), own.stop(), own.pid(), answers(own.docker_host))"
    assert alone(stopped, directory) == "True False 0 False\n"
    assert sorted(path.name for path in directory.iterdir()) == [
        "daemon.json", "data", "lock", "log",
    ]  # fmt: skip


@needs_root
@pytest.mark.engine
@pytest.mark.parametrize("killed", ["{'dockerd'}", "{'dockerd', 'containerd'}"])
def test_it_starts_after_it_was_killed(directory: Path, killed: str) -> None:
    script = f"""
own.start()
for pid in own._processes(frozenset({killed})):
    os.kill(pid, signal.SIGKILL)
daemon._wait(lambda: not own.pid(), 30)
print((own.directory / "docker.pid").exists(), (own.directory / "docker.sock").is_socket())
print(answers(own.docker_host), own.start(), bool(version()))
"""
    assert alone(script, directory) == "True True\nFalse True True\n"


@needs_root
@pytest.mark.engine
def test_a_pid_that_is_another_process_by_now_is_left_alone(directory: Path) -> None:
    script = """
own.directory.mkdir()
other = subprocess.Popen(["sleep", "600"])
(own.directory / "docker.pid").write_text(str(other.pid))
print(own.pid(), own.start(), bool(version()), own.stop(), other.poll())
other.kill()
"""
    assert alone(script, directory) == "0 True True True None\n"


@needs_root
def test_an_engine_of_another_root_at_the_same_path_is_left_alone(place: Path) -> None:
    script = """
(own.directory / "other").mkdir()
stay = 'exec -a dockerd sh -c "echo; read line" "$0/daemon.json"'
def start(*command):
    words = [*command, own.directory]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process
here = start("bash", "-c", stay)
chroot = start("unshare", "--mount", "bash", "-c", 'mount --bind "$0/other" "$0" && ' + stay)
print(own._processes() == [here.pid], own.stop(), chroot.poll())
chroot.communicate()
"""
    assert alone(script, place) == "True True None\n"


@needs_root
@pytest.mark.engine
def test_an_engine_that_is_busy_is_waited_for(directory: Path) -> None:
    script = """
import threading
own.start()
engine = own.pid()
os.kill(engine, signal.SIGSTOP)
daemon._ANSWER = 1
threading.Timer(4, os.kill, (engine, signal.SIGCONT)).start()
print(answers(own.docker_host), own.start(), own.pid() == engine, bool(version()))
"""
    assert alone(script, directory) == "False False True True\n"


@needs_root
@pytest.mark.engine
def test_an_engine_that_hangs_is_ended_by_nobody_but_its_owner(directory: Path) -> None:
    script = """
own.start()
engine = own.pid()
os.kill(engine, signal.SIGSTOP)
daemon._ANSWER, daemon._START, daemon._STOP = 1, 2, 2
try:
    daemon.reach(own.directory)
except EngineError as error:
    print(error)
print(own.pid() == engine, own.stop(), own.pid(), own._processes())
daemon._ANSWER, daemon._START = 10, 90
print(own.start(), bool(version()))
"""
    said = alone(script, directory)
    assert f"{directory}: the private engine runs (process " in said
    assert "and does not answer" in said
    assert "make engine-stop" in said
    assert said.endswith("True True 0 []\nTrue True\n")


@needs_root
@pytest.mark.engine
def test_the_role_changes_nothing_when_it_runs_again(directory: Path) -> None:
    def role(*words: str) -> str:
        done = subprocess.run(
            ["unshare", "--net", PROGRAMS / "ansible-playbook", "playbooks/engine.yml",
             "-e", f"engine_directory={directory}", *words],
            cwd=CHECKOUT,
            env={**os.environ, "DOCKER_HOST": f"unix://{directory}/docker.sock",
                 "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "changed=1" in role("--check")
    assert Daemon(directory).pid() == 0
    assert "changed=1" in role()
    assert "changed=0" in role()
    assert "changed=1" in role("-e", "engine_state=stopped")
    assert "changed=0" in role("-e", "engine_state=stopped")


@needs_root
def test_a_chroot_becomes_the_root_of_its_mounts(place: Path) -> None:
    (place / "proc").mkdir()
    (place / "only-here").touch()
    script = """
subprocess.run(["mount", "-t", "proc", "proc", own.directory / "proc"], check=True)
os.chroot(own.directory)
os.chdir("/")
print(daemon._in_chroot())
daemon._take_root()
print(daemon._in_chroot(), (Path("/") / "only-here").exists())
daemon._enter_mounts()
print((Path("/") / "only-here").exists())
"""
    assert alone(script, place, "unshare", "--mount") == "True\nFalse True\nTrue\n"


def test_a_directory_too_deep_for_a_socket_is_refused() -> None:
    with pytest.raises(InputError, match="at most 69 characters"):
        Daemon(Path("/" + "d" * 69))
    with pytest.raises(InputError, match="not an absolute path"):
        Daemon(Path("relative"))


def test_where_an_engine_answers_a_private_one_may_be_too_deep(
    docker_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home of a user of a CI runner is often a long path."""
    deep = Path("/" + "d" * 69)
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    assert daemon.find(deep) == docker_host
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(InputError, match="set engine_directory to a shorter path"):
        daemon.find(deep)
