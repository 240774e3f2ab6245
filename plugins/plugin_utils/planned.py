"""What a play knows of an app once it is planned, as it registers it: ``rootfs_plan``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rootfs_ansible.errors import InputError
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

    def parts(self, task_vars: Mapping[str, Any]) -> tuple[Plan, ...]:
        """Return the plans of the app's parts, which their hosts have registered.

        ``InputError`` where one has not: it failed, or is none of the play's hosts.
        """
        hosts = [part.host for part in self.plan.parts]
        registered = {host: task_vars["hostvars"].get(host, {}).get(REGISTERED) for host in hosts}
        missing = [host for host in hosts if not (registered[host] or {}).get("stages")]
        if missing:
            raise InputError(
                f"parts of {self.plan.name} are not planned",
                details=missing,
                hint="see the message of the part above; where --limit names the app, have it name"
                f" the app's parts as well: --limit '{self.plan.name},{self.plan.name}.*'",
            )
        return tuple(Plan.from_json(registered[host]) for host in hosts)

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
