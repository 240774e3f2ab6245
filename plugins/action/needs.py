"""What the results of a build need beyond the runtime of their stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of

from rootfs_ansible.model.plan import Plan


class ActionModule(RootfsAction):
    """Plan the system stage, now that the compile is harvested."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan with its system stage, and the packages to install, as facts."""
        build = build_of(task_vars, self._templar, self._loader)
        plan, packages = build.plan_system(
            Plan.from_json(task_vars["rootfs_plan"]), task_vars.get("rootfs_project") or {}
        )
        facts = {"rootfs_plan": plan.to_json(), "rootfs_needed_packages": list(packages)}
        return {"ansible_facts": facts, "packages": list(packages)}
