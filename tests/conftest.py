"""What tests of several rooms need: the engine, and an image that has a package manager."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import fuzzing  # noqa: F401 - it brings the profile of long runs
import pytest

from rootfs_ansible.drive import daemon

# A shell that starts the tests in the background has them, and all they start, ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)

CHECKOUT = Path(__file__).resolve().parents[1]
PROGRAMS = Path(sys.executable).parent

MAKE_ROOT_IMAGE = """
- hosts: localhost
  connection: local
  gather_facts: false
  roles: [rootfs.builder.engine, rootfs.builder.root_image]
"""


@pytest.fixture(scope="session")
def docker_host() -> str:
    """The engine that answers, else one that roles/engine provides; as DOCKER_HOST names it."""
    directory = daemon.default_directory()
    if not daemon.find(directory):
        _playbook(CHECKOUT / "playbooks" / "engine.yml")
    found = daemon.find(directory)
    assert found, "playbooks/engine.yml ended well, and yet no engine answers"
    return found


@pytest.fixture(scope="session")
def lookups() -> None:
    """Ansible's lookups: defaults of our roles ask the environment."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()


@pytest.fixture(scope="session")
def root_image(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A root image: the one of a build if there is one, else one of roles/root_image."""
    listing = [
        "docker", "--host", docker_host, "images", "--quiet",
        "--filter", "label=rootfs.builder.stage=root_image",
    ]  # fmt: skip
    if not subprocess.check_output(listing, text=True):
        playbook = tmp_path_factory.mktemp("root-image") / "playbook.yml"
        playbook.write_text(MAKE_ROOT_IMAGE)
        _playbook(playbook)
    return subprocess.check_output(listing, text=True).split()[0]


def _playbook(path: Path) -> None:
    environment = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([PROGRAMS / "ansible-playbook", path], cwd=CHECKOUT, env=environment, check=True)
