"""The way of one app: what its plan says, what is kept of it, and where its image goes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from builds import TREE, StandIn, harvested, make_build
from exports import export

from rootfs_ansible.drive import build as module
from rootfs_ansible.errors import EngineError, InputError, LinkError
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.plan import Plan, Role, Roles
from rootfs_ansible.pack.documents import provenance_of
from rootfs_ansible.pack.image import pack, read_manifest


def test_a_plan_and_a_look_at_what_is_there_write_nothing(tmp_path: Path) -> None:
    build = make_build(tmp_path, rootfs_output="out", rootfs_format=["oci"])
    plan = build.plan_stages(build.plan(), {"context": str(tmp_path)})
    assert build.image(plan.key) is None
    assert not build.store.directory.exists()


def test_apps_of_one_repository_are_compiled_each_for_itself(tmp_path: Path) -> None:
    """Their sources are the same, those of the repository."""
    (tmp_path / "apps").mkdir()
    builds = [
        make_build(tmp_path, f"apps/{name}", rootfs_image_name="x") for name in ("api", "web")
    ]
    plans = [build.plan_stages(build.plan(), {"context": str(tmp_path)}) for build in builds]
    assert len({plan.sources for plan in plans}) == 1
    assert len({plan.stage("compile").key for plan in plans}) == 2
    assert len({plan.key for plan in plans}) == 2


def test_an_image_that_is_there_gets_its_name_when_it_is_delivered(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    plan = harvested(build, build.plan())
    first = build.pack(plan, {})
    assert named(build) == ""
    other = make_build(tmp_path, rootfs_labels={"commit": "two"})
    theirs = harvested(other, other.plan())
    second = other.pack(theirs, {})
    assert other.deliver(second, theirs)
    assert named(build) == second.digest
    assert build.image(plan.key) == first
    assert named(build) == second.digest
    assert build.deliver(first, plan)
    assert named(build) == first.digest
    assert not build.deliver(first, plan)


def named(build: module.Build) -> str:
    found = build.store.ref(build.tag)
    return found.digest if found else ""


def test_what_is_recorded_is_what_was_packed_whoever_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another commit's build gives the same name to its image just then."""
    build = make_build(tmp_path)
    other = make_build(tmp_path, rootfs_labels={"commit": "two"})
    theirs = other.pack(harvested(other, other.plan()), {})

    def packed_and_overtaken(*arguments: object, **options: object) -> Image:
        image = pack(*arguments, **options)  # type: ignore[arg-type]
        build.store.put_ref(build.tag, build.store.descriptor(theirs.digest))
        return image

    plan = harvested(build, build.plan())
    monkeypatch.setattr(module, "pack", packed_and_overtaken)
    image = build.pack(plan, {})
    assert image.digest != theirs.digest
    assert build.image(plan.key) == image


def test_the_directory_of_the_sources_is_known_to_the_next_build(tmp_path: Path) -> None:
    """A member of a workspace: its sources are all of it."""

    def member() -> module.Build:
        return make_build(tmp_path / "work", rootfs_store=str(tmp_path / "store"))

    (tmp_path / "work").mkdir()
    build = member()
    plan = build.plan()
    assert plan.context == str(tmp_path / "work" / "shop")
    project = {"context": str(tmp_path / "work")}
    plan = harvested(build, plan, project)
    assert member().plan().context == str(tmp_path / "work" / "shop")
    build.pack(plan, project)
    assert member().plan().context == str(tmp_path / "work")


def test_a_name_that_no_engine_takes_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an image name: 'Shop_API:latest'"):
        make_build(tmp_path, rootfs_image_name="Shop_API").plan()


@pytest.mark.parametrize(
    ("formats", "output", "shared", "written"),
    [
        ([], "", False, {}),
        (["oci"], "new", False, {"oci": "new"}),
        (["oci"], "new/", False, {"oci": "new/shop.oci.tar"}),
        (["tar"], "there", False, {"tar": "there/shop.tar"}),
        (["oci"], "new", True, {"oci": "new/shop.oci.tar"}),
        # A root directory replaces the one that is there, which an earlier build wrote.
        (["dir"], "there", False, {"dir": "there"}),
        (["dir"], "there", True, {"dir": "there/shop"}),
        (["oci", "dir"], "new", False, {"oci": "new/shop.oci.tar", "dir": "new/shop"}),
    ],
)
def test_where_an_image_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    formats: list[str],
    output: str,
    shared: bool,
    written: dict[str, str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    plan = make_build(
        tmp_path, rootfs_format=formats, rootfs_output=output, rootfs_image_name="team/shop"
    ).plan(shared_output=shared)
    assert dict(plan.outputs) == {form: str(tmp_path / path) for form, path in written.items()}
    assert Plan.from_json(plan.to_json()) == plan


def test_a_format_without_a_place_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no place for oci"):
        make_build(tmp_path, rootfs_format=["oci"]).plan()


def test_apps_with_one_output_are_written_side_by_side(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build = make_build(tmp_path, name, rootfs_format=["oci"], rootfs_output=f"{tmp_path}/out")
        plan = harvested(build, build.plan(shared_output=True))
        build.deliver(build.pack(plan, {}), plan)
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "one.oci.tar",
        "two.oci.tar",
    ]


def test_an_image_of_another_architecture_is_not_sent_to_an_engine(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    plan = harvested(build, build.plan())
    image = build.pack(plan, {})
    other = StandIn(machine="arm64")
    build = make_build(tmp_path, engine=other, rootfs_load=True)
    with pytest.raises(EngineError, match="for amd64, the engine for arm64") as refused:
        build.deliver(image, plan)
    assert "rootfs_load" in refused.value.hint
    assert "load" not in other.asked
    other.machine = "amd64"
    assert build.deliver(image, plan)
    assert "load" in other.asked


def test_a_project_may_have_an_entry_point_alone(tmp_path: Path) -> None:
    build = make_build(tmp_path, rootfs_command=[], rootfs_init=False)
    config = build.pack(harvested(build, build.plan()), {"entrypoint": ["/usr/bin/run"]}).config
    assert (config.entrypoint, config.command) == (("/usr/bin/run",), ())
    with pytest.raises(InputError, match="nothing says what the image runs"):
        build.pack(harvested(build, build.plan()), {"entrypoint": []})


@pytest.mark.parametrize(("script", "there"), [("/app/main", True), ("/app/gone", False)])
def test_what_a_stack_says_is_started_is_in_the_image(
    tmp_path: Path, script: str, *, there: bool
) -> None:
    build = make_build(tmp_path)
    plan = harvested(build, build.plan())
    key = plan.stage("compile").key
    fragment = build.harvest(key)
    assert fragment
    exported = tmp_path / f"compile-{build.name}"
    build.keep(plan, "compile", fragment.fragment, exported, {"scripts": [script]})
    if there:
        assert build.pack(plan, {})
        return
    with pytest.raises(LinkError, match="the image starts /app/gone, which is not in it"):
        build.pack(plan, {})


ROLES = Roles((Role("site", "/srv/roles/site", "~/roles/site"),), "digest")


def staged(tmp_path: Path, **options: object) -> module.Build:
    """Return the build of an app whose stack compiles nothing."""
    build = make_build(tmp_path, **options)
    (build.inputs.stack.directory / "tasks" / "compile.yml").unlink()
    return build


def test_a_stack_that_compiles_nothing_has_no_build_hierarchy(tmp_path: Path) -> None:
    build = staged(tmp_path)
    plan = build.plan_stages(build.plan(ROLES), {})
    assert [stage.name for stage in plan.stages if stage.run] == ["root_image", "runtime", "system"]
    assert not any(plan.stage(name).key for name in module.COMPILING)
    assert Plan.from_json(plan.to_json()) == plan


def harvested_roles(build: module.Build, tmp_path: Path) -> Plan:
    """Return the plan of an app of roles whose stages are in the store."""
    plan = build.plan_stages(build.plan(ROLES), {})
    tree = {"runtime": TREE["runtime"], "system": "app /srv dir 0755\napp /srv/page file 0644 x"}
    for stage, text in tree.items():
        exported = export(tmp_path / stage, text, epoch=0)
        build.keep(plan, stage, exported.fragment, exported.directory, {})
    return plan


def test_what_roles_make_is_an_image(tmp_path: Path) -> None:
    build = staged(tmp_path)
    image = build.pack(harvested_roles(build, tmp_path), {})
    assert [layer.name for layer in image.layers if layer.digest] == ["runtime", "app"]
    # Nothing makes the directory of the sources.
    assert image.config.working_directory == "/"


def test_roles_cannot_change_the_options_that_the_image_was_planned_with(tmp_path: Path) -> None:
    build = staged(tmp_path)
    plan = harvested_roles(build, tmp_path)
    options = {**build.inputs.options, "rootfs_user": "0:0"}
    build.inputs = replace(build.inputs, options=options)
    with pytest.raises(InputError, match="not what they were when the image was planned"):
        build.pack(plan, {})


def test_packages_are_shared_and_what_roles_wrote_over_them_is_the_apps(tmp_path: Path) -> None:
    build = staged(
        tmp_path,
        rootfs_outputs=[
            {"package": "nginx"},
            {"path": "/etc/nginx/nginx.conf"},
            {"package": "own", "layer": "app"},
        ],
        rootfs_volumes=["/data"],
    )
    plan = build.plan_stages(build.plan(ROLES), {})
    exported = export(tmp_path / "runtime", TREE["runtime"], epoch=0)
    build.keep(plan, "runtime", exported.fragment, exported.directory, {})
    request = build.request(plan, "system", [], {})
    assert request.layers == ("system", "dependencies", "app")
    assert [
        (output.layer, output.directory or output.path or output.package)
        for output in request.outputs
    ] == [
        ("app", "/data"),
        ("app", "/etc/nginx/nginx.conf"),
        ("system", "nginx"),
        ("app", "own"),
    ]


def test_a_stack_and_an_app_add_companion_rules(tmp_path: Path) -> None:
    mine = {"name": "mine", "reason": "y", "when": "/x", "needs": ["/y"]}
    build = make_build(tmp_path, rootfs_companions=[{**mine, "when": ["/x", "libx.so.1"]}])
    build.inputs.stack.companions.append({**mine, "name": "of-the-stack", "also": ["/p"]})
    plan = harvested(build, build.plan())
    told = {
        stage: [(rule.name, rule.when, rule.also) for rule in request.companions]
        for stage in ("runtime", "compile", "system")
        if (request := build.request(plan, stage, [], {}))
    }
    theirs, ours = ("of-the-stack", ("/x",), ("/p",)), ("mine", ("/x", "libx.so.1"), ())
    assert told == {"runtime": [theirs], "compile": [theirs, ours], "system": [theirs, ours]}


def test_a_rule_of_a_stack_is_looked_at_before_anything_is_built(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    build.inputs.stack.companions.append(
        {"name": "x", "reason": "y", "when": "/x", "needs": ["/{}"], "names": "("}
    )
    with pytest.raises(InputError, match="are no regular expression"):
        build.plan()


def test_sources_decide_what_roles_make_where_nothing_else_reads_them(tmp_path: Path) -> None:
    build = staged(tmp_path)
    (build.directory / "page").write_text("one")
    before = build.plan_stages(build.plan(ROLES), {})
    (build.directory / "page").write_text("two")
    after = build.plan_stages(build.plan(ROLES), {})
    assert before.stage("system").key != after.stage("system").key
    assert before.stage("runtime") == after.stage("runtime")


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ({"optional": True}, "declares not exactly one of path, package, accounts, directory"),
        ({"path": "/srv", "layer": "runtime"}, "an app's outputs go to the layers system"),
        ({"directory": "/srv", "mode": "rwx"}, "not a file mode: 'rwx'"),
    ],
)
def test_outputs_are_looked_at_before_anything_is_built(
    tmp_path: Path, output: dict[str, str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        make_build(tmp_path, rootfs_outputs=[output]).plan()


@pytest.mark.parametrize(
    ("option", "items", "told"),
    [
        (
            "rootfs_outputs",
            [{"path": "/srv", "exluding": ["x"]}, {"path": "/srv", "when": False, "by": "you"}],
            ("[0].exluding; did you mean excluding?", "[1].when", "[1].by"),
        ),
        (
            "rootfs_companions",
            [{"name": "x", "reason": "y", "when": "/x", "need": ["/y"]}],
            ("[0].need; did you mean needs?",),
        ),
    ],
)
def test_keys_that_an_app_makes_up_are_refused_together(
    tmp_path: Path, option: str, items: list[dict[str, object]], told: tuple[str, ...]
) -> None:
    with pytest.raises(InputError, match="there is no such key") as refused:
        make_build(tmp_path, **{option: items}).plan()
    assert (refused.value.where, refused.value.details) == (option, told)


def test_an_image_says_what_it_was_made_from_and_nothing_of_this_host(tmp_path: Path) -> None:
    build = make_build(
        tmp_path,
        rootfs_build_env={"TOKEN": "hunter2", "CI": "1"},
        rootfs_env={
            "PLACE": f"{tmp_path}/shop/data",
            "FROM": "https://me:hunter2@host/x",
            "ALSO": "https://me:1@hunter2@host/x",
        },
        rootfs_smoke={"env": {"PASSWORD": "hunter2"}, "runs": 1},
        stack_zig_count=3,
    )
    (build.directory / "zig.lock").write_text("pinned")
    (tmp_path / "other.lock").write_text("of another")
    plan = build.plan_stages(build.plan(), {})
    image = build.pack(
        harvested(build, build.plan()),
        {"locks": ["zig.lock", "../other.lock", "gone.lock"]},
    )
    text = provenance_of(build.store, image.digest).decode()
    statement = json.loads(text)
    definition = statement["predicate"]["buildDefinition"]
    parameters = definition["externalParameters"]
    assert parameters["options"]["rootfs_build_env"] == ["CI", "TOKEN"]
    assert parameters["options"]["rootfs_env"] == {
        "PLACE": "./data",
        "FROM": "https://host/x",
        "ALSO": "https://host/x",
    }
    assert parameters["options"]["rootfs_smoke"] == ["env", "runs"]
    assert parameters["options"]["stack_zig_count"] == 3
    assert (parameters["stack"], parameters["place"]) == ("zig", ".")
    inputs = {item["name"]: item["digest"] for item in definition["resolvedDependencies"]}
    assert inputs["sources"] == {"rootfsKeyV1": plan.sources}
    assert inputs["lock zig.lock"] == {"sha256": hashlib.sha256(b"pinned").hexdigest()}
    assert set(inputs) == {
        "build image", "code of rootfs-ansible", "lock zig.lock", "modules of rootfs-ansible",
        "role root_image", "role stack_zig", "root image", "runtime image", "sources",
        "toolchain image",
    }  # fmt: skip
    assert not [word for word in ("hunter2", str(tmp_path)) if word in text]


def test_a_place_of_the_image_is_said_as_it_is_wherever_the_app_lies(tmp_path: Path) -> None:
    def options(**said: object) -> dict[str, object]:
        build = make_build(tmp_path, **said)
        image = build.pack(harvested(build, build.plan()), {})
        statement = json.loads(provenance_of(build.store, image.digest))
        definition = statement["predicate"]["buildDefinition"]
        return dict(definition["externalParameters"]["options"])

    beside = {"BESIDE": f"{tmp_path}/shopping", "UNDER": f"/data{tmp_path}/shop"}
    assert options(rootfs_env=beside)["rootfs_env"] == beside
    same = f"{tmp_path}/shop"
    assert options(rootfs_prefix=same)["rootfs_prefix"] == same


def test_what_a_compile_says_of_components_is_checked_before_it_is_kept(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    plan = build.plan_stages(build.plan(), {})
    exported = export(tmp_path / "exported", TREE["compile"], epoch=0)
    facts = {"components": [{"type": "npm", "name": "a", "version": "1", "paths": "/app/main"}]}
    with pytest.raises(InputError, match=r"components\[0\]\.paths"):
        build.keep(plan, "compile", exported.fragment, exported.directory, facts)
    assert build.harvest(plan.stage("compile").key) is None


def test_components_that_a_stack_names_are_in_the_manifest(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    plan = harvested(build, build.plan())
    named = {"type": "generic", "name": "zig", "version": "0.13", "paths": ["/app/main"]}
    image = build.pack(plan, {"components": [named]})
    assert [item.name for item in read_manifest(build.store, image.digest).components] == ["zig"]
