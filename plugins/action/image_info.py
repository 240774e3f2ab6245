"""Whether the engine has an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import engine_of

from rootfs_ansible.drive.engine import LABEL_KEY

SPEC = {
    "image": {"type": "str", "required": True},
    "key": {"type": "str", "no_log": False, "default": ""},
}


class ActionModule(RootfsAction):
    """Look an image up."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return whether it exists, and what the engine knows of it."""
        _, args = self.validate_argument_spec(SPEC)
        image = engine_of(task_vars, self._templar).image(args["image"])
        if image is None or (args["key"] and image.labels.get(LABEL_KEY) != args["key"]):
            return {"changed": False, "exists": False}
        return {
            "changed": False,
            "exists": True,
            "id": image.id,
            "labels": dict(image.labels),
            "size": image.size,
        }
