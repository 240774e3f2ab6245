"""The policy of an app, as its build enforces it."""

from __future__ import annotations

from pathlib import Path

import pytest
from builds import TREE, harvested, make_build

from rootfs_ansible.drive.build import Build
from rootfs_ansible.errors import InputError, PolicyError
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.plan import Plan, Role, Roles

ALLOWED = {"shell": ["/app/tools/sh"]}


@pytest.fixture(autouse=True)
def _with_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = f"{TREE['compile']}\napp /app/tools dir 0755\napp /app/tools/sh file 0755 shell"
    monkeypatch.setitem(TREE, "compile", tree)


def packed(build: Build) -> tuple[Image, Plan]:
    plan = harvested(build, build.plan())
    return build.pack(plan, {}), plan


def records(build: Build) -> set[str]:
    return {path.name for path in (build.store.directory / "records").iterdir()}


def test_what_is_refused_has_no_name_and_can_be_asked_about(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    image, _ = packed(build)
    with pytest.raises(PolicyError) as raised:
        build.enforce(image)
    assert (
        str(raised.value)
        == f"""\
shop: the policy does not allow what is in the image
  - shell  /app/tools/sh  file 0755, 5 B  by test
Hint: take out what brings them (rootfs-ansible why {image.digest} PATH tells the whole way), or
allow them in the inventory, such as host_vars/shop.yml, with the reason:
    rootfs_policy_allow: {{shell: [/app/tools/sh]}}
or for one build: -e '{{"rootfs_policy_allow": {{"shell": ["/app/tools/sh"]}}}}'"""
    )
    assert build.store.refs() == {}
    assert build.store.manifest(image.digest)


def test_what_is_allowed_is_the_same_image_under_the_same_keys(tmp_path: Path) -> None:
    strict = make_build(tmp_path)
    image, plan = packed(strict)
    build = make_build(tmp_path, rootfs_policy_allow=ALLOWED, rootfs_policy={"files": 10})
    found = build.plan()
    assert (found.key, found.cached) == (plan.key, True)
    assert build.plan_stages(found, {}).stages == strict.plan_stages(found, {}).stages
    assert build.enforce(image) == ()


def test_an_image_is_judged_once_by_each_policy_and_each_code(tmp_path: Path) -> None:
    build = make_build(tmp_path, rootfs_policy_allow=ALLOWED)
    image, _ = packed(build)
    assert build.enforce(image) == ()
    kept = records(build)
    image.manifest.write_text("{}")
    assert build.enforce(image) == ()
    assert records(build) == kept
    other = make_build(tmp_path, rootfs_policy_allow=ALLOWED, rootfs_policy={"files": 10})
    with pytest.raises(InputError, match="fragment"):
        other.enforce(image)
    object.__setattr__(build.inputs, "code", "another")
    with pytest.raises(InputError, match="fragment"):
        build.enforce(image)


def test_a_verdict_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    image, _ = packed(build)
    before = records(build)
    with pytest.raises(PolicyError):
        build.enforce(image)
    (verdict,) = records(build) - before
    (build.store.directory / "records" / verdict).write_text('{"findings": [1]}')
    with pytest.raises(PolicyError):
        build.enforce(image)


def test_a_dry_run_tells_and_writes_nothing(tmp_path: Path) -> None:
    build = make_build(tmp_path)
    image, _ = packed(build)
    before = records(build)
    with pytest.raises(PolicyError):
        build.enforce(image, dry=True)
    assert records(build) == before


def test_what_is_allowed_in_vain_is_told(tmp_path: Path) -> None:
    allowed = {**ALLOWED, "secret": ["/app/id_rsa"]}
    build = make_build(tmp_path, rootfs_policy_allow=allowed)
    image, _ = packed(build)
    told = ("rootfs_policy_allow.secret: /app/id_rsa fits nothing that is in the image",)
    assert build.enforce(image) == told
    assert build.enforce(image) == told


def test_a_policy_that_means_nothing_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a policy is not as it must be"):
        make_build(tmp_path, rootfs_policy={"sise": 1}).plan()


def test_a_role_cannot_give_its_app_another_policy(tmp_path: Path) -> None:
    """It may set facts, which are above what the inventory says."""
    roles = Roles(applied=(Role("site", "/roles/site", "site"),), digest="one")
    strict = make_build(tmp_path)
    plan = harvested(strict, strict.plan(roles))
    with pytest.raises(InputError, match="options are not what they were"):
        make_build(tmp_path, rootfs_policy_allow=ALLOWED).pack(plan, {})
    assert strict.pack(Plan.from_json(plan.to_json()), {})
