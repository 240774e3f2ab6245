"""An image of what a host's container has become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import (
    container_of,
    engine_of,
)

from rootfs_ansible.drive import container

SPEC = {
    "image": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": False},
    "stage": {"type": "str", "required": True},
    "name": {"type": "str"},
}


class ActionModule(RootfsAction):
    """Commit the host's container as an image with a clean configuration."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the id of the image."""
        _, args = self.validate_argument_spec(SPEC)
        changed, image = container.commit(
            engine_of(task_vars, self._templar),
            args["name"] or container_of(task_vars, self._templar),
            args["image"],
            key=args["key"],
            stage=args["stage"],
            check=self._task.check_mode,
        )
        return {"changed": changed, "image": args["image"], "id": image.id if image else ""}
