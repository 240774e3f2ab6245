"""A Node project, read on the controller."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils import node_project
from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_start import Start


class ActionModule(RootfsAction):
    """Read a Node project, whatever the host's connection is."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the base's
        """Return the project as plain values, also as the fact ``rootfs_project``."""
        _, arguments = self.validate_argument_spec(
            {
                "directory": {"type": "path", "required": True},
                "prefix": {"type": "path", "required": True},
                "workspace": {"type": "str", "default": ""},
                "version": {"type": "str", "default": ""},
                "distribution_version": {"type": "str", "default": ""},
                "build": {"type": "list", "elements": "str", "default": ["auto"]},
                "entrypoint": {"type": "list", "elements": "str", "default": []},
                "command": {"type": "list", "elements": "str", "default": []},
                "command_needed": {"type": "bool", "default": True},
                "working_directory": {"type": "str", "default": ""},
            }
        )
        project = node_project.read(
            Path(arguments["directory"]),
            node_project.Request(
                workspace=arguments["workspace"],
                node_range=arguments["version"],
                distribution_version=arguments["distribution_version"],
                build=tuple(arguments["build"]),
                start=Start(
                    entrypoint=tuple(arguments["entrypoint"]),
                    command=tuple(arguments["command"]),
                    prefix=arguments["prefix"],
                    working_directory=arguments["working_directory"],
                    needed=arguments["command_needed"],
                ),
            ),
        )
        facts = node_project.to_facts(project, arguments["prefix"])
        return {
            "changed": False,
            "ansible_facts": {"rootfs_project": facts},
            "project": facts,
            "warnings": list(project.warnings),
        }
