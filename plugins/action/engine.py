"""The container engine that a play builds with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction

from rootfs_ansible.drive import daemon

SPEC = {
    "state": {"type": "str", "choices": ["found", "started", "stopped"], "default": "found"},
    "directory": {"type": "path"},
    "storage_driver": {"type": "str", "default": ""},
}


class ActionModule(RootfsAction):
    """Find the engine that answers; start or stop the private one."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Return how the engine is reached, also as the fact ``rootfs_docker_host``."""
        _, args = self.validate_argument_spec(SPEC)
        directory = Path(args["directory"] or daemon.default_directory())
        if args["state"] == "stopped":
            own = daemon.Daemon(directory)
            if self._task.check_mode:
                return {"changed": bool(own.pid())}
            return {"changed": own.stop()}
        docker_host = daemon.find(directory)
        changed = args["state"] == "started" and not docker_host
        if changed:
            own = daemon.Daemon(directory)
            if not self._task.check_mode:
                own.start(args["storage_driver"])
            docker_host = own.docker_host
        named = os.environ.get("DOCKER_HOST")
        result: dict[str, Any] = {
            "changed": changed,
            "docker_host": docker_host,
            "missing": daemon.missing(docker_host),
            "ansible_facts": {"rootfs_docker_host": docker_host} if docker_host else {},
        }
        if named and docker_host and named != docker_host:
            result["warnings"] = [
                f"the engine of DOCKER_HOST ({named}) does not answer; {docker_host} is used"
            ]
        return result
