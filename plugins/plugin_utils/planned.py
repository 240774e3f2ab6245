"""What a play knows of an app once it is planned, as it registers it: ``rootfs_plan``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rootfs_ansible.model.plan import Plan

REGISTERED = "rootfs_plan"


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan of an app; the project that its stack read, the engine that it is built with, and
    the packages that its results need, as far as these are known.

    A play registers it. What a program of a build container returns as facts is below registered
    variables (Ansible's precedence), so no such program can change it.
    """

    plan: Plan
    project: Mapping[str, Any] = field(default_factory=dict)
    docker_host: str = ""
    packages: Sequence[str] = ()

    def to_result(self) -> dict[str, Any]:
        """Return it as the result of a task: the plan's own fields, and the others beside them."""
        return {
            **self.plan.to_json(),
            "project": dict(self.project),
            "docker_host": self.docker_host,
            "packages": list(self.packages),
        }

    @staticmethod
    def of(task_vars: Mapping[str, Any]) -> Planned:
        """Return what was registered; ``InputError`` where that is no plan."""
        found = task_vars.get(REGISTERED) or {}
        return Planned(
            Plan.from_json(found),
            found.get("project") or {},
            str(found.get("docker_host") or ""),
            tuple(found.get("packages") or ()),
        )
