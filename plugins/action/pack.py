"""From the harvests of an app's stages to its image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import Planned

from rootfs_ansible.drive import daemon
from rootfs_ansible.drive.keeper import run_process
from rootfs_ansible.errors import BuildError
from rootfs_ansible.pack.summary import summary


class ActionModule(RootfsAction):
    """Link, pack and deliver the image, if the policy allows what is in it."""

    _supports_check_mode = False

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the image as ``rootfs_result``."""
        build = build_of(task_vars, self._templar, self._loader)
        planned = Planned.of(task_vars)
        image = build.pack(planned.plan, planned.project)
        warnings = build.enforce(image)
        proved = ""
        if build.inputs.options["rootfs_verify"]:
            proof = build.prove(image, planned.plan, run_process())
            if not proof.proved:
                raise BuildError(
                    f"{proof.failure}; it is not delivered",
                    where=build.name,
                    details=proof.to_text().splitlines(),
                    hint=proof.hint,
                )
            build.accept(image, planned.plan)
            proved = f"\nproved  {proof.outcome.said}, and nothing is missing"
        build.deliver(image, planned.plan)
        text = summary(image, daemon.client(build.docker_host)) + proved
        self._display.display(text)
        return {
            "changed": True,
            "warnings": list(warnings),
            "rootfs_result": image.to_json(),
            "rootfs_summary": text,
        }
