"""The commands that ask a store, and no engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builds import harvested, make_build

from rootfs_ansible.cli import main
from rootfs_ansible.model.manifest import Candidate, Fragment


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with two images of one app."""
    for tag, labels in (("1", {}), ("2", {"commit": "two"})):
        build = make_build(tmp_path, rootfs_image_tag=tag, rootfs_labels=labels)
        plan = harvested(build, build.plan())
        build.deliver(build.pack(plan, {}), plan)
    return build.store.directory


def test_an_image_is_found_by_its_name_its_digest_and_its_file(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = make_build(store.parent, rootfs_image_tag="1")
    found = build.store.ref("shop:1")
    assert found is not None
    said = set()
    for image in ("shop:1", found.digest, str(build.store.manifest_path(found.digest))):
        assert main(["why", image, "/app/main", "--store", str(store)]) == 0
        said.add(capsys.readouterr().out)
    assert said == {"/app/main: file, 1 B, in layer app\n  test declares /app/main\n"}


def test_an_image_that_is_not_there_is_told_with_those_that_are(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["why", "shop", "/app/main", "--store", str(store)]) == 1
    assert capsys.readouterr().err == (
        f"rootfs-ansible: {store}: there is no image shop:latest\nHint: it has shop:1, shop:2\n"
    )


def test_a_file_that_is_no_manifest_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "package.json"
    path.write_text("{")
    assert main(["why", str(path), "/app/main"]) == 1
    assert f"{path}: is no manifest" in capsys.readouterr().err


def test_either_a_path_or_a_package_is_asked_for(store: Path) -> None:
    for words in ([], ["/app/main", "--package", "dash"]):
        with pytest.raises(SystemExit):
            main(["why", "shop:1", *words, "--store", str(store)])


def test_images_are_compared_by_what_is_in_them(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their labels are no paths."""
    assert main(["diff", "shop:1", "shop:2", "--store", str(store)]) == 0
    assert capsys.readouterr().out == "0 removed, 0 added, 0 changed; +0 B\n"


def test_a_comparison_tells_a_difference_from_a_failure(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As diff(1) does."""
    build = make_build(store.parent, rootfs_image_tag="1")
    found = build.store.ref("shop:1")
    assert found is not None
    manifest = json.loads(build.store.manifest_path(found.digest).read_bytes())
    other = store.parent / "other.json"
    other.write_text(json.dumps({**manifest, "entries": manifest["entries"][:-1]}))
    assert main(["diff", "shop:1", str(other), "--store", str(store)]) == 1
    assert "1 removed" in capsys.readouterr().out
    assert main(["diff", "shop:1", "shop:3", "--store", str(store)]) == 2


def test_a_file_that_is_not_there_is_no_name_of_an_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "gone.json"
    assert main(["why", str(path), "/x", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"rootfs-ansible: {path}: there is no such file\n"


def test_what_binaries_name_is_listed_by_what_they_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = (
        Candidate("/usr/lib/libb.so.1", "libz.so.1", "/usr/lib/libz.so.1.3", "zlib1g"),
        Candidate("/usr/lib/liba.so.1", "/etc/a\x1b.conf", "/etc/a\x1b.conf"),
        Candidate("/usr/lib/liba.so.1", "libz.so.1", "/usr/lib/libz.so.1.3", "zlib1g"),
    )
    path = tmp_path / "manifest.json"
    path.write_text("".join(Fragment(candidates=named).to_text()))
    assert main(["candidates", str(path)]) == 0
    assert capsys.readouterr().out == (
        "/etc/a\\x1b.conf (of no package), named by\n"
        "  /usr/lib/liba.so.1\n"
        "/usr/lib/libz.so.1.3 (zlib1g), named by\n"
        "  /usr/lib/liba.so.1 as libz.so.1\n"
        "  /usr/lib/libb.so.1 as libz.so.1\n"
    )
    assert main(["candidates", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == [item.to_json() for item in sorted(named)]
    path.write_text("".join(Fragment().to_text()))
    assert main(["candidates", str(path)]) == 0
    assert capsys.readouterr().out == ""


def test_a_policy_tells_what_is_found_from_what_could_not_be_looked_at(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--store", str(store)]
    assert main(["policy", "shop:1", *words]) == 0
    assert capsys.readouterr().out == "nothing is refused\n"
    policy = tmp_path / "policy.yml"
    policy.write_text("files: 1\nallow: {shell: [/bin/sh]}\n")
    words += ["--policy", str(policy)]
    assert main(["policy", "shop:1", *words]) == 1
    said = capsys.readouterr()
    assert said.out == "files  (the image)  2, and 1 are allowed  app 1, runtime 1\n"
    assert said.err == "warning: shell: /bin/sh fits nothing that is in the image\n"
    assert main(["policy", "shop:1", *words, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"] == [
        {
            "rule": "files",
            "path": "",
            "detail": "2, and 1 are allowed",
            "brought_by": "app 1, runtime 1",
        }
    ]
    assert main(["policy", "shop:3", *words]) == 2
    policy.write_text("file: 1")
    assert main(["policy", "shop:1", *words]) == 2
    assert "there is no such key; did you mean files?" in capsys.readouterr().err


def test_a_manifest_without_its_layers_is_judged_by_names(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = make_build(store.parent, rootfs_image_tag="1").store.ref("shop:1")
    assert found is not None
    path = make_build(store.parent).store.manifest_path(found.digest)
    assert main(["policy", str(path), "--store", str(tmp_path / "none")]) == 0
    assert "layer app is not in the store" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_images_share_is_counted_once(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "ls", "--store", str(store), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["own"]) for one in found["images"]] == [("shop:1", 0), ("shop:2", 0)]
    stages = {one.pop("name"): one for one in found["stages"]}
    assert list(stages) == ["runtime", "dependencies", "app"]
    (size,) = {one["size"] for one in found["images"]}
    assert sum(one["size"] for one in stages.values()) == size
    for one in stages.values():
        assert one == {**one, "layers": 1, "images": 2, "unshared": 2 * one["size"]}
    files = [path for path in store.rglob("*") if path.is_file()]
    assert size + found["other"] == sum(path.stat().st_size for path in files)
    assert found["total"] >= sum(path.stat().st_blocks * 512 for path in files)


def test_the_store_is_listed_for_people(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "ls", "--store", str(store)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["image", "size", "its", "own"],
        ["shop:1", "30.7", "kB", "0", "B"],
        ["shop:2", "30.7", "kB", "0", "B"],
    ]
    assert lines[5].split() == ["runtime", "1", "10.2", "kB", "2", "20.5", "kB"]
    assert lines[-1].endswith(" on disk")


def test_what_a_prune_removes_is_listed_first(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--store", str(store), "--keep-days", "0", "--grace", "0"]
    assert main(["store", "prune", *words, "--dry-run"]) == 0
    assert capsys.readouterr().out == "0 would be removed, 0 B\n"
    make_build(store.parent).store.put_blob(b"left")
    assert main(["store", "prune", "--store", str(store), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    for said in ("1 would be removed, 4 B", "1 removed, 4 B"):
        dry = ["--dry-run"] if "would" in said else []
        assert main(["store", "prune", *words, *dry]) == 0
        first, last = capsys.readouterr().out.splitlines()
        assert first.split()[0] == "blob"
        assert last == said


def test_a_check_ends_as_a_comparison_does(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "check", "--store", str(store)]) == 0
    found = make_build(store.parent).store.ref("shop:1")
    assert found is not None
    make_build(store.parent).store.blob(found.digest).write_bytes(b"")
    assert main(["store", "check", "--store", str(store), "--json"]) == 1
    said = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert [(one["kind"], one["note"]) for one in said] == [
        ("image record", f"{found.digest} is damaged"),
        ("name", f"{found.digest} is damaged"),
        ("blob", "is not what its name says"),
    ]
    assert main(["store", "check", "--store", str(store)]) == 0
    assert main(["store", "check", "--store", str(store / "records")]) == 2


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "month"])
def test_an_amount_of_time_is_a_number(amount: str) -> None:
    for option in ("--keep-days", "--grace"):
        with pytest.raises(SystemExit):
            main(["store", "prune", option, amount])
