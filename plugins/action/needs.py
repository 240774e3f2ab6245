"""What the results of a build need beyond the runtime of their stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import Planned


class ActionModule(RootfsAction):
    """Plan the system stage, now that the compile is harvested."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan with its system stage and the packages to install, to be registered."""
        build = build_of(task_vars, self._templar, self._loader)
        planned = Planned.of(task_vars)
        plan, packages = build.plan_system(planned.plan, planned.project)
        return replace(planned, plan=plan, packages=packages).to_result()
