"""Builds that several tests look at: each is made once, by the commands that a user types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from services import Docker, Rootfs, Service, serving

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent


class Commands:
    """The two entry points, run where a test says, against the tests' engine."""

    def __init__(self, docker_host: str) -> None:
        self.docker_host = docker_host

    def run(
        self,
        *words: str | Path,
        cwd: Path = CHECKOUT,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the virtual environment and return what it printed."""
        program, *arguments = map(str, words)
        return subprocess.run(
            [PROGRAMS / program, *arguments],
            cwd=cwd,
            env=self.environment(environment or {}),
            capture_output=True,
            text=True,
            timeout=1800,
        )

    def build(self, directory: Path, *words: str, **options: Any) -> dict[str, Any]:
        """Build an app through the command line and return its result."""
        ended = self.run("rootfs-ansible", "build", directory, "--json", *words, **options)
        assert ended.returncode == 0, ended.stderr
        result: dict[str, Any] = json.loads(ended.stdout)
        return result

    def playbook(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook of a checkout."""
        return self.run("ansible-playbook", "playbooks/build.yml", *words, **options)

    def says(self, image: str, *words: str) -> str:
        """Run an image on a root that it cannot write, and return what it prints."""
        return subprocess.check_output(
            [
                "docker",
                "run",
                "--rm",
                "--read-only",
                "--cap-drop",
                "ALL",
                f"{image}:latest",
                *words,
            ],
            env=self.environment({}),
            text=True,
        )

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a command: the tests' own, this engine, and ``more``."""
        path = os.pathsep.join((str(PROGRAMS), os.environ["PATH"]))
        return {**os.environ, "PATH": path, "DOCKER_HOST": self.docker_host, **more}


@pytest.fixture(scope="session")
def commands(docker_host: str) -> Commands:
    return Commands(docker_host)


@pytest.fixture(scope="session")
def built_example(commands: Commands) -> dict[str, Any]:
    return commands.build(CHECKOUT / "examples" / "node-web")


@pytest.fixture(scope="session")
def built_haskell_example(commands: Commands) -> dict[str, Any]:
    return commands.build(CHECKOUT / "examples" / "haskell-web")


@pytest.fixture(scope="session")
def built_python_example(commands: Commands) -> dict[str, Any]:
    return commands.build(CHECKOUT / "examples" / "python-web")


@pytest.fixture
def app(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of small apps: ``app(package={...}, files={name: text})``."""

    def make(
        package: Mapping[str, Any] | str, files: Mapping[str, str] | None = None, name: str = "tiny"
    ) -> Path:
        directory = tmp_path / name
        directory.mkdir()
        text = package if isinstance(package, str) else json.dumps(package)
        (directory / "package.json").write_text(text)
        for path, content in (files or {}).items():
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(content)
        return directory

    return make


@pytest.fixture(scope="session")
def docker(docker_host: str) -> Docker:
    return Docker(docker_host)


@pytest.fixture(scope="module")
def locked() -> list[str]:
    """How it runs in production: nothing writable but its volume, no privilege."""
    return [
        "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--publish=127.0.0.1::8080", "--tmpfs=/data:uid=65532",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def service(docker: Docker, image: str, locked: list[str]) -> Iterator[Service]:
    """The service of the image that the test module names."""
    with serving(docker, *locked, image) as service:
        yield service


@pytest.fixture(scope="module")
def shipped(docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory) -> Rootfs:
    """The tree as the engine gives it back, without what the engine put there."""
    container = docker("create", image)
    try:
        return Rootfs(
            docker.write(["export", container], tmp_path_factory.mktemp("export") / "rootfs.tar")
        )
    finally:
        docker("rm", "--volumes", container)
