"""What the parts of an app are built with: their own options, and what they share with the app."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.rootfs.builder.plugins.plugin_utils import build as module
from ansible_collections.rootfs.builder.plugins.plugin_utils import parts
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import options_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import Planned
from builds import StandIn

from rootfs_ansible.drive.build import Build
from rootfs_ansible.errors import InputError
from rootfs_ansible.model.plan import Plan, PlannedPart

pytestmark = pytest.mark.usefixtures("lookups")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a Haskell app with a front end of node."""
    engine = StandIn()
    monkeypatch.setattr(module, "Engine", lambda _: engine)
    monkeypatch.setattr(module, "docker_host_of", lambda *_: engine.docker_host)
    (tmp_path / "web" / "frontend").mkdir(parents=True)
    (tmp_path / "web" / "web.cabal").touch()
    (tmp_path / "web" / "frontend" / "package.json").write_text("{}")
    return tmp_path / "web"


def variables(app: Path, **more: Any) -> dict[str, Any]:
    return {
        "ansible_check_mode": True,
        "inventory_hostname": "web",
        "playbook_dir": str(app.parent),
        "rootfs_app_dir": str(app),
        "rootfs_store": str(app.parent / "store"),
        **more,
    }


def build_of(task_vars: Mapping[str, Any]) -> Build:
    loader = DataLoader()
    return module.build_of(task_vars, Templar(loader=loader, variables=dict(task_vars)), loader)


def part(**more: Any) -> dict[str, Any]:
    return {"directory": "frontend", "outputs": ["dist"], **more}


def options(app: Path, said: dict[str, Any] | None = None, **more: Any) -> Mapping[str, Any]:
    """Return the options of the only part of an app."""
    (found,) = build_of(variables(app, rootfs_parts=[part(**(said or {}))], **more)).parts
    return found.inputs.options


def test_a_part_is_a_host_of_its_own_with_the_stack_that_its_directory_shows(app: Path) -> None:
    (found,) = build_of(variables(app, rootfs_parts=[part()])).parts
    assert (found.name, found.inputs.stack.name) == ("web.frontend", "node")
    assert found.directory == app / "frontend"


def test_a_part_has_what_is_not_the_apps_alone(app: Path) -> None:
    found = options(
        app,
        rootfs_prefix="/srv",
        rootfs_epoch=7,
        rootfs_secrets={"npmrc": "/home/one/.npmrc"},
        root_image_serial="2026-11-23",
        rootfs_build_packages=["libpq-dev"],
        rootfs_command=["web"],
        stack_node_registry="https://npm.example.org",
    )
    assert found["rootfs_prefix"] == "/srv"
    assert found["rootfs_epoch"] == 7
    assert found["rootfs_secrets"] == {"npmrc": "/home/one/.npmrc"}
    assert found["root_image_serial"] == "2026-11-23"
    assert found["stack_node_registry"] == "https://npm.example.org"
    assert found["rootfs_build_packages"] == []
    assert found["rootfs_command"] == []


def test_a_part_of_the_apps_own_stack_has_its_places_alone(app: Path) -> None:
    (app / "web.cabal").unlink()
    (app / "package.json").write_text("{}")
    found = options(
        app,
        rootfs_prefix="/srv",
        stack_node_build=["server"],
        stack_node_registry="https://npm.example.org",
    )
    assert found["stack_node_build"] == ["auto"]
    assert found["rootfs_prefix"] == "/srv"
    assert found["stack_node_registry"] == "https://npm.example.org"


def test_what_the_inventory_says_of_a_part_is_over_its_variables(app: Path) -> None:
    said = {"options": {"stack_node_build": ["web"], "rootfs_build_packages": ["python3"]}}
    found = options(app, said, stack_node_build=["all"])
    assert found["stack_node_build"] == ["web"]
    assert found["rootfs_build_packages"] == ["python3"]


def test_what_e_says_is_over_all(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "load_extra_vars", lambda _: {"stack_node_build": ["all"]})
    said = {"options": {"stack_node_build": ["web"]}}
    assert options(app, said, stack_node_build=["all"])["stack_node_build"] == ["all"]


def test_an_app_says_its_parts_itself_and_the_inventory_is_over_it(app: Path) -> None:
    (app / "rootfs.yml").write_text(
        "rootfs_parts:\n"
        "  - directory: frontend\n"
        "    outputs: [dist]\n"
        "    options: {stack_node_build: [web], stack_node_registry: '{{ 1 + 1 }}'}\n"
    )
    (app / "frontend" / "rootfs.yml").write_text(
        "stack_node_hooks: []\nrootfs_command: [x]\nstack_node_build: [old]\n"
    )
    (found,) = build_of(variables(app)).parts
    # Plain values, never templates.
    assert found.inputs.options["stack_node_registry"] == "{{ 1 + 1 }}"
    assert found.inputs.options["stack_node_build"] == ["web"]
    assert found.inputs.options["stack_node_hooks"] == []
    assert found.inputs.options["rootfs_command"] == []
    (found,) = build_of(variables(app, stack_node_build=["all"])).parts
    assert found.inputs.options["stack_node_build"] == ["all"]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (part(option={}), "option"),
        ({"directory": "frontend"}, "missing required arguments: outputs"),
        (part(directory="gone"), "gone: there is no such directory"),
        (part(stack="cobol"), "part frontend of web: there is no stack 'cobol'"),
        (
            part(options={"stack_node_biuld": []}),
            "biuld; did you mean stack_node_build?",
        ),
        (part(options={"rootfs_store": "/etc"}), "rootfs_store"),
        (part(options={"stack_node_build": {"a": 1}}), "stack_node_build"),
    ],
)
def test_a_part_that_is_not_as_it_must_be_is_refused(
    app: Path, declared: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as refused:
        build_of(variables(app, rootfs_parts=[declared]))
    assert said in str(refused.value)


def test_a_directory_that_no_stack_recognises_is_no_part(app: Path) -> None:
    (app / "frontend" / "package.json").unlink()
    with pytest.raises(InputError, match="part frontend of web: no stack recognises"):
        build_of(variables(app, rootfs_parts=[part()]))


def test_a_part_has_no_parts(app: Path) -> None:
    (app / "frontend" / "rootfs.yml").write_text("rootfs_parts: [{directory: x, outputs: [y]}]\n")
    with pytest.raises(InputError, match="part frontend of web: a part has no parts"):
        build_of(variables(app, rootfs_parts=[part()]))


def test_no_two_hosts_have_one_name(app: Path) -> None:
    (app / "front-end").mkdir()
    (app / "front end").mkdir()
    declared = [part(directory=name, stack="node") for name in ("front-end", "front end")]
    task_vars = variables(app, rootfs_parts=[*declared, part(directory=".", stack="node")])
    task_vars["groups"] = {"all": ["web", "web.node"], "web.front-end": []}
    names = [found.name for found in build_of(task_vars).parts]
    assert names == ["web.front-end-2", "web.front-end-3", "web.node-2"]


def test_a_stack_that_is_called_by_the_path_of_its_role_makes_no_path_of_a_host(app: Path) -> None:
    role = app.parent / "roles" / "stack_zig"
    for file, text in (
        ("meta/stack.yml", "name: zig\n"),
        ("tasks/build_image.yml", "[]"),
        ("tasks/compile.yml", "[]"),
        ("tasks/runtime.yml", "[]"),
    ):
        (role / file).parent.mkdir(parents=True, exist_ok=True)
        (role / file).write_text(text)
    declared = [part(directory=".", stack=str(role))]
    (found,) = build_of(variables(app, rootfs_parts=declared)).parts
    assert found.name == "web.stack_zig"


def host(app: Path, **more: Any) -> dict[str, Any]:
    """Return the variables of the host of a part."""
    of_app = variables(app, rootfs_parts=[part()])
    return {
        "inventory_hostname": "web.frontend",
        "rootfs_part": {"app": "web", "number": 0},
        "hostvars": SimpleNamespace(raw_get=lambda name: of_app if name == "web" else {}),
        **more,
    }


def test_the_host_of_a_part_is_told_all_options_of_its_stack(app: Path) -> None:
    task_vars = host(app)
    build = build_of(task_vars)
    told = options_of(build.directory, build.inputs.options, task_vars)
    assert told["options"]["rootfs_app_dir"] == str(app / "frontend")
    assert told["own_options"]["stack_node_build"] == ["auto"]
    assert all(name.startswith("stack_node_") for name in told["own_options"])


def test_what_the_app_says_by_variables_of_its_own_its_part_finds(app: Path) -> None:
    template = trust_as_template("{{ directory_of_the_team }}/web")
    of_app = variables(
        app,
        rootfs_parts=[part()],
        rootfs_app_dir=template,
        directory_of_the_team=str(app.parent),
    )
    hostvars = SimpleNamespace(raw_get={"web": of_app}.get)
    assert build_of(host(app, hostvars=hostvars)).directory == app / "frontend"


@pytest.mark.parametrize("fact", ["rootfs_part", "stack_node_build"])
def test_a_program_of_the_build_cannot_say_which_part_it_is(app: Path, fact: str) -> None:
    with pytest.raises(InputError, match="facts of the host have the names"):
        build_of(host(app, ansible_facts={fact: 1}))


def test_an_app_is_not_planned_without_its_parts() -> None:
    plan = Plan("web", "haskell", "role", "/web", (), inspects=True)
    planned = Planned(
        Plan(**{**_fields(plan), "parts": (PlannedPart("web", 0, "web.frontend", "key"),)})
    )
    with pytest.raises(InputError, match="parts of web are not planned") as refused:
        planned.parts({"hostvars": {}})
    assert refused.value.details == ("web.frontend",)
    assert "--limit 'web,web.*'" in refused.value.hint
    assert Planned(plan).parts({"hostvars": {}}) == ()


def _fields(plan: Plan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in plan.__slots__}
