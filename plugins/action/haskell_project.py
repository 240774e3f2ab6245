"""A Haskell project, looked at on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils import haskell_project
from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction


class ActionModule(RootfsAction):
    """Look at a Haskell project, whatever the host's connection is."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the base's
        """Return the project as plain values, also as the fact ``rootfs_project``."""
        _, arguments = self.validate_argument_spec(
            {
                "directory": {"type": "path", "required": True},
                "repository": {"type": "str", "default": ""},
            }
        )
        directory = Path(arguments["directory"])
        facts = haskell_project.read(directory, arguments["repository"]).to_facts(directory)
        return {"changed": False, "ansible_facts": {"rootfs_project": facts}, "project": facts}
