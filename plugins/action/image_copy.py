"""A path of an image, copied into a host's container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import (
    container_of,
    engine_of,
)

from rootfs_ansible.drive import container
from rootfs_ansible.drive.keeper import run_process

SPEC = {
    "image": {"type": "str", "required": True},
    "src": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "pull": {"type": "bool", "default": True},
    "name": {"type": "str"},
}


class ActionModule(RootfsAction):
    """Copy a file or directory of an image that is not run."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Say whether it had to be copied."""
        _, args = self.validate_argument_spec(SPEC)
        changed = container.copy(
            engine_of(task_vars, self._templar),
            run_process(),
            args["image"],
            args["src"],
            args["name"] or container_of(task_vars, self._templar),
            args["dest"],
            pull=args["pull"],
            check=self._task.check_mode,
        )
        return {"changed": changed}
