"""The plan of an app: what it is, the key of each stage, and what is there already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of

from rootfs_ansible.drive import daemon
from rootfs_ansible.model.plan import Plan
from rootfs_ansible.pack.summary import summary


class ActionModule(RootfsAction):
    """Plan an app: the image as a whole first; its stages once its project is known."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the plan as facts."""
        build = build_of(task_vars, self._templar, self._loader)
        project = self._task.args.get("project")
        if project is not None:
            dry = self._task.check_mode
            known = Plan.from_json(task_vars["rootfs_plan"])
            plan = build.plan_stages(known, project, engine_needed=not dry)
            if dry:
                self._display.display(_outlook(plan))
            return {"ansible_facts": {"rootfs_plan": plan.to_json()}}
        plan = build.plan()
        facts = {**build.inputs.options, "rootfs_plan": plan.to_json()}
        image = build.image(plan.key)
        if image is None or self._task.check_mode:
            return {"ansible_facts": facts}
        changed = build.deliver(image)
        text = summary(image, daemon.client(build.docker_host))
        self._display.display(text)
        return {
            "changed": changed,
            "ansible_facts": facts,
            "rootfs_result": image.to_json(),
            "rootfs_summary": text,
        }


def _outlook(plan: Plan) -> str:
    """Return what a build would do, a line for each stage."""
    # What the results need is known once they are there: the system layer waits for the compile.
    lines = [f"{plan.name} would be built from {plan.context} by {plan.role}"]
    build = plan.stage("build_image")
    lines += [
        f"  {stage.name:<12} {'to run' if stage.run else 'is there'}"
        for stage in plan.stages
        if stage.name != "toolchain" or stage.key != build.key
    ]
    return "\n".join(lines)
