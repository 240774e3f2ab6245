"""The way of a part: its keys, what is harvested of it, and how that gets to its app."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builds import StandIn, make_build
from exports import export

from rootfs_ansible.drive.build import Build
from rootfs_ansible.drive.part import PartBuild
from rootfs_ansible.drive.results import check_apart
from rootfs_ansible.errors import InputError, StoreError, UntrustedError
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.plan import Plan
from rootfs_ansible.model.request import Scope
from rootfs_ansible.plan.part import Part

FRONTEND = Part("frontend", ("dist",), "static")


def composed(base: Path, *parts: Part, **options: object) -> Build:
    """Return the build of an app with parts, whose directories are there."""
    for part in parts:
        (base / "shop" / part.directory).mkdir(parents=True, exist_ok=True)
        (base / "shop" / part.directory / "build.zig").touch()
    alone = make_build(base, **options)
    builds = [
        PartBuild(
            part,
            replace(alone.inputs, options={**alone.inputs.options, "rootfs_image_name": "part"}),
            f"shop.{part.directory}",
            alone.docker_host,
            StandIn(),  # type: ignore[arg-type]
            app=alone.directory,
        )
        for part in parts
    ]
    inputs = replace(
        alone.inputs,
        options={
            **alone.inputs.options,
            "rootfs_parts": [{"outputs": part.outputs} for part in parts],
        },
    )
    engine: Any = StandIn()
    return Build(inputs, "shop", alone.directory, alone.docker_host, engine, builds)


def planned(app: Build) -> tuple[Plan, tuple[Plan, ...]]:
    """Return the plan of an app with its stages, and those of its parts."""
    parts = tuple(part.plan_stages(part.plan(), {}) for part in app.parts)
    return app.plan_stages(app.plan(), {}, parts=parts), parts


def keep(part: PartBuild, plan: Plan, base: Path, tree: str) -> None:
    exported = export(base / f"export-{part.name}", tree, epoch=0)
    part.keep(plan, "compile", exported.fragment, exported.directory, {})


DIST = """
results /app dir 0755
results /app/dist dir 0755
results /app/dist/app.js file 0644 x
results /app/dist/last.js -> app.js
results /app/dist/run file 0755 xyz
results /app/dist/same = /app/dist/run
"""


def test_a_plan_names_its_parts_and_comes_back_from_json(tmp_path: Path) -> None:
    plan, (part,) = planned(composed(tmp_path, FRONTEND))
    (known,) = plan.parts
    assert (known.app, known.number, known.host) == ("shop", 0, "shop.frontend")
    assert (known.key, known.compiled) == (part.key, part.stage("compile").key)
    assert Plan.from_json(plan.to_json()) == plan
    assert [stage.name for stage in part.stages] == [
        "root_image",
        "build_image",
        "toolchain",
        "compile",
    ]


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("frontend/app.ts", {"part", "app", "image"}),
        ("server.zig", {"app", "image"}),
        # Nobody's sources: made anew, or installed.
        ("frontend/dist/old.js", set()),
        ("static/dist/old.js", set()),
    ],
)
def test_sources_decide_what_is_compiled_of_them(
    tmp_path: Path, file: str, changes: set[str]
) -> None:
    def keys() -> dict[str, str]:
        plan, (part,) = planned(composed(tmp_path, FRONTEND))
        return {
            "part": part.stage("compile").key,
            "app": plan.stage("compile").key,
            "image": plan.key,
        }

    (tmp_path / "shop" / file).parent.parent.mkdir(parents=True, exist_ok=True)
    before = keys()
    (tmp_path / "shop" / file).parent.mkdir(exist_ok=True)
    (tmp_path / "shop" / file).write_text("changed")
    after = keys()
    assert {name for name in before if before[name] != after[name]} == changes


def test_a_part_in_the_apps_own_directory_shares_its_sources(tmp_path: Path) -> None:
    def keys(file: str) -> tuple[str, str]:
        (tmp_path / "shop" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / file).write_text(file)
        plan, (part,) = planned(composed(tmp_path, Part(".", ("bundle.js",), ".")))
        return part.stage("compile").key, plan.stage("compile").key

    before = keys("server.zig")
    assert keys("bundle.js") == before
    part, app = keys("other.zig")
    assert part != before[0]
    assert app != before[1]


def test_what_a_part_makes_is_no_source_of_another_whose_directory_holds_it(tmp_path: Path) -> None:
    declared = Part(".", ("bundle.js",), "."), Part("frontend", ("dist",), "static")

    def compiled() -> list[str]:
        _, parts = planned(composed(tmp_path, *declared))
        return [part.stage("compile").key for part in parts]

    def write(file: str) -> None:
        (tmp_path / "shop" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "shop" / file).write_text(file)

    (tmp_path / "shop" / "static").mkdir(parents=True)
    before = compiled()
    for file in ("frontend/dist/old.js", "static/dist/old.js", "bundle.js"):
        write(file)
    assert compiled() == before
    write("frontend/app.ts")
    assert not set(compiled()) & set(before)


def test_the_image_is_looked_for_with_the_key_that_its_stages_end_with(tmp_path: Path) -> None:
    app = composed(tmp_path, FRONTEND)
    plan, _ = planned(app)
    assert app.plan().key == plan.key


def test_an_app_without_parts_keeps_its_own_keys(tmp_path: Path) -> None:
    plan, _ = planned(composed(tmp_path))
    other, _ = planned(composed(tmp_path, FRONTEND))
    assert plan.parts == ()
    assert plan.key != other.key


def test_a_part_is_asked_for_its_outputs_alone(tmp_path: Path) -> None:
    app = composed(tmp_path, Part("frontend", ("dist", "*.css"), "frontend"))
    plan, (part,) = planned(app)
    request = app.parts[0].request(part, "compile", [{"layer": "app", "path": "/app/x"}], {})
    assert plan.name == "shop"
    assert request.scope is Scope.OUTPUTS
    assert [output.path for output in request.outputs] == ["/app/dist", "/app/*.css"]
    found = app.parts[0].plan_stages(part, {"context": str(app.directory)})
    request = app.parts[0].request(found, "compile", [], {})
    assert [output.path for output in request.outputs] == [
        "/app/frontend/dist",
        "/app/frontend/*.css",
    ]


def test_results_are_put_at_their_place_as_sources_are(tmp_path: Path) -> None:
    app = composed(tmp_path, FRONTEND)
    plan, (part,) = planned(app)
    with pytest.raises(StoreError, match=r"its part shop\.frontend is not compiled"):
        app.results(plan)
    keep(app.parts[0], part, tmp_path, DIST)
    (results,) = app.results(plan)
    with results.archive("app", 1000) as stream, tarfile.open(fileobj=stream) as archive:
        found = {
            member.name: (member.type, f"{member.mode:04o}", member.linkname, member.mtime)
            for member in archive
        }
        for name in ("run", "same"):
            content = archive.extractfile(f"app/static/dist/{name}")
            assert content and content.read() == b"xyz"
    assert found == {
        "app": (tarfile.DIRTYPE, "0755", "", 1000),
        "app/static": (tarfile.DIRTYPE, "0755", "", 1000),
        "app/static/dist": (tarfile.DIRTYPE, "0755", "", 1000),
        "app/static/dist/app.js": (tarfile.REGTYPE, "0644", "", 1000),
        "app/static/dist/last.js": (tarfile.SYMTYPE, "0777", "app.js", 1000),
        "app/static/dist/run": (tarfile.REGTYPE, "0755", "", 1000),
        "app/static/dist/same": (tarfile.REGTYPE, "0755", "", 1000),
    }


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("results /app/build.zig file 0644 x", UntrustedError, "more than the outputs"),
        ("results /etc dir 0755\nresults /etc/passwd file 0644 x", UntrustedError, "more than"),
        ("results /app/dist/out -> ../../etc", InputError, "links lead to what is not among"),
        ("results /app/dist/out -> /app/dist/a", InputError, "links lead to what is not among"),
        ("results /app/dist/out -> ../src", InputError, "links lead to what is not among"),
    ],
)
def test_what_is_more_than_the_outputs_is_not_kept(
    tmp_path: Path, line: str, error: type[Exception], said: str
) -> None:
    app = composed(tmp_path, FRONTEND)
    _, (part,) = planned(app)
    tree = "results /app dir 0755\nresults /app/dist dir 0755\nresults /app/dist/a file 0644 x"
    with pytest.raises(error, match=said):
        keep(app.parts[0], part, tmp_path, f"{tree}\n{line}")
    assert app.parts[0].harvest(part.stage("compile").key) is None


def test_two_parts_do_not_write_one_file(tmp_path: Path) -> None:
    app = composed(tmp_path, Part("one", ("*.js",), "static"), Part("two", ("*",), "static"))
    plan, parts = planned(app)
    tree = "results /app dir 0755\nresults /app/a.js file 0644 x"
    for build, part in zip(app.parts, parts, strict=True):
        keep(build, part, tmp_path, tree)
    with pytest.raises(InputError, match="two parts of an app write the same files") as refused:
        app.results(plan)
    assert refused.value.details == ("shop.one and shop.two both write /app/static/a.js",)
    check_apart([])
    assert ImagePath("/app") == app.place(plan)


def test_a_part_writes_no_file_where_another_has_a_directory(tmp_path: Path) -> None:
    app = composed(tmp_path, Part("one", ("*",), "static"), Part("two", ("*",), "static"))
    top = "results /app dir 0755"
    deep = f"{top}\nresults /app/icons dir 0755\nresults /app/icons/a file 0644 x"
    plain = f"{top}\nresults /app/icons file 0644 x"
    plan, parts = planned(app)
    for build, part, tree in zip(app.parts, parts, (deep, plain), strict=True):
        keep(build, part, tmp_path, tree)
    for results in (app.parts, app.parts[::-1]):
        found = [
            build.left(plan.parts[app.parts.index(build)].compiled, app.place(plan))
            for build in results
        ]
        with pytest.raises(InputError) as refused:
            check_apart(found)
        first, second = (build.name for build in results)
        assert refused.value.details == (f"{first} and {second} both write /app/static/icons",)
