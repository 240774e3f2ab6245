"""From Ansible's variables to a build: its stack, the engine's architecture, shared outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.rootfs.builder.plugins.plugin_utils import build as module
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import COLLECTION
from ansible_collections.rootfs.builder.plugins.plugin_utils.roles import roles_of_app
from builds import StandIn

from rootfs_ansible.drive.build import Build
from rootfs_ansible.drive.engine import native_architecture
from rootfs_ansible.errors import InputError
from rootfs_ansible.model.policy import OF_PATHS, Allowance, Policy, Rule

pytestmark = pytest.mark.usefixtures("lookups")


@pytest.fixture
def task_vars(tmp_path: Path) -> dict[str, Any]:
    """Those of a host whose directory two stacks recognise."""
    team = tmp_path / "play" / "roles" / "stack_zig"
    for file, text in (
        ("meta/stack.yml", "name: zig\nmarks: [build.zig]\n"),
        ("tasks/runtime.yml", "[]"),
    ):
        (team / file).parent.mkdir(parents=True)
        (team / file).write_text(text)
    app = tmp_path / "shop"
    app.mkdir()
    (app / "build.zig").touch()
    (app / "package.json").write_text("{}")
    return {
        "ansible_check_mode": True,
        "inventory_hostname": "shop",
        "playbook_dir": str(tmp_path / "play"),
        "rootfs_app_dir": str(app),
        "rootfs_store": str(tmp_path / "store"),
    }


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    engine = StandIn(machine="riscv64")
    monkeypatch.setattr(module, "Engine", lambda _: engine)
    monkeypatch.setattr(module, "docker_host_of", lambda *_: engine.docker_host)
    return engine


def build_of(task_vars: dict[str, Any]) -> Build:
    loader = DataLoader()
    return module.build_of(task_vars, Templar(loader=loader, variables=task_vars), loader)


def test_an_app_may_say_its_stack_where_several_match(
    task_vars: dict[str, Any], engine: StandIn
) -> None:
    with pytest.raises(InputError, match="more than one stack"):
        build_of(task_vars)
    (Path(task_vars["rootfs_app_dir"]) / "rootfs.yml").write_text("rootfs_stack: zig\n")
    assert build_of(task_vars).inputs.stack.name == "zig"
    assert build_of({**task_vars, "rootfs_stack": "node"}).inputs.stack.name == "node"


def test_the_architecture_is_the_engines_and_without_one_this_machines(
    task_vars: dict[str, Any], engine: StandIn
) -> None:
    task_vars["rootfs_stack"] = "node"
    build = build_of(task_vars)
    assert (build.inputs.architecture, engine.asked) == ("riscv64", ["architecture"])
    engine.docker_host, engine.silent = "", True
    assert build_of(task_vars).inputs.architecture == native_architecture()


def test_apps_of_a_play_share_an_output_where_their_variables_say_the_same(
    task_vars: dict[str, Any], engine: StandIn
) -> None:
    task_vars |= {"rootfs_stack": "node", "ansible_play_hosts_all": ["shop", "blog"]}

    def shares(own: str, other: dict[str, Any], **more: object) -> bool:
        told = {**task_vars, "rootfs_output": own, "rootfs_format": ["oci"], **more}
        return module.shares_output(build_of(told), {**told, "hostvars": {"blog": other}})

    assert shares("/out", {"rootfs_output": "/out"})
    assert shares("/out", {"rootfs_output": "/out/"})
    assert not shares("/out/shop", {"rootfs_output": "/out/blog"})
    assert not shares("/out", {})
    assert not shares("/out", {"rootfs_output": "/out"}, ansible_play_hosts_all=["shop"])
    assert not shares("/out", {"rootfs_output": "/out"}, rootfs_format=[])


def test_an_app_cannot_put_a_role_in_the_place_of_a_teams(
    task_vars: dict[str, Any], engine: StandIn, tmp_path: Path
) -> None:
    """Tasks run on the controller in part, and the inventory means the role that it knows."""
    assert engine
    team, own = tmp_path / "play" / "roles", tmp_path / "shop" / "roles"
    for place in (team / "nginx", own / "nginx", own / "site"):
        (place / "tasks").mkdir(parents=True)
        (place / "tasks" / "main.yml").write_text("[]")
    task_vars |= {"rootfs_stack": "zig", "rootfs_roles": ["nginx", "site"]}
    loader = DataLoader()
    templar = Templar(loader=loader, variables=task_vars)
    roles = roles_of_app(module.build_of(task_vars, templar, loader), task_vars, templar, loader)
    assert [role.path for role in roles.applied] == [str(team / "nginx"), str(own / "site")]


@pytest.mark.usefixtures("engine")
def test_a_policy_is_said_as_its_specification_has_it(task_vars: dict[str, Any]) -> None:
    def planned(**said: Any) -> Build:
        build = build_of({**task_vars, "rootfs_stack": "zig", **said})
        build.plan()
        return build

    said = planned(
        rootfs_policy={"size": 150_000_000, "packages": "80", "disabled": ["compiler"]},
        rootfs_policy_allow={"shell": ["/opt/sh"]},
    ).inputs.options
    assert Policy.parse(said["rootfs_policy"], said["rootfs_policy_allow"]) == Policy(
        allowed=(Allowance(Rule.SHELL, "/opt/sh"),),
        disabled=(Rule.COMPILER,),
        size=150_000_000,
        packages=80,
    )
    for option, value in (
        ("rootfs_policy", {"sise": 1}),
        ("rootfs_policy", {"disabled": ["shel"]}),
        ("rootfs_policy", {"packages": "few"}),
        ("rootfs_policy_allow", {"shel": ["/bin/sh"]}),
        ("rootfs_policy_allow", {"shell": ["sh"]}),
    ):
        with pytest.raises(InputError, match=r"not as (they|it) must be") as raised:
            planned(**{option: value})
        assert option in str(raised.value)
    specified = (COLLECTION / "roles" / "rootfs" / "meta" / "argument_specs.yml").read_text()
    options = yaml.safe_load(specified)["argument_specs"]["main"]["options"]
    assert tuple(options["rootfs_policy"]["options"]["disabled"]["choices"]) == OF_PATHS
    assert tuple(options["rootfs_policy_allow"]["options"]) == OF_PATHS
