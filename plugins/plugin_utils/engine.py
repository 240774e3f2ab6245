"""The engine that a play's tasks speak to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.template import Templar

from rootfs_ansible.drive.engine import Engine


def engine_of(task_vars: Mapping[str, Any], templar: Templar) -> Engine:
    """Return the engine of the fact ``rootfs_docker_host``, else of DOCKER_HOST, else the default.

    The fact is what the role ``rootfs.builder.engine`` sets.
    """
    return Engine(str(templar.template(task_vars.get("rootfs_docker_host")) or ""))
