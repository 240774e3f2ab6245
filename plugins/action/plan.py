"""The plan of an app: what it is, the key of each stage, and what is there already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of, shares_output
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import PART, options_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import Planned
from ansible_collections.rootfs.builder.plugins.plugin_utils.roles import roles_of_app

from rootfs_ansible.drive import daemon
from rootfs_ansible.model.plan import Plan
from rootfs_ansible.pack.summary import summary


class ActionModule(RootfsAction):
    """Plan an app: the image as a whole first; its stages once its project is known."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan, which the play registers as ``rootfs_plan``."""
        build = build_of(task_vars, self._templar, self._loader)
        project = self._task.args.get("project")
        if project is not None:
            dry = self._task.check_mode
            planned = Planned.of(task_vars)
            parts = planned.parts(task_vars)
            plan = build.plan_stages(planned.plan, project, parts=parts, engine_needed=not dry)
            result = Planned(plan, project, build.docker_host).to_result()
            if not dry or PART in task_vars:
                return result
            return {**result, **self._foretold(_outlook(plan, parts))}
        roles = roles_of_app(build, task_vars, self._templar, self._loader)
        plan = build.plan(roles, shared_output=shares_output(build, task_vars))
        result = Planned(plan, docker_host=build.docker_host).to_result()
        image = build.image(plan.key)
        if image is not None:
            result["warnings"] = list(build.enforce(image, dry=self._task.check_mode))
        if image is None or self._task.check_mode:
            options = options_of(build.directory, build.inputs.options, task_vars)
            told = f"{plan.name} is built: {image.name} is in the store" if image else ""
            return {**result, **options, **(self._foretold(told) if told else {})}
        changed = build.deliver(image, plan)
        text = summary(image, daemon.client(build.docker_host))
        self._display.display(text)
        return {
            **result,
            "changed": changed,
            "rootfs_result": image.to_json(),
            "rootfs_summary": text,
        }

    def _foretold(self, text: str) -> dict[str, Any]:
        """Say what would be done; the command line finds it in the result."""
        self._display.display(text)
        return {"rootfs_summary": text}


def _outlook(plan: Plan, parts: Sequence[Plan]) -> str:
    """Return what a build would do, a line for each stage, those of its parts last."""
    # What the results need is known once they are there: the system layer waits for the compile.
    lines = [f"{plan.name} would be built from {plan.context} by {plan.role}"]
    for item in (plan, *parts):
        if item is not plan:
            lines.append(f"  part {item.name}, by {item.role}")
        build, margin = item.stage("build_image"), "  " if item is plan else "    "
        lines += [
            f"{margin}{stage.name:<12} {'to run' if stage.run else 'is there'}"
            for stage in item.stages
            if stage.key
            and (stage.name != "toolchain" or stage.key != build.key)
            and (stage.name != "root_image" or item is plan)
        ]
    return "\n".join(lines)
