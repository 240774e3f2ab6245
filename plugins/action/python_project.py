"""A Python project, read on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils import python_project
from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction


class ActionModule(RootfsAction):
    """Read a Python project, whatever the host's connection is."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the base's
        """Return the project as plain values, also as the fact ``rootfs_project``."""
        _, arguments = self.validate_argument_spec(
            {
                "directory": {"type": "path", "required": True},
                "lock": {"type": "str", "default": ""},
                "extras": {"type": "list", "elements": "str", "default": []},
                "groups": {"type": "list", "elements": "str", "default": []},
                "project": {
                    "type": "str",
                    "default": "auto",
                    "choices": ["auto", "package", "files"],
                },
                "distribution_version": {"type": "str", "default": ""},
            }
        )
        directory = Path(arguments["directory"])
        project = python_project.read(
            directory,
            python_project.Request(
                lock=arguments["lock"],
                extras=tuple(arguments["extras"]),
                groups=tuple(arguments["groups"]),
                form=arguments["project"],
                distribution_version=arguments["distribution_version"],
            ),
        )
        facts = project.to_facts(directory)
        return {
            "changed": False,
            "ansible_facts": {"rootfs_project": facts},
            "project": facts,
            "warnings": list(project.warnings),
        }
