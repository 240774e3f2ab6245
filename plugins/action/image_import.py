"""An image of one layer, from a root file system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import engine_of

from rootfs_ansible.drive import container

SPEC = {
    "src": {"type": "path", "required": True},
    "image": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": False},
    "stage": {"type": "str", "required": True},
}


class ActionModule(RootfsAction):
    """Import an archive with a clean configuration."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the id of the image."""
        _, args = self.validate_argument_spec(SPEC)
        changed, image = container.import_root(
            engine_of(task_vars, self._templar),
            Path(args["src"]),
            args["image"],
            key=args["key"],
            stage=args["stage"],
            check=self._task.check_mode,
        )
        return {"changed": changed, "image": args["image"], "id": image.id if image else ""}
