"""The store is an OCI image layout that two builds, a full disk and a kill leave whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import small_disk
from exports import export

from rootfs_ansible.errors import StoreError
from rootfs_ansible.store import Descriptor, Store
from rootfs_ansible.store.aside import temporary, written_aside

DIGEST = "sha256:" + "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def listing(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_reading_makes_nothing(store: Store) -> None:
    assert store.record("key") is None
    assert store.ref("app:1") is None
    assert store.manifest(DIGEST) is None
    assert not store.has(DIGEST, 1)
    assert not store.directory.exists()


def test_writing_makes_a_valid_layout(store: Store) -> None:
    store.put_ref("app:1", Descriptor(DIGEST, 7))
    assert json.loads((store.directory / "oci-layout").read_text()) == {
        "imageLayoutVersion": "1.0.0"
    }
    assert json.loads((store.directory / "index.json").read_text()) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": DIGEST,
                "size": 7,
                "annotations": {"org.opencontainers.image.ref.name": "app:1"},
            }
        ],
    }
    assert (store.directory / "blobs" / "sha256").is_dir()


def test_a_blob_is_named_by_its_content(store: Store) -> None:
    found = store.put_blob(b"content")
    assert found.digest == "sha256:" + hashlib.sha256(b"content").hexdigest()
    assert store.has(found.digest, 7)
    assert not store.has(found.digest, 8)
    assert store.read_blob(found.digest) == b"content"


def test_a_damaged_blob_is_an_error_that_names_it(store: Store) -> None:
    found = store.put_blob(b"content")
    store.blob(found.digest).write_bytes(b"CONTENT")
    with pytest.raises(StoreError, match=f"{found.digest} is damaged"):
        store.read_blob(found.digest)


def test_a_missing_blob_is_an_error_that_names_it(store: Store) -> None:
    with pytest.raises(StoreError, match=f"{DIGEST} is missing"):
        store.blob(DIGEST)


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../x", "md5:" + "a" * 32])
def test_a_digest_is_never_a_path(store: Store, digest: str) -> None:
    with pytest.raises(StoreError, match="not a digest"):
        store.blob(digest)


def test_a_record_comes_back(store: Store) -> None:
    store.put_record("key", {"name": "Grüße \udcff"})
    assert store.record("key") == {"name": "Grüße \udcff"}
    store.put_record("key", {"name": "other"})
    assert Store(store.directory).record("key") == {"name": "other"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_damaged_record_counts_as_none(store: Store, content: bytes) -> None:
    store.put_record("key", {})
    (store.directory / "records" / "key.json").write_bytes(content)
    assert store.record("key") is None


@pytest.mark.parametrize("key", ["", "../index", "a/b", ".x", "k" * 129])
def test_a_key_is_never_a_path(store: Store, key: str) -> None:
    with pytest.raises(StoreError, match="not a key"):
        store.put_record(key, {})


def test_a_name_leaves_the_image_that_had_it(store: Store) -> None:
    store.put_ref("app:1", Descriptor(DIGEST, 1))
    store.put_ref("app:2", Descriptor(DIGEST, 1))
    other = Descriptor("sha256:" + "b" * 64, 2)
    store.put_ref("app:1", other)
    assert store.refs() == {"app:1": other, "app:2": Descriptor(DIGEST, 1)}


def test_the_index_keeps_what_others_wrote_into_it(store: Store) -> None:
    store.put_ref("app:1", Descriptor(DIGEST, 1))
    path = store.directory / "index.json"
    index = json.loads(path.read_text())
    index["manifests"].append({"mediaType": "x/y", "digest": DIGEST, "size": 3})
    path.write_text(json.dumps(index))
    store.put_ref("app:2", Descriptor(DIGEST, 1))
    assert {"mediaType": "x/y", "digest": DIGEST, "size": 3} in json.loads(path.read_text())[
        "manifests"
    ]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"manifests": 1}', '{"manifests": [1]}'])
def test_a_damaged_index_is_an_error_that_says_what_to_do(store: Store, content: str) -> None:
    store.put_ref("app:1", Descriptor(DIGEST, 1))
    (store.directory / "index.json").write_text(content)
    with pytest.raises(StoreError, match="rootfs-ansible store check"):
        store.refs()


def test_a_store_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("no directory")
    with pytest.raises(StoreError, match=r"cannot be used: (Not a directory|File exists)"):
        Store(tmp_path / "store").put_record("key", {})


# --- two builds at once ---


def put_many(directory: Path, worker: int) -> None:
    store = Store(directory)
    for turn in range(10):
        store.put_ref(f"app-{worker}:{turn}", Descriptor(DIGEST, 1))
        store.put_blob(b"shared %d" % turn)
        store.put_record("shared", {"worker": worker, "turn": turn})


def test_builds_at_once_lose_nothing_of_each_other(store: Store) -> None:
    workers = [
        multiprocessing.get_context("fork").Process(target=put_many, args=(store.directory, n))
        for n in range(6)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert len(store.refs()) == 60
    assert store.record("shared") is not None
    assert len(list((store.directory / "blobs" / "sha256").iterdir())) == 10
    assert list((store.directory / "aside").iterdir()) == []


# --- what dies while it writes ---


def write_forever(directory: Path, started: Path) -> None:
    store = Store(directory)
    with store.scratch() as scratch, written_aside(directory / "aside", directory / "x") as file:
        (scratch / "half").write_bytes(b"half")
        file.write(b"half")
        started.touch()
        time.sleep(600)


def test_what_a_killed_build_left_is_removed_by_the_next(store: Store, tmp_path: Path) -> None:
    store.put_record("before", {})
    before = listing(store.directory)
    started = tmp_path / "started"
    process = multiprocessing.get_context("fork").Process(
        target=write_forever, args=(store.directory, started)
    )
    process.start()
    while not started.exists():
        time.sleep(0.01)
    left = sorted((store.directory / "aside").iterdir())
    assert len(left) == 2

    Store(store.directory).put_record("before", {})
    assert sorted((store.directory / "aside").iterdir()) == left, "the living keep theirs"

    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    Store(store.directory).put_record("before", {})
    assert listing(store.directory) == before


def test_an_error_midway_leaves_nothing(store: Store) -> None:
    store.put_record("before", {})
    before = listing(store.directory)
    aside = store.directory / "aside"
    with (
        contextlib.suppress(KeyboardInterrupt),
        store.scratch() as scratch,
        written_aside(aside, store.directory / "x") as file,
    ):
        (scratch / "half").write_bytes(b"half")
        file.write(b"half")
        raise KeyboardInterrupt
    assert listing(store.directory) == before


def test_a_shared_place_is_swept_of_our_own_dead_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"ours-{'0' * 16}").mkdir()
    (tmp_path / "ours-0").mkdir()
    (tmp_path / "theirs").mkdir()
    os.mkfifo(tmp_path / f"ours-{'1' * 16}")
    with temporary("ours-") as first, temporary("ours-") as second:
        (first / "half").write_bytes(b"half")
        assert listing(tmp_path) == sorted(
            ["ours-0", "theirs", first.name, f"{first.name}/half", second.name]
        )
    assert listing(tmp_path) == ["ours-0", "theirs"]


# --- a full disk ---


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "small") as directory:
        yield directory


def test_a_full_disk_names_the_store_and_what_is_needed(disk: Path, tmp_path: Path) -> None:
    store = Store(disk / "store")
    store.put_record("before", {})
    before = listing(store.directory)
    exported = export(tmp_path / "exported", f"app /a file 0644 {'x' * 1_000_000}")
    with pytest.raises(StoreError) as caught:
        store.admit(exported.fragment, exported.directory, exported.epoch)
    needed = exported.fragment.layers[0].size
    assert f"the disk of the store is full: {needed} bytes are needed, " in caught.value.what
    assert caught.value.where == str(store.directory)
    assert "rootfs_store" in caught.value.hint
    assert listing(store.directory) == before


def test_a_disk_that_fills_up_midway_leaves_nothing(disk: Path) -> None:
    store = Store(disk / "store")
    store.put_record("before", {})
    before = listing(store.directory)
    with pytest.raises(StoreError, match="the disk of the store is full"), store.scratch() as at:
        (at / "large").write_bytes(bytes(1_000_000))
    assert listing(store.directory) == before
    store.put_record("before", {"and": "on it goes"})
