"""Images as an engine runs them: what a service answers, and the tree that is shipped."""

from __future__ import annotations

import json
import os
import posixpath
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the engine puts into every container, and `docker export` with it.
ENGINE_OWN = {
    "/.dockerenv", "/dev", "/dev/console", "/dev/pts", "/dev/shm", "/etc/hostname", "/etc/hosts",
    "/etc/mtab", "/etc/resolv.conf", "/proc", "/sys",
}  # fmt: skip

UNWANTED = {
    "a shell": {"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "sh", "toybox", "zsh"},
    "another interpreter": {"perl", "python", "python3", "python3.13", "lua", "ruby", "awk"},
    "a package manager": {
        "apt", "apt-get", "apt-cache", "dpkg", "dpkg-deb", "npm", "npx", "yarn", "pnpm",
        "corepack", "pip", "pip3",
    },
    "a compiler": {
        "gcc", "g++", "cc", "c++", "cpp", "clang", "ld", "as", "ar", "make", "cmake", "cc1",
        "node-gyp", "pkg-config",
    },
}  # fmt: skip


class Docker:
    """The docker client of the tests' engine."""

    def __init__(self, host: str) -> None:
        self._environment = os.environ | {"DOCKER_HOST": host}

    def __call__(self, *command: str) -> str:
        done = subprocess.run(
            ["docker", *command],
            env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"docker {' '.join(command)}\n{done.stdout}"
        return done.stdout.strip()

    @contextmanager
    def running(self, *arguments: str) -> Iterator[str]:
        name = f"rootfs-test-{uuid.uuid4().hex[:12]}"
        try:
            self("run", "--detach", "--name", name, *arguments)
            yield name
        finally:
            self("rm", "--force", "--volumes", name)

    def write(self, command: list[str], path: Path) -> Path:
        with path.open("wb") as output:
            subprocess.run(["docker", *command], env=self._environment, stdout=output, check=True)
        return path

    def stop(self, container: str) -> int:
        """Ask to stop, as an orchestrator does, and kill after two seconds: that gives 137."""
        self("stop", "--time", "2", container)
        return int(self("inspect", "--format", "{{.State.ExitCode}}", container))


@dataclass(frozen=True)
class Service:
    """A container of the example and the address it answers at."""

    container: str
    address: str

    def get(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            return bytes(error.read())

    def json(self, path: str) -> Any:
        return json.loads(self.get(path))


@contextmanager
def serving(docker: Docker, *arguments: str) -> Iterator[Service]:
    """Start the example and wait until it answers."""
    with docker.running(*arguments) as container:
        address = docker("port", container, "8080").splitlines()[0]
        service = Service(container, f"http://{address}")
        deadline = time.monotonic() + 60
        while not answers(service):
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.1)
        yield service


def answers(service: Service) -> bool:
    try:
        return service.get("/healthz") == b"ok\n"
    except OSError:
        return False


def bare(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member with its mode alone, to which the engine adds the kind."""
    member.mode &= 0o7777
    return member


class Rootfs:
    """A tree in a tar."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path)  # noqa: SIM115 - read until the module's tests are done
        self.members = {
            path: bare(member)
            for member in self._tar
            if (path := posixpath.normpath("/" + member.name)) not in ENGINE_OWN | {"/"}
        }

    def content(self, path: str) -> bytes:
        content = self._tar.extractfile(self.members[path])
        assert content is not None, path
        return content.read()

    def exists(self, path: str) -> bool:
        """Whether ``path`` names a file, through every link on the way."""
        done, ahead = "/", [part for part in path.split("/") if part]
        while ahead:
            here = posixpath.normpath(posixpath.join(done, ahead.pop(0)))
            member = self.members.get(here)
            if member is None:
                return False
            if member.issym():
                ahead = posixpath.join(done, member.linkname).split("/") + ahead
                done, ahead = "/", [part for part in ahead if part]
            else:
                done = here
        return self.members[done].isreg()

    def files(self) -> list[str]:
        return [path for path, member in self.members.items() if member.isreg()]

    def programs(self) -> set[str]:
        """The names under which something can be run."""
        return {
            posixpath.basename(path)
            for path, member in self.members.items()
            if not member.isdir() and (member.issym() or member.mode & 0o111)
        }
