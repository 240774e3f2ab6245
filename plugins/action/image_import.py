"""An image of one layer, from a root file system."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import engine_of

from rootfs_ansible.drive import container
from rootfs_ansible.drive.engine import Image
from rootfs_ansible.drive.keeper import run_process
from rootfs_ansible.drive.program import write_output
from rootfs_ansible.store.aside import temporary

SPEC = {
    "src": {"type": "path"},
    "argv": {"type": "list", "elements": "str"},
    "image": {"type": "str", "required": True},
    "key": {"type": "str", "required": True, "no_log": False},
    "stage": {"type": "str", "required": True},
}
SOURCES = ("src", "argv")


class ActionModule(RootfsAction):
    """Import an archive, or what a program writes, with a clean configuration."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the id of the image."""
        _, args = self.validate_argument_spec(
            SPEC, mutually_exclusive=[SOURCES], required_one_of=[SOURCES]
        )
        engine = engine_of(task_vars, self._templar)
        dry = self._task.check_mode

        def imported(archive: Path, *, check: bool) -> tuple[bool, Image | None]:
            return container.import_root(
                engine, archive, args["image"], key=args["key"], stage=args["stage"], check=check
            )

        changed, image = imported(Path(args["src"] or ""), check=dry or not args["src"])
        if args["argv"] and changed and not dry:
            with temporary("rootfs-root-image-") as directory:
                archive = directory / "root.tar"
                write_output(run_process(), args["argv"], archive, self._environment())
                _, image = imported(archive, check=False)
        return {"changed": changed, "image": args["image"], "id": image.id if image else ""}

    def _environment(self) -> dict[str, str]:
        """Return the environment that task, block and play set, as for every program of a task."""
        found: dict[str, Any] = {}
        self._compute_environment_string(found)
        return {name: str(value) for name, value in found.items()}
