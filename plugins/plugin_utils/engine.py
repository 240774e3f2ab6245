"""The engine that a play's tasks speak to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.template import Templar

from rootfs_ansible.drive import daemon
from rootfs_ansible.drive.engine import Engine


def engine_of(task_vars: Mapping[str, Any], templar: Templar) -> Engine:
    """Return the engine that ``docker_host_of`` names."""
    return Engine(docker_host_of(task_vars, templar))


def docker_host_of(task_vars: Mapping[str, Any], templar: Templar) -> str:
    """Return how the engine is reached, as DOCKER_HOST would say it; empty if none answers.

    The fact ``rootfs_docker_host``, which the role ``rootfs.builder.engine`` sets, says it. Before
    that role has run, it is the engine that the role would find.
    """
    known = str(templar.template(task_vars.get("rootfs_docker_host")) or "")
    if known:
        return known
    directory = daemon.default_directory()
    dry = bool(task_vars.get("ansible_check_mode"))
    return daemon.find(directory) if dry else daemon.reach(directory)
