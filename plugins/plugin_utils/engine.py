"""The engine that a play's tasks speak to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.template import Templar
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import REGISTERED

from rootfs_ansible.drive import daemon
from rootfs_ansible.drive.engine import Engine


def engine_of(task_vars: Mapping[str, Any], templar: Templar) -> Engine:
    """Return the engine that ``docker_host_of`` names."""
    return Engine(docker_host_of(task_vars, templar))


def docker_host_of(task_vars: Mapping[str, Any], templar: Templar) -> str:
    """Return how the engine is reached, as DOCKER_HOST would say it; empty if none answers.

    Once an app is planned, its plan says it; before, the fact ``rootfs_docker_host``, which the
    role ``rootfs.builder.engine`` sets. Before that role has run, it is the engine that the role
    would find.
    """
    planned = (task_vars.get(REGISTERED) or {}).get("docker_host")
    known = str(planned or templar.template(task_vars.get("rootfs_docker_host")) or "")
    if known:
        return known
    directory = daemon.default_directory()
    dry = bool(task_vars.get("ansible_check_mode"))
    return daemon.find(directory) if dry else daemon.reach(directory)


def container_of(task_vars: Mapping[str, Any], templar: Templar) -> str:
    """Return the name of the container that the host is now; empty if it is none.

    ``rootfs_container`` is the registered result of the task that started it, or a name.
    """
    known = templar.template(task_vars.get("rootfs_container"))
    return str((known.get("container") if isinstance(known, Mapping) else known) or "")
