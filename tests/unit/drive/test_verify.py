"""From a packed image to its proof: what is asked of it, when it has a name, what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builds import harvested, make_build

from rootfs_ansible.drive.build import Build
from rootfs_ansible.drive.strace import Wish
from rootfs_ansible.drive.tracer import Outcome
from rootfs_ansible.drive.verdict import Finding, PassedOver, Untouched, Verdict
from rootfs_ansible.drive.verify import BUILD, Proof, asked_of
from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.exporter.paths import write_index
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.paths import Known, Paths
from rootfs_ansible.model.smoke import Smoke
from rootfs_ansible.store.paths import load_index

BY_KIND = {
    "service": {"http": {"path": "/up"}},
    "program": {"runs": 7},
    "tool": {"command": ["--help"]},
}


def with_smoke(build: Build) -> Build:
    """Return the build with a stack that says how its images show that they work."""
    build.inputs = replace(build.inputs, stack=replace(build.inputs.stack, smoke=BY_KIND))
    return build


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"rootfs_ports": ["8080"]}, Smoke("http", path="/up")),
        ({"rootfs_ports": ["53/udp"]}, Smoke("exec", runs=7)),
        ({}, Smoke("exec", runs=7)),
        ({"rootfs_command": [], "rootfs_entrypoint": ["run"]}, Smoke("exec", ("--help",))),
        ({"rootfs_smoke": {"tcp": {"port": 1}}}, Smoke("tcp", port=1)),
    ],
)
def test_an_image_is_asked_what_its_stack_says_of_its_kind_or_what_the_app_says(
    tmp_path: Path, options: dict[str, Any], expected: Smoke
) -> None:
    build = with_smoke(make_build(tmp_path, **options))
    image = build.pack(harvested(build, build.plan()), {})
    build.deliver(image, build.plan())
    found, asked = asked_of(build.store, "shop")
    assert (found, asked.smoke) == (image, expected)
    assert asked_of(build.store, image.digest)[1] == asked
    assert (asked.compiled, asked.root_image.split(":")[0]) == (True, "rootfs.builder/root")


def test_what_a_container_had_is_kept_with_its_harvest(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    plan = harvested(build, build.plan())
    paths = Paths({"/app": Known(Kind.DIRECTORY)})
    directory = tmp_path / "compile-shop"
    write_index(paths.items(), directory)
    compiled = build.harvest(plan.stage("compile").key)
    assert compiled is not None
    build.keep(plan, "compile", compiled.fragment, directory, {})
    build.deliver(build.pack(plan, {}), plan)
    ((container, digest),) = asked_of(build.store, "shop")[1].indexes
    assert (container, dict(load_index(build.store, digest))) == (BUILD, dict(paths))


def test_without_anything_to_ask_it_is_said_and_nothing_is_run(tmp_path: Path) -> None:
    build = make_build(tmp_path, rootfs_verify=True)
    plan = harvested(build, build.plan())
    owner: Any = None
    with pytest.raises(InputError, match="nothing says how to see that the image works") as caught:
        build.prove(build.pack(plan, {}), plan, owner)
    assert "rootfs_smoke" in caught.value.hint
    assert "load" not in build.engine.asked  # type: ignore[attr-defined]


def test_an_image_that_is_to_be_verified_has_neither_name_nor_record_before(
    tmp_path: Path,
) -> None:
    build = make_build(tmp_path, rootfs_verify=True)
    plan = harvested(build, build.plan())
    assert plan.stage("tracer").image.startswith("rootfs.builder/tracer:")
    image = build.pack(plan, {})
    assert build.store.ref(build.tag) is None
    assert build.image(plan.key) is None
    build.accept(image, plan)
    build.deliver(image, plan)
    assert build.store.ref(build.tag) is not None
    assert build.image(plan.key) == image


def test_what_is_asked_decides_the_image_and_none_of_its_stages(tmp_path: Path) -> None:
    def keys(**options: object) -> tuple[str, set[str]]:
        build = make_build(tmp_path, **options)
        plan = build.plan_stages(build.plan(), {})
        return plan.key, {stage.key for stage in plan.stages if stage.name != "tracer"}

    plain = keys()
    for other in (keys(rootfs_smoke={"runs": 3}), keys(rootfs_verify=True)):
        assert other[0] != plain[0]
        assert other[1] == plain[1]


def test_a_mistake_in_what_is_asked_ends_the_plan(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="timeout: 0 is not"):
        _raise_details(make_build(tmp_path, rootfs_smoke={"timeout": 0}))


def _raise_details(build: Build) -> None:
    try:
        build.plan()
    except InputError as error:
        raise InputError("; ".join(error.details)) from error


def test_an_image_of_before_says_what_to_do(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    plan = build.plan()
    image = build.pack(harvested(build, plan), {})
    build.deliver(image, plan)
    (tmp_path / "store" / "records" / f"verify-{image.digest[7:]}.json").unlink()
    with pytest.raises(StoreError, match="not all of image shop is there"):
        asked_of(build.store, "shop")
    with pytest.raises(InputError, match="there is no image other:latest"):
        asked_of(build.store, "other")


# --- what is told --------------------------------------------------------------------------------


WORDS = Finding(
    "/app/words", "node", Wish.READ, "", BUILD, ("rootfs_outputs: [{path: /app/words}]",), "why"
)
GIT = Finding("/usr/bin/git", "node", Wish.RUN, "git", BUILD, ("rootfs_packages: [git]",))
GIT_TOO = replace(GIT, path="/usr/lib/git-core/git")
SUSPECT = replace(GIT, path="/usr/bin/nano", declare=("rootfs_packages: [nano]",), certain=False)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build = make_build(tmp_path)
    return build.pack(harvested(build, build.plan()), {})


def proof(image: Image, *findings: Finding, passed: bool = True) -> Proof:
    outcome = Outcome(passed, "ended with status 0", ("last\x1b words",), 1.25)
    passed_over = (PassedOver("/etc/gai.conf", "node", "no need"),)
    untouched = (Untouched("tzdata", 3, 4_000_000),)
    return Proof(image, outcome, Verdict(findings, passed_over, untouched, 2, 10))


def test_findings_are_one_table_with_a_row_for_each_line(image: Image) -> None:
    found = proof(image, GIT, GIT_TOO, SUSPECT, WORDS)
    assert not found.proved
    lines = found.to_text().splitlines()
    table = [line.split("  ") for line in lines if line.startswith(("process", "node"))]
    assert [[cell.strip() for cell in row if cell.strip()] for row in table] == [
        ["process", "missing", "package", "declare"],
        ["node", "/usr/bin/git and 1 more", "git", "rootfs_packages: [git]"],
        ["node", "/app/words (why)", "-", "rootfs_outputs: [{path: /app/words}]"],
    ]
    assert lines[2:4] == [
        "smoke   passed: ended with status 0 (1.2 s)",
        "traced  2 processes, 10 paths touched, 3 missing",
    ]
    assert "nano" not in found.to_text()
    assert lines[-1] == "4.0 MB  3      tzdata"


def test_a_run_that_failed_tells_its_last_words_and_what_may_be_missing(image: Image) -> None:
    found = proof(image, SUSPECT, passed=False)
    assert (found.proved, found.failure) == (False, "the smoke run failed: ended with status 0")
    text = found.to_text()
    # A terminal shows no control characters of others.
    assert "  last\\x1b words" in text
    assert "rootfs_packages: [nano]" in text
    assert "tzdata" not in text


def test_a_proof_is_one_object(image: Image) -> None:
    found = proof(image, SUSPECT)
    assert found.proved
    data = json.loads(json.dumps(found.to_json()))
    assert (data["proved"], data["findings"], data["suspects"]) == (True, [], [])
    assert data["passed_over"] == [
        {"path": "/etc/gai.conf", "process": "node", "reason": "no need"},
        {
            "path": "/usr/bin/nano",
            "process": "node",
            "reason": "the run asked for it, and did without it",
        },
    ]
    assert data["untouched"] == [{"name": "tzdata", "files": 3, "size": 4_000_000}]
