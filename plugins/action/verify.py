"""The proof of an image that was built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import engine_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import (
    COLLECTION,
    role_directories,
)

from rootfs_ansible.drive import verify
from rootfs_ansible.drive.engine import LABEL_KEY, Engine
from rootfs_ansible.drive.keeper import run_process
from rootfs_ansible.errors import BuildError
from rootfs_ansible.plan.app import tracer_key
from rootfs_ansible.store.layout import Store, default_directory

SPEC = {
    "image": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["planned", "verified"], "default": "verified"},
    "store": {"type": "path"},
    "tracer": {"type": "str"},
    "smoke": {"type": "dict"},
    "root_image": {"type": "str"},
    "root_key": {"type": "str", "no_log": False},
}


class ActionModule(RootfsAction):
    """Plan the tracer that an image is verified with, or verify the image."""

    _supports_check_mode = False

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tracer, or the proof as ``rootfs_result``."""
        _, args = self.validate_argument_spec(
            SPEC,
            required_if=[("state", "verified", ("tracer",))],
            required_together=[("root_image", "root_key")],
        )
        store = Store(Path(args["store"] or default_directory()).expanduser())
        engine = engine_of(task_vars, self._templar)
        image, asked = verify.asked_of(store, args["image"])
        if args["state"] == "planned":
            root = (args["root_image"] or asked.root_image, args["root_key"] or asked.root_key)
            return self._planned(engine, *root, task_vars)
        if args["smoke"]:
            asked = verify.asked_instead(asked, args["smoke"])
        proof = verify.verify(engine, run_process(), store, image, asked, args["tracer"])
        return self.proved(proof)

    def proved(self, proof: verify.Proof) -> dict[str, Any]:
        """Return the result of a proof: a failed task where the image is not proved."""
        text = proof.to_text()
        self._display.display(text)
        result: dict[str, Any] = {
            "changed": False,
            "rootfs_result": proof.to_json(),
            "rootfs_summary": text,
        }
        if not proof.proved:
            error = BuildError(proof.failure, where=proof.image.name, hint=proof.hint)
            result.update(failed=True, msg=str(error), error=error.to_json())
        return result

    def _planned(
        self, engine: Engine, root_image: str, root_key: str, task_vars: Mapping[str, Any]
    ) -> dict[str, Any]:
        key = tracer_key(root_key, COLLECTION, role_directories(task_vars))
        name = f"{verify.TRACER}:{key[:12]}"
        found = engine.image(name)
        there = found is not None and found.labels.get(LABEL_KEY) == key
        root = engine.image(root_image)
        return {
            "changed": False,
            "possible": there or (root is not None and root.labels.get(LABEL_KEY) == root_key),
            "tracer": {"image": name, "key": key, "run": not there, "root_image": root_image},
        }
