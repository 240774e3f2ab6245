"""An engine of our own, for machines where none answers: its directory, its process, its end."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rootfs_ansible.drive.engine import DEFAULT_HOST, Engine
from rootfs_ansible.errors import EngineError, InputError, RootfsError

PROGRAM = "dockerd"
_PROGRAMS = frozenset({PROGRAM, "containerd", "containerd-shim-runc-v2"})

# The engine's own sockets are up to this many characters deeper than its directory, and the
# address of a Unix socket holds 107 (unix(7)).
_DEEPEST = len("/exec/containerd/containerd.sock.ttrpc")
_LONGEST = 107 - _DEEPEST

# How long an engine may take to say that it is there, to start, and to stop, in seconds.
_ANSWER = 10
_START = 90
_STOP = 30

# As the distributions' own services set it: the default of a login shell is too low for builds.
_FILES = 1 << 20


@dataclass(frozen=True, slots=True)
class Daemon:
    """A private engine: all it has, data, sockets, pid file and log, is below ``directory``."""

    directory: Path

    def __post_init__(self) -> None:
        """Refuse a directory in which no socket can be opened."""
        if len(str(self.directory)) > _LONGEST or not self.directory.is_absolute():
            raise InputError(
                f"is not an absolute path of at most {_LONGEST} characters",
                where=str(self.directory),
                hint="the engine's sockets are below it; set engine_directory to a shorter path",
            )

    @property
    def docker_host(self) -> str:
        """The value of DOCKER_HOST that reaches it."""
        return f"unix://{self.directory}/docker.sock"

    def pid(self) -> int:
        """Return the process id of the running engine, or 0; a stale pid file is not believed."""
        try:
            pid = int((self.directory / "docker.pid").read_text("utf-8"))
        except (OSError, ValueError):
            return 0
        return pid if pid in self._processes(frozenset({PROGRAM})) else 0

    def start(self, storage_driver: str = "") -> bool:
        """Start the engine if it does not answer, and wait until it does; say whether it had to.

        What a killed engine left (pid file, sockets, a containerd without its engine) is removed
        first. One that runs is waited for, never ended: it holds containers of others. It outlives
        the caller. ``storage_driver`` is by default overlay2, and vfs where the file system does
        not carry that.
        """
        with self._alone():
            if answers(self.docker_host) or self._awaited():
                return False
            if os.geteuid() != 0:
                raise EngineError("only root can start a container engine")
            if shutil.which(PROGRAM, path=_path()) is None:
                raise EngineError(
                    f"there is no {PROGRAM} to start",
                    hint="install it: apt-get install docker.io iptables (Debian, Ubuntu)",
                )
            self._clear()
            _mount_control_groups()
            drivers = [storage_driver] if storage_driver else ["overlay2", "vfs"]
            for driver in drivers:
                log = self._launch(driver)
                if log is None:
                    return True
                if "graphdriver" not in log:
                    break
            raise EngineError(
                f"the private engine ended instead of starting; its log is {self._log}",
                where=str(self.directory),
                details=_complaints(log or ""),
            )

    def stop(self) -> bool:
        """Stop the engine and its containers; say whether there was anything to stop."""
        if not self.directory.exists():
            return False
        with self._alone():
            pid = self.pid()
            if pid:
                os.kill(pid, signal.SIGTERM)
                _wait(lambda: not self.pid(), _STOP)
            return self._clear() or bool(pid)

    def _awaited(self) -> bool:
        """Wait for the answer of an engine that runs; say whether there is one, and it came."""
        pid = self.pid()
        if not pid:
            return False
        _wait(lambda: answers(self.docker_host) or self.pid() != pid, _START)
        if answers(self.docker_host):
            return True
        if self.pid() == pid:
            raise EngineError(
                f"the private engine runs (process {pid}) and does not answer; its log is"
                f" {self._log}",
                where=str(self.directory),
                hint="wait if the machine is busy; or end it, with all that runs in it: make"
                " engine-stop, or the role rootfs.builder.engine with engine_state: stopped",
            )
        return False

    def _launch(self, driver: str) -> str | None:
        """Start the engine; return nothing when it answers, or its log when it has ended."""
        configuration = {
            "data-root": str(self.directory / "data"),
            "exec-root": str(self.directory / "exec"),
            "pidfile": str(self.directory / "docker.pid"),
            "hosts": [self.docker_host],
            "storage-driver": driver,
            # Apart from what another engine has in a containerd that both might find.
            "containerd-namespace": "rootfs-builder",
        }
        file = self.directory / "daemon.json"
        file.write_text(json.dumps(configuration, indent=1), encoding="utf-8")
        environment = {**os.environ, "PATH": _path()}
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, "--config-file", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
                preexec_fn=_prepare_process,
            )
        if not _wait(lambda: process.poll() is not None or answers(self.docker_host), _START):
            process.kill()
            process.wait()
        if process.poll() is None:
            return None
        return self._log.read_text("utf-8", "replace")

    def _clear(self) -> bool:
        """Remove what an engine that ended badly left; say whether there was any of it.

        Its containerd and the keepers of its containers may still run: they carry the directory
        in their command lines.
        """
        left = self._processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _wait(lambda: not self._processes(), _STOP)
        for mount in reversed(self._mounts()):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        if not self._mounts():
            shutil.rmtree(self.directory / "exec", ignore_errors=True)
        for name in ("docker.pid", "docker.sock"):
            (self.directory / name).unlink(missing_ok=True)
        return bool(left)

    def _processes(self, programs: frozenset[str] = _PROGRAMS) -> list[int]:
        """Return the processes of these programs that were started for this directory.

        One in a container or a chroot says the same path and means another directory.
        """
        found = []
        inside = f"{self.directory}/"
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                if Path(words[0]).name not in programs or not any(inside in w for w in words[1:]):
                    continue
                state = (process / "stat").read_text("utf-8", "replace").rpartition(")")[2]
                seen = process / "root" / self.directory.relative_to("/")
                if state.split()[0] not in "ZX" and seen.samefile(self.directory):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
        points = (line.split()[1].encode().decode("unicode_escape") for line in lines)
        return [point for point in points if point.startswith(f"{self.directory}/")]

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the directory's lock: two builds that start at once start one engine."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = (self.directory / "lock").open("w")
        except OSError as error:
            raise EngineError(
                f"cannot be used for a private engine: {error.strerror}",
                where=str(self.directory),
                hint="set engine_directory to one that can be written",
            ) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def default_directory() -> Path:
    """Return where the private engine is if nobody says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/rootfs-ansible/engine")
    state = os.environ.get("XDG_STATE_HOME")
    base = Path(state) if state else Path.home() / ".local" / "state"
    return base / "rootfs-ansible" / "engine"


def find(directory: Path) -> str:
    """Return the first engine that answers, as DOCKER_HOST would name it, or an empty text.

    It is the one of DOCKER_HOST, else of the default socket, else the private one.
    """
    named = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    if answers(named):
        return named
    # Only now does it matter whether a private one can be there.
    own = Daemon(directory).docker_host
    return own if own != named and answers(own) else ""


def reach(directory: Path) -> str:
    """Return the engine that ``find`` finds; a private one that was stopped is started again."""
    found = find(directory)
    if not found and (directory / "daemon.json").exists() and os.geteuid() == 0:
        own = Daemon(directory)
        own.start()
        found = own.docker_host
    return found


def missing(docker_host: str) -> list[str]:
    """Return the programs that are not there: the client, and without an engine what one needs."""
    wanted = ["docker"] if docker_host else ["docker", PROGRAM, "iptables"]
    return [program for program in wanted if shutil.which(program, path=_path()) is None]


def client(docker_host: str) -> str:
    """Return how a person calls the docker client of that engine in a shell like this one."""
    usual = os.environ.get("DOCKER_HOST") or DEFAULT_HOST
    return "docker" if docker_host in ("", usual) else f"docker --host={docker_host}"


def answers(docker_host: str) -> bool:
    """Say whether an engine answers there."""
    path = docker_host.removeprefix("unix://")
    if path != docker_host and not Path(path).exists():
        return False
    engine = Engine(docker_host, timeout=_ANSWER)
    try:
        engine.ping()
    except EngineError:
        return False
    finally:
        engine.close()
    return True


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _prepare_process() -> None:
    _raise_limits()
    if _in_chroot():
        _take_root()


def _raise_limits() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _in_chroot() -> bool:
    """Say whether this process's root is not the root of its mount namespace.

    Entering the namespace that one is in undoes a chroot (setns(2)); a child tries it.
    """
    child = os.fork()
    if child == 0:
        try:
            before = Path("/").stat()
            _enter_mounts()
            os._exit(0 if os.path.samestat(before, Path("/").stat()) else 1)
        except BaseException:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def _take_root() -> None:
    """Make this process's root the root of a mount namespace of its own (pivot_root(2)).

    An engine in a chroot is a trap: its containers look right, but a command that is run in one
    enters their mount namespace, and with it the file system outside of the chroot.
    """
    _call("unshare", _NEW_MOUNTS)
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    _enter_mounts()
    os.fchdir(root)
    os.close(root)
    # The path is that of the tree outside; bound onto itself it is a mount, as pivoting wants.
    tree = str(Path.cwd()).encode()
    _call("mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    _call("mount", tree, tree, None, _RECURSIVE | _BIND, None)
    os.chdir(tree)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _DETACH)
    os.chdir("/")


def _enter_mounts() -> None:
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    try:
        _call("setns", namespace, _NEW_MOUNTS)
    finally:
        os.close(namespace)


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library that Python does not know yet; raise ``OSError``."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


# linux/sched.h, sys/mount.h
_NEW_MOUNTS = 0x20000
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 0x1000, 0x4000, 0x40000, 2


def _path() -> str:
    """Return the search path with the directories where engine and iptables are."""
    return os.pathsep.join(
        [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    )


def _mount_control_groups() -> None:
    """Mount the kernel's control groups where no init has: an engine needs them.

    Version 1 where its controllers are in use, else version 2 (cgroups(7)).
    """
    mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    if any(line.split()[2] in ("cgroup", "cgroup2") for line in mounts):
        return
    root = "/sys/fs/cgroup"
    lines = Path("/proc/cgroups").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if not line.startswith("#")]
    used = [row[0] for row in rows if row[1] != "0" and row[3] == "1"]
    try:
        if not used:
            _mount("cgroup2", "cgroup2", root)
            return
        _mount("tmpfs", "cgroup", root, "mode=755")
        for name in used:
            point = Path(root) / name
            point.mkdir()
            _mount("cgroup", "cgroup", str(point), name)
    except OSError as error:
        raise EngineError(f"{error.strerror}", where=root) from error


def _mount(kind: str, source: str, point: str, options: str = "") -> None:
    command = ["mount", "-t", kind, *(["-o", options] if options else []), source, point]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(
            "the kernel's control groups are not mounted, and cannot be mounted",
            where=point,
            details=done.stderr.splitlines(),
            hint="a container engine needs them; mount them outside, or name another engine with"
            " DOCKER_HOST",
        )


def _complaints(log: str) -> list[str]:
    """Return the lines of an engine's log that say why it ended."""
    lines = log.splitlines()
    wrong = [line for line in lines if "level=" not in line or "level=fatal" in line]
    return (wrong or lines)[-8:]


def main() -> int:
    """Print the shell line that reaches the engine that builds use, or stop the private one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("what", choices=["env", "stop"])
    parser.add_argument("--directory", type=Path, default=default_directory())
    arguments = parser.parse_args()
    try:
        if arguments.what == "stop":
            stopped = Daemon(arguments.directory).stop()
            print("stopped" if stopped else "there is no private engine that runs")
            return 0
        docker_host = find(arguments.directory)
    except RootfsError as error:
        print(error, file=sys.stderr)
        return 1
    if not docker_host:
        print("no container engine answers; `make build` starts one", file=sys.stderr)
        return 1
    print(f"export DOCKER_HOST={docker_host}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
