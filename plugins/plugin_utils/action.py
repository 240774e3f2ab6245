"""What every action of the collection has in common: where it runs, and how it fails."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from rootfs_ansible.errors import RootfsError


class RootfsAction(ActionBase):
    """An action that runs on the controller, whatever the host's connection is.

    The one place that turns a ``RootfsError`` into Ansible's result of a failed task.
    """

    _supports_check_mode = True
    _supports_async = False

    def run(
        self, tmp: str | None = None, task_vars: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the action; its result says ``failed`` with the whole message of the error."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(self.perform(task_vars or {}))
        except RootfsError as error:
            result.update(failed=True, msg=str(error), error=error.to_json())
        return result

    @abstractmethod
    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Do the work and return the task's result; raise ``RootfsError`` where it cannot."""
