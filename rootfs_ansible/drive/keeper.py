"""What a run leaves in the engine is removed, however the run ends.

A run is one process: the ``ansible-playbook`` that builds. Everything it makes in the engine is
labelled with it. A *keeper*, a small process of its own session, waits for the end of that process
and then removes what carries its label; so nothing stays after success, failure, Ctrl-C and
``kill -9``. The network goes before, with the last container. Should the keeper itself be killed,
the next run *sweeps*: it removes what belongs to processes of this host that are no more.

As long as it waits, the keeper also asks the engine now and then whether it is there. The docker
client that Ansible runs a command in a container with would wait for a silent engine forever; the
keeper ends it, so that the run fails as it does with any other error.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import multiprocessing
import os
import platform
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rootfs_ansible.errors import EngineError

if TYPE_CHECKING:
    from rootfs_ansible.drive.engine import Engine

# How often the keeper looks where the system has no pidfd, in seconds.
_INTERVAL = 1.0

# How often the keeper asks the engine, and how long it waits for an answer, in seconds; two answers
# in a row have to be missing.
_ASK = 20.0
_PATIENCE = 30

# How old an unused network of another host's run is when it is taken for left, in seconds; a run
# that lives makes it again.
_LONG = 24 * 3600.0

# An engine may still be finishing what a killed client asked for: the keeper looks until it has
# found nothing this many times, a pause (in seconds) apart.
_QUIET = 4
_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Process:
    """A process that cannot be mistaken for a later one: host, pid, and when it started.

    ``host`` names the space in which the pid counts, so that two containers with one host name
    are two hosts.
    """

    host: str
    pid: int
    start: str

    @staticmethod
    def of(pid: int) -> Process:
        """Return the process that has this pid now; ``EngineError`` if there is none."""
        start = _start_of(pid)
        if not start:
            raise EngineError(f"process {pid}, for which this is done, is no more")
        return Process(_host(), pid, start)

    @staticmethod
    def parse(text: str) -> Process | None:
        """Return the process that ``str`` wrote, or nothing if it is not one."""
        host, _, rest = text.rpartition("/")
        pid, _, start = rest.partition(":")
        return Process(host, int(pid), start) if host and pid.isdigit() and start else None

    def __str__(self) -> str:
        """Write the process as the value of a label."""
        return f"{self.host}/{self.pid}:{self.start}"

    @property
    def run(self) -> str:
        """The id of the run that the process is (12 hexadecimal digits)."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:12]

    def alive(self) -> bool:
        """Say whether it still runs; a process of another host counts as running."""
        return self.host != _host() or _start_of(self.pid) == self.start

    def wait(self, seconds: float) -> bool:
        """Wait for its end, but not longer than ``seconds``; say whether it has ended."""
        with contextlib.suppress(OSError, AttributeError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    select.select([descriptor], [], [], seconds)
            finally:
                os.close(descriptor)
            return not self.alive()
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(_INTERVAL)
        return not self.alive()


def run_process() -> Process:
    """Return the process whose end ends the run: the playbook's, when called from a task's worker.

    A worker is a fork; its parent is known even if it has died.
    """
    parent = multiprocessing.parent_process()
    return Process.of(parent.pid if parent is not None and parent.pid else os.getpid())


@contextlib.contextmanager
def kept(engine: Engine, owner: Process) -> Iterator[None]:
    """Make sure that a keeper watches the run; the first call of a run also sweeps.

    Within it no other worker of the run is here, so what a run shares is made once.
    """
    directory = _state_directory()
    with (directory / f"{owner.run}.mutex").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        # The keeper inherits this lock and holds it as long as it lives.
        with (directory / f"{owner.run}.keeper").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                _start_keeper(engine.docker_host, owner, lock.fileno())
                sweep(engine)
        yield


@contextlib.contextmanager
def joining(owner: Process) -> Iterator[None]:
    """Within it the run's network stays, though no container may be on it yet."""
    with _network_lock(owner, fcntl.LOCK_SH):
        yield


def leave(engine: Engine, owner: Process) -> bool:
    """Remove the run's network if no container is on it any more; say whether it was removed.

    An engine has few networks to give, and where the run is all that a container does, nobody is
    left to remove it later: the keeper ends with that container.
    """
    with _network_lock(owner, fcntl.LOCK_EX):
        return engine.remove_network(network_of(owner))


def network_of(owner: Process) -> str:
    """Return the name of the run's network."""
    return f"rootfs-{owner.run}"


def sweep(engine: Engine) -> int:
    """Remove what processes of this host that are no more left in the engine; say how much.

    Of other hosts, of whose processes nobody knows, only networks that nothing has used for long.
    What cannot be removed now stays for the next sweep: it is in nobody's way.
    """
    from rootfs_ansible.drive.engine import LABEL_OWNER

    owners = {labels[LABEL_OWNER] for labels in engine.labelled(LABEL_OWNER)}
    removed = 0
    for owner in sorted(owners):
        process = Process.parse(owner)
        if process is not None and not process.alive():
            with contextlib.suppress(EngineError):
                removed += engine.remove_labelled(f"{LABEL_OWNER}={owner}")
    with contextlib.suppress(EngineError):
        removed += engine.remove_idle_networks(LABEL_OWNER, _LONG)
    return removed


def watch(
    docker_host: str, owner: Process, *, ask: float = _ASK, patience: int = _PATIENCE
) -> None:
    """Return when the run has ended; meanwhile let it not wait for an engine that is silent."""
    missed = 0
    while not owner.wait(ask):
        missed = 0 if _answers(docker_host, patience) else missed + 1
        if missed >= 2:
            for pid in _clients(docker_host, owner):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> list[int]:
    """Return the processes that run and descend from this one, itself not counted."""
    parents = _parents()

    def descends(other: int) -> bool:
        while other in parents and other != pid:
            other = parents[other]
        return other == pid

    return [other for other in parents if other != pid and descends(other)]


def children(pid: int) -> list[int]:
    """Return the processes that run and whose parent is this one."""
    return [other for other, parent in _parents().items() if parent == pid]


def labels_of(owner: Process) -> Mapping[str, str]:
    """Return the labels by which keeper and sweep know what belongs to the run."""
    from rootfs_ansible.drive.engine import LABEL_OWNER, LABEL_RUN

    return {LABEL_OWNER: str(owner), LABEL_RUN: owner.run}


@contextlib.contextmanager
def _network_lock(owner: Process, kind: int) -> Iterator[None]:
    with (_state_directory() / f"{owner.run}.network").open("w") as lock:
        fcntl.flock(lock, kind)
        yield


def _start_keeper(docker_host: str, owner: Process, lock: int) -> None:
    # The engine's client is not imported before it is needed: most of the time a keeper sleeps.
    subprocess.Popen(
        [sys.executable, "-m", __spec__.name, "--engine", docker_host, "--owner", str(owner)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(lock,),
    )


def _keep(docker_host: str, owner: Process) -> None:
    from rootfs_ansible.drive.engine import LABEL_OWNER, Engine

    os.chdir("/")
    watch(docker_host, owner)
    quiet = 0
    while quiet < _QUIET:
        engine = Engine(docker_host)
        try:
            removed = engine.remove_labelled(f"{LABEL_OWNER}={owner}")
        except EngineError:
            # An engine that is gone keeps nothing running; the next run sweeps.
            removed = 0
        finally:
            engine.close()
        quiet = 0 if removed else quiet + 1
        time.sleep(_PAUSE)
    for name in ("mutex", "keeper", "network"):
        (_state_directory() / f"{owner.run}.{name}").unlink(missing_ok=True)


def _answers(docker_host: str, patience: int) -> bool:
    from rootfs_ansible.drive.engine import Engine

    engine = Engine(docker_host, timeout=patience)
    try:
        engine.ping()
    except EngineError:
        return False
    finally:
        engine.close()
    return True


def _clients(docker_host: str, owner: Process) -> list[int]:
    """Return the docker clients of this engine that descend from the run's process."""
    clients = []
    for pid in descendants(owner.pid):
        with contextlib.suppress(OSError):
            content = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
            program, *words = content.split("\0")
            if Path(program).name == "docker" and any(docker_host in word for word in words):
                clients.append(pid)
    return clients


def _parents() -> dict[int, int]:
    """Return the parent of every process that runs; none where the system has no /proc."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (path / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            if fields[0] not in "ZX":
                parents[int(path.name)] = int(fields[1])
    return parents


def _state_directory() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_STATE_HOME")
    directory = Path(base) if base else Path.home() / ".local" / "state"
    directory = directory / "rootfs-ansible" / "runs"
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"cannot be made: {error.strerror}",
            where=str(directory),
            hint="set XDG_STATE_HOME to a directory that you may write",
        ) from error
    return directory


def _host() -> str:
    try:
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        space = 0
    return f"{platform.node()}/{space}"


def _start_of(pid: int) -> str:
    """Return when a process started, or an empty text if it has ended (zombies have)."""
    try:
        content = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
        # A system without /proc (macOS) tells it through ps.
        ended = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        state, _, start = ended.stdout.strip().partition(" ")
        return "" if state.startswith("Z") else start.strip().replace(" ", "-")
    # The name, in parentheses, may hold anything; state is the field after it, start time
    # (in clock ticks since boot) the 20th (proc_pid_stat(5)).
    fields = content.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def main() -> None:
    """Wait for the end of a run, and remove what it left."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--engine", required=True, help="the engine, as DOCKER_HOST names it")
    parser.add_argument("--owner", required=True, help="the process that is waited for")
    arguments = parser.parse_args()
    owner = Process.parse(arguments.owner)
    if owner is None:
        parser.error(f"not a process: {arguments.owner}")
    _keep(arguments.engine, owner)


if __name__ == "__main__":
    main()
