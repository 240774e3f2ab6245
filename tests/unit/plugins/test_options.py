"""Options: a role's default, the app's own file over it, Ansible's variables over both."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.rootfs.builder.plugins.filter.leads import leads
from ansible_collections.rootfs.builder.plugins.plugin_utils import options
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import (
    COLLECTION,
    RoleOptions,
    app_file,
    options_of,
    resolve,
    role_directories,
)

from rootfs_ansible.errors import InputError

DEFAULTS = """
shop_port: 80
shop_name: "shop-{{ inventory_hostname }}"
shop_flags: []
"""
SPECS = """
argument_specs:
  main:
    options:
      shop_dir: {type: path, required: true}
      shop_port: {type: int}
      shop_name: {type: str}
      shop_flags: {type: list, elements: str}
  compile:
    options:
      shop_found: {type: str, required: true}
"""


@pytest.fixture
def loader() -> DataLoader:
    return DataLoader()


@pytest.fixture
def role(tmp_path: Path, loader: DataLoader) -> RoleOptions:
    directory = tmp_path / "shop"
    for path, text in (("defaults/main.yml", DEFAULTS), ("meta/argument_specs.yml", SPECS)):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    return RoleOptions(directory, loader)


def resolved(role: RoleOptions, loader: DataLoader, own: dict[str, Any], **variables: Any) -> Any:
    task_vars = {"inventory_hostname": "one", "shop_dir": "/srv", **variables}
    return resolve([role], own, task_vars, Templar(loader, task_vars))


def test_a_default_counts_where_nobody_says_more(role: RoleOptions, loader: DataLoader) -> None:
    assert resolved(role, loader, {}) == {
        "shop_dir": "/srv",
        "shop_flags": [],
        "shop_name": "shop-one",
        "shop_port": 80,
    }


def test_the_apps_own_value_is_over_the_default(role: RoleOptions, loader: DataLoader) -> None:
    assert resolved(role, loader, {"shop_port": 81})["shop_port"] == 81


def test_a_variable_is_over_the_apps_own(role: RoleOptions, loader: DataLoader) -> None:
    assert resolved(role, loader, {"shop_port": 81}, shop_port="82")["shop_port"] == 82


def test_an_app_cannot_run_templates_on_the_controller(
    role: RoleOptions, loader: DataLoader, tmp_path: Path
) -> None:
    (tmp_path / "rootfs.yml").write_text("shop_name: \"{{ lookup('pipe', 'id') }}\"")
    own = app_file(tmp_path, role.options)
    assert resolved(role, loader, own)["shop_name"] == "{{ lookup('pipe', 'id') }}"


def test_an_app_can_set_options_and_nothing_else(role: RoleOptions, tmp_path: Path) -> None:
    (tmp_path / "rootfs.yml").write_text("ansible_connection: ssh\nshop_prot: 81\n")
    with pytest.raises(InputError, match="no such option") as raised:
        app_file(tmp_path, role.options)
    assert raised.value.where == str(tmp_path / "rootfs.yml")
    assert raised.value.details == (
        "ansible_connection",
        "shop_prot; did you mean shop_port?",
    )


def test_an_app_says_nothing_of_the_controller(role: RoleOptions, tmp_path: Path) -> None:
    text = "rootfs_secrets: {k: /etc/shadow}\nroot_image_mirror: x\nrootfs_output: /etc/cron.d/x\n"
    text += "rootfs_policy: {size: 9 GB}\nrootfs_policy_allow: {shell: [/**]}\n"
    (tmp_path / "rootfs.yml").write_text(text)
    with pytest.raises(InputError, match="an app cannot say this of itself") as raised:
        app_file(tmp_path, role.options)
    assert raised.value.details == (
        "root_image_mirror",
        "rootfs_output",
        "rootfs_policy",
        "rootfs_policy_allow",
        "rootfs_secrets",
    )
    assert "inventory" in raised.value.hint
    (tmp_path / "rootfs.yml").write_text("rootfs_roles: [anything]\nshop_port: 81\n")
    with pytest.raises(InputError) as raised:
        app_file(tmp_path, role.options, ["shop_port"])
    assert raised.value.details == ("rootfs_roles", "shop_port")


def test_roles_are_told_what_the_app_itself_decides(
    role: RoleOptions, loader: DataLoader, tmp_path: Path
) -> None:
    (tmp_path / "rootfs.yml").write_text("shop_port: '81'\nshop_name: mine\n")
    task_vars = {"shop_name": "theirs"}
    options = resolved(role, loader, app_file(tmp_path, role.options), **task_vars)
    told = options_of(tmp_path, {**options, "rootfs_prefix": "/app", "rootfs_env": {}}, task_vars)
    assert told == {"options": {"rootfs_prefix": "/app"}, "own_options": {"shop_port": 81}}


def test_a_program_of_the_build_cannot_set_options(role: RoleOptions, loader: DataLoader) -> None:
    facts = {"shop_port": 82, "distribution": "Debian"}
    with pytest.raises(InputError, match="facts of the host have the names") as raised:
        resolved(role, loader, {}, ansible_facts=facts, shop_port=82)
    assert raised.value.details == ("shop_port",)


def test_an_app_file_that_is_no_yaml_says_where(role: RoleOptions, tmp_path: Path) -> None:
    (tmp_path / "rootfs.yml").write_text("shop_port: [1\n")
    with pytest.raises(InputError, match="line 2"):
        app_file(tmp_path, role.options)


def test_a_variable_with_the_prefix_of_an_option_is_one_or_a_mistake(
    role: RoleOptions, loader: DataLoader
) -> None:
    with pytest.raises(InputError, match="shop_flag; did you mean shop_flags"):
        resolved(role, loader, {}, shop_flag=["-v"])


def test_values_of_other_types_come_as_one_error(role: RoleOptions, loader: DataLoader) -> None:
    with pytest.raises(InputError) as raised:
        resolved(role, loader, {}, shop_port="many", shop_flags={"a": 1})
    assert len(raised.value.details) == 2


def test_the_first_app_of_each_key_makes_what_is_shared() -> None:
    def app(key: str) -> dict[str, Any]:
        return {"rootfs_plan": {"stages": {"runtime": {"key": key}}}}

    hostvars = {"unread": {}, "one": app("a"), "two": app("b"), "three": app("a")}
    assert leads(["unread", "one", "two", "three"], hostvars, "runtime") == ["one", "two"]


def test_roles_are_looked_for_where_ansible_looks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the playbook that is run and what it imports, on the roles path, in collections."""
    play, path, team = tmp_path / "play", tmp_path / "path", tmp_path / "team"
    installed = [tmp_path / "one", tmp_path / "two"]
    for directory in (play / "roles", path, team / "roles"):
        directory.mkdir(parents=True)
    for root, name in (
        (installed[0], "team/web/roles"),
        (installed[0], "team/plugins_only/plugins"),
        (installed[1], "team/web/roles"),
        (installed[1], "team/plugins_only/roles"),
        (installed[1], "rootfs/builder/roles"),
        (installed[1], "other/db/roles"),
    ):
        (root / "ansible_collections" / name).mkdir(parents=True)
    monkeypatch.setattr(
        options.constants,
        "DEFAULT_ROLES_PATH",
        [str(path), str(play / "roles"), str(tmp_path / "gone"), str(COLLECTION / "roles")],
    )
    config = SimpleNamespace(
        collection_paths=map(str, installed), playbook_paths=[str(team / "collections")]
    )
    monkeypatch.setattr(options, "AnsibleCollectionConfig", config)
    assert role_directories({"playbook_dir": str(play)}) == (
        (team / "roles", ""),
        (play / "roles", ""),
        (path, ""),
        (team, ""),
        (play, ""),
        (COLLECTION / "roles", "rootfs.builder."),
        (installed[0] / "ansible_collections" / "team" / "web" / "roles", "team.web."),
        (installed[1] / "ansible_collections" / "other" / "db" / "roles", "other.db."),
    )
