"""The engine that builds use."""

from __future__ import annotations

import testinfra

from rootfs_ansible.drive import daemon
from rootfs_ansible.drive.engine import Engine

CONTROLLER = testinfra.get_host("local://")


def test_the_engine_and_its_client_are_there() -> None:
    docker_host = daemon.find(daemon.default_directory())
    answer = CONTROLLER.check_output("docker --host %s version -f '{{.Server.Arch}}'", docker_host)
    assert answer == Engine(docker_host).architecture()
