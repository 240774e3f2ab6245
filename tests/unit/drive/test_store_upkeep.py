"""Upkeep of a store that builds fill: what goes, what stays, and that the next build mends it."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from builds import TREE, make_build
from exports import export

from rootfs_ansible.drive.verify import asked_of
from rootfs_ansible.errors import InputError
from rootfs_ansible.exporter.paths import write_index
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.paths import Known
from rootfs_ansible.model.plan import Stage
from rootfs_ansible.pack.documents import provenance_of
from rootfs_ansible.store.layout import SUBJECT, Store
from rootfs_ansible.store.upkeep import DAY, check, prune

ROUNDS = 24


def built(base: Path, commit: str = "one", **options: object) -> tuple[str, list[str]]:
    """Build and deliver an app as a play does; return the digest and what had to be made."""
    build = make_build(base, rootfs_labels={"commit": commit}, **options)
    plan = build.plan()
    image, made = build.image(plan.key), []
    if image is None:
        plan = build.plan_stages(plan, {}).with_stage(Stage("system", "", run=False))
        for stage, tree in TREE.items():
            if build.harvest(plan.stage(stage).key) is None:
                made.append(stage)
                exported = export(base / f"{stage}-{build.name}", tree, epoch=0)
                write_index([("/app", Known(Kind.DIRECTORY))], exported.directory)
                build.keep(plan, stage, exported.fragment, exported.directory, {})
        image = build.pack(plan, {})
        made.append("image")
    build.deliver(image, plan)
    # All that is said of an image can be read.
    asked_of(build.store, build.tag)
    provenance_of(build.store, image.digest)
    return image.digest, made


def listing(base: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(base)): path.read_bytes()
        for path in sorted((base / "store").rglob("*"))
        if path.is_file()
    }


def image_records(store: Store) -> list[str]:
    return [key for key, path in store.records().items() if b'"stages"' in path.read_bytes()]


def unname(store: Store) -> None:
    store.put_items([item for item in store.items() if SUBJECT in item["annotations"]])


def age(store: Path, days: float = 100) -> None:
    then = time.time() - days * DAY
    for path in store.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A place with a store that has two images of one name: the first has lost it."""
    built(tmp_path, "one")
    built(tmp_path, "two")
    return tmp_path


def test_an_image_without_a_name_goes_with_all_that_it_alone_has(base: Path) -> None:
    age(base / "store")
    removed = prune(Store(base / "store"))
    assert {one.kind for one in removed} == {
        "image record", "artifact", "record", "manifest", "blob",
    }  # fmt: skip
    after = listing(base)
    shutil.rmtree(base / "store")
    built(base, "two")
    assert after == listing(base)


def test_what_has_a_name_stays_with_the_stages_it_was_packed_of(base: Path) -> None:
    """So the next change of the app's sources makes no more than it did before."""
    age(base / "store")
    prune(Store(base / "store"))
    assert built(base, "two")[1] == []
    assert built(base, "three")[1] == ["image"]


def test_of_the_plans_that_give_one_image_the_last_keeps_its_stages(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest, _ = built(tmp_path)
    (first,) = image_records(store)
    record = store.record(first)
    assert record is not None
    store.put_record("later", {**record, "stages": []})
    age(tmp_path / "store")
    os.utime(store.records()["later"], (time.time() - 90 * DAY,) * 2)
    stages = set(record["stages"]) & set(store.records())
    assert len(stages) == len(TREE)
    assert {one.name for one in prune(store)} == {first} | stages
    assert {found.digest for found in store.refs().values()} == {digest}


def test_what_was_used_lately_stays(base: Path) -> None:
    """Looking at a plan is use: ``--check`` is the first step of a build."""
    store = Store(base / "store")
    age(base / "store")
    build = make_build(base, rootfs_labels={"commit": "one"})
    assert build.plan().cached
    assert prune(store) == ()
    age(base / "store", days=29)
    assert prune(store) == ()
    assert prune(store, keep=28 * DAY) != ()


def test_a_blob_that_a_build_has_just_put_or_found_stays(base: Path) -> None:
    store = Store(base / "store")
    left = store.put_blob(b"left")
    age(base / "store")
    found = store.put_blob(b"left")
    new = store.put_blob(b"new")
    prune(store, keep=0)
    assert found == left
    assert store.has(left.digest) and store.has(new.digest)
    prune(store, keep=0, grace=0)
    assert not store.has(left.digest) and not store.has(new.digest)


def test_a_layer_that_an_export_found_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    exported = export(tmp_path / "exported", TREE["runtime"])
    store.admit(exported.fragment, exported.directory, exported.epoch)
    age(tmp_path / "store")
    store.admit(exported.fragment, exported.directory, exported.epoch)
    assert prune(store, keep=0) == ()
    age(tmp_path / "store")
    assert [one.kind for one in prune(store, keep=0)] == ["blob"]


def test_a_young_image_without_a_name_keeps_its_old_layers(base: Path) -> None:
    """It may be on its way to one: a proof takes its time."""
    store = Store(base / "store")
    age(base / "store")
    build = make_build(base, rootfs_labels={"commit": "three"}, rootfs_verify=True)
    plan = build.plan_stages(build.plan(), {}).with_stage(Stage("system", "", run=False))
    image = build.pack(plan, {})
    prune(store, keep=0)
    build.accept(image, plan)
    assert build.image(plan.key) == image
    assert provenance_of(store, image.digest)
    assert check(store) == ()


def test_what_says_which_directory_a_build_wrote_stays(tmp_path: Path) -> None:
    """Without it the next build refuses to replace that directory."""
    store = Store(tmp_path / "store")
    store.put_record("output-1", {"written": []})
    store.put_record("other", {})
    age(tmp_path / "store")
    assert [one.name for one in prune(store, grace=0)] == ["other"]


def test_a_dry_run_says_the_same_and_keeps_it(base: Path) -> None:
    age(base / "store")
    before = listing(base)
    said = prune(Store(base / "store"), dry=True)
    assert listing(base) == before
    assert said == prune(Store(base / "store"))
    size = sum(map(len, before.values())) - sum(map(len, listing(base).values()))
    # The index has lost lines as well.
    assert 0 < sum(one.size for one in said) < size
    assert prune(Store(base / "store")) == ()


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "letter.json").write_text("Dear all")
    age(tmp_path)
    for upkeep in (prune, check):
        with pytest.raises(InputError, match="is no store"):
            upkeep(Store(tmp_path))
    assert [path.name for path in tmp_path.rglob("*")] == ["records", "letter.json"]


def removing(base: Path, last: int) -> None:
    """Prune, and be killed before one file more than ``last`` is removed."""
    unlink, removed = Path.unlink, 0

    def counting(path: Path, missing_ok: bool = False) -> None:
        nonlocal removed
        if removed == last:
            os.kill(os.getpid(), signal.SIGKILL)
        removed += 1
        unlink(path, missing_ok)

    Path.unlink = counting  # type: ignore[assignment,method-assign]
    prune(Store(base / "store"))


def test_killed_after_any_file_it_leaves_a_store_that_builds_what_it_did(base: Path) -> None:
    clean, _ = built(base, "one")
    built(base, "two")
    # Without a name all of it is to go, stages too.
    unname(Store(base / "store"))
    age(base / "store")
    shutil.copytree(base / "store", base / "kept")
    ends = []
    for last in range(0, 100, 3):
        shutil.rmtree(base / "store")
        shutil.copytree(base / "kept", base / "store")
        process = multiprocessing.get_context("fork").Process(target=removing, args=(base, last))
        process.start()
        process.join()
        ends.append(process.exitcode)
        assert check(Store(base / "store")) == ()
        assert built(base, "one")[0] == clean
        if process.exitcode == 0:
            break
    assert len(ends) > 5
    assert set(ends[:-1]) == {-signal.SIGKILL}


def test_nothing_is_wrong_with_what_builds_leave(base: Path) -> None:
    before = listing(base)
    assert check(Store(base / "store")) == ()
    assert listing(base) == before


@pytest.mark.parametrize("way", ["other bytes", "half", "gone"])
def test_whatever_is_damaged_the_next_build_makes_it_again(tmp_path: Path, way: str) -> None:
    clean, _ = built(tmp_path)
    whole = listing(tmp_path)
    store = Store(tmp_path / "store")
    for name, content in whole.items():
        path = tmp_path / name
        if path.name in ("lock", "oci-layout"):
            continue
        if way == "gone":
            path.unlink()
        elif way == "half":
            path.write_bytes(content[: len(content) // 2])
        else:
            path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        found = check(store)
        assert found or way == "gone", name
        assert check(store) == (), name
        assert built(tmp_path)[0] == clean
        # A stage that is gone is made when it is needed: when the image is made again.
        for record in image_records(store):
            store.records()[record].unlink()
        assert built(tmp_path)[0] == clean
        assert listing(tmp_path) == whole, name


def test_the_damage_of_one_image_is_not_that_of_another(base: Path) -> None:
    store = Store(base / "store")
    found = store.ref("shop:latest")
    assert found is not None
    path = store.blob(found.digest)
    path.write_bytes(path.read_bytes()[::-1])
    wrong = check(store)
    assert {(one.kind, one.name) for one in wrong if one.kind in ("name", "blob")} == {
        ("name", "shop:latest"), ("blob", found.digest),
    }  # fmt: skip
    assert all(found.digest in one.note for one in wrong if one.kind != "blob")
    assert built(base, "one")[1] == []
    assert built(base, "two")[1] == ["image"]


def building(base: Path, store: Path, link: Connection) -> None:
    while commit := link.recv():
        try:
            link.send(built(base, commit, rootfs_store=str(store))[0])
        except BaseException as error:
            link.send(repr(error))


def test_a_build_beside_it_loses_nothing_that_it_relies_on(tmp_path: Path) -> None:
    """Whether it finds what is about to go, or makes it again, is a matter of moments."""
    commits = ["one", "two"]
    for name in ("clean", "beside"):
        (tmp_path / name).mkdir()
    began = time.monotonic()
    digests = {commit: built(tmp_path / "clean", commit)[0] for commit in commits}
    took = (time.monotonic() - began) / len(commits)
    place = tmp_path / "beside" / "store"
    store = Store(place)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=building, args=(tmp_path / "beside", place, theirs)
    )
    process.start()
    moments = random.Random(5)
    went = 0
    try:
        for number in range(ROUNDS):
            commit = commits[number % 2]
            if place.exists():
                # Nothing has a name, and all of it is old: only its use can save it.
                unname(store)
                age(place)
            ours.send(commit)
            time.sleep(moments.random() * took)
            if place.exists() and (place / "oci-layout").exists():
                went += bool(prune(store))
            assert ours.recv() == digests[commit]
            assert check(store) == ()
            assert built(tmp_path / "beside", commit) == (digests[commit], [])
    finally:
        ours.send("")
        process.join(10)
    assert went > ROUNDS // 4
