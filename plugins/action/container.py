"""The container that a host is for a while."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import is_encrypted
from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import (
    container_of,
    engine_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import REGISTERED, Planned

from rootfs_ansible.drive import container
from rootfs_ansible.drive.keeper import run_process
from rootfs_ansible.drive.sources import EPOCH, Sources
from rootfs_ansible.errors import InputError

SPEC = {
    "state": {"type": "str", "choices": ["started", "offline", "absent"], "default": "started"},
    "name": {"type": "str"},
    "purpose": {"type": "str", "default": "build"},
    "image": {"type": "str"},
    "sources": {"type": "path"},
    "sources_digest": {"type": "str", "default": ""},
    "ignore": {"type": "list", "elements": "str", "default": []},
    "parts": {"type": "bool", "default": False},
    "prefix": {"type": "path"},
    "ca_bundle": {"type": "path"},
    "secrets": {"type": "dict"},
    "environment": {"type": "dict", "default": {}},
    "network": {"type": "str", "default": ""},
    "keep": {"type": "bool", "default": False},
    "pull": {"type": "bool", "default": False},
}


class ActionModule(RootfsAction):
    """Start the host's container, take it offline, or remove it."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the name of the container; who starts it registers it as ``rootfs_container``."""
        _, args = self.validate_argument_spec(
            SPEC, required_if=[("state", "started", ("image", "purpose"))]
        )
        check = self._task.check_mode
        engine = engine_of(task_vars, self._templar)
        owner = run_process()
        if args["state"] == "started":
            request = self._request(args, task_vars)
            name = container.name_of(request, owner)
            changed = container.start(engine, owner, request, check=check)
            return {"changed": changed, "container": name}
        name = args["name"] or container_of(task_vars, self._templar)
        changed = bool(name) and (
            container.take_offline(engine, name, check=check)
            if args["state"] == "offline"
            else container.remove(engine, owner, name, check=check)
        )
        return {"changed": changed, "container": name}

    def _request(self, args: Mapping[str, Any], task_vars: Mapping[str, Any]) -> container.Request:
        build = (
            build_of(task_vars, self._templar, self._loader) if REGISTERED in task_vars else None
        )
        options = build.inputs.options if build else None

        def variable(name: str) -> object:
            if options is not None:
                return options.get(name)
            return self._templar.template(task_vars.get(name))

        proxies = _dictionary(variable("rootfs_build_proxy"))
        own = _dictionary(variable("rootfs_build_env"))
        secrets = args["secrets"] or _dictionary(variable("rootfs_secrets"))
        ca_bundle = args["ca_bundle"] or variable("rootfs_build_ca_bundle")
        epoch = int(str(variable("rootfs_epoch") or 0)) or EPOCH
        environment = {
            "SOURCE_DATE_EPOCH": str(epoch),
            **{name: value for name, value in proxies.items() if value},
            **{name.upper(): value for name, value in proxies.items() if value},
            **args["environment"],
            # The build is the app's own; what others share is the same for every app.
            **(own if args["purpose"] == "build" else {}),
        }
        sources = args["sources"]
        return container.Request(
            image=args["image"] or "",
            app=str(task_vars["inventory_hostname"]),
            purpose=args["purpose"],
            name=args["name"] or "",
            sources=Sources(Path(sources), tuple(args["ignore"])) if sources else None,
            sources_digest=args["sources_digest"],
            results=build.results(Planned.of(task_vars).plan) if build and args["parts"] else (),
            prefix=args["prefix"] or str(variable("rootfs_prefix") or "/app"),
            modified=epoch,
            read=self._content,
            ca_bundle=Path(str(ca_bundle)).expanduser() if ca_bundle else None,
            secrets={name: Path(str(path)).expanduser() for name, path in secrets.items()},
            environment={name: str(value) for name, value in sorted(environment.items())},
            network=args["network"],
            keep=args["keep"],
            pull=args["pull"],
        )

    def _content(self, path: Path) -> bytes:
        """Return the content of a file of the controller, decrypted in memory if it is a vault's.

        Ansible's own way for bytes leaves the plain text in a file for a while.
        """
        content = path.read_bytes()
        if not is_encrypted(content):
            return content
        try:
            # This encoding gives every byte back as it was.
            text = self._loader.get_text_file_contents(str(path), encoding="latin-1")
        except AnsibleError as error:
            raise InputError(f"cannot be decrypted: {error.message}") from error
        return str(text).encode("latin-1")


def _dictionary(value: object) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
