"""A build of an app with a stack of its own, and an engine that is only a stand-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exports import export

from rootfs_ansible.drive.build import Build
from rootfs_ansible.drive.engine import Image
from rootfs_ansible.errors import EngineError
from rootfs_ansible.model.plan import Plan, Stage
from rootfs_ansible.plan.app import Inputs
from rootfs_ansible.plan.stack import find

TREE = {
    "runtime": "runtime /usr dir 0755\nruntime /usr/bin dir 0755\nruntime /usr/bin/run file 0755 x",
    "compile": "dependencies /app dir 0755\napp /app/main file 0644 x",
}
OPTIONS: dict[str, Any] = {
    "rootfs_command": ["/usr/bin/run"],
    "rootfs_companions": [],
    "rootfs_entrypoint": [],
    "rootfs_env": {},
    "rootfs_epoch": 0,
    "rootfs_format": [],
    "rootfs_image_name": "shop",
    "rootfs_image_tag": "latest",
    "rootfs_init": False,
    "rootfs_labels": {},
    "rootfs_load": False,
    "rootfs_output": "",
    "rootfs_outputs": [],
    "rootfs_packages": [],
    "rootfs_policy": {},
    "rootfs_policy_allow": {},
    "rootfs_ports": [],
    "rootfs_prefix": "/app",
    "rootfs_roles": [],
    "rootfs_secrets": {},
    "rootfs_smoke": {},
    "rootfs_user": "65532:65532",
    "rootfs_verify": False,
    "rootfs_volumes": [],
    "rootfs_workdir": "",
}


@dataclass
class StandIn:
    """An engine as far as plans and deliveries ask it; ``asked`` is what it was asked."""

    machine: str = "amd64"
    docker_host: str = "unix:///stand-in.sock"
    there: dict[str, Image] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    silent: bool = False

    def image(self, name: str) -> Image | None:
        self._ask(f"image {name}")
        return self.there.get(name)

    def images(self, label: str) -> tuple[Image, ...]:
        self._ask(f"images {label}")
        return ()

    def architecture(self) -> str:
        self._ask("architecture")
        return self.machine

    def load(self, stream: Iterable[bytes]) -> None:
        self._ask("load")
        for _ in stream:
            pass

    def _ask(self, what: str) -> None:
        if self.silent:
            raise EngineError("no answer")
        self.asked.append(what)


def make_build(
    base: Path, name: str = "shop", engine: StandIn | None = None, **options: object
) -> Build:
    """Return the build of the app in ``base/NAME``, whose store is ``base/store``."""
    role = base / "roles" / "stack_zig"
    for part in ("meta", "tasks"):
        (role / part).mkdir(parents=True, exist_ok=True)
    for entry in ("build_image", "runtime", "compile"):
        (role / "tasks" / f"{entry}.yml").touch()
    (role / "meta" / "stack.yml").write_text("name: zig\nmarks: [build.zig]\n")
    app = base / name
    app.mkdir(exist_ok=True)
    (app / "build.zig").touch()
    (stack,) = find([(base / "roles", "")])
    chosen: Mapping[str, Any] = {
        **OPTIONS, "rootfs_store": str(base / "store"), "rootfs_image_name": name, **options,
    }  # fmt: skip
    inputs = Inputs(
        stack=stack,
        options=chosen,
        specs={},
        searches=((base / "roles", ""),),
        root_role=base / "roles" / "root_image",
        collection=base,
        code="code",
        architecture="amd64",
    )
    engine = engine or StandIn()
    return Build(inputs, name, app, engine.docker_host, engine)  # type: ignore[arg-type]


def harvested(build: Build, plan: Plan, project: Mapping[str, Any] | None = None) -> Plan:
    """Return the plan with its stages, each of them run."""
    plan = build.plan_stages(plan, project or {})
    for stage, tree in TREE.items():
        exported = export(build.directory.parent / f"{stage}-{build.name}", tree, epoch=0)
        build.keep(plan, stage, exported.fragment, exported.directory, {})
    return plan.with_stage(Stage("system", "", run=False))
