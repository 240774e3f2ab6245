"""A build may be killed at any moment: the next one equals a clean one and leaves nothing else."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

from exports import Export, export

from rootfs_ansible.model.image import Image, ImageConfig
from rootfs_ansible.pack import link, pack, write_directory, write_oci_archive, write_tar
from rootfs_ansible.store import Store

KILLS = 30
TREE = "\n".join(
    [
        "runtime /usr dir 0755",
        *(f"runtime /usr/{number} file 0644 {'x' * 5000}" for number in range(100)),
        "app /app dir 0755",
        *(f"app /app/{number} file 0644 {'y' * 500}" for number in range(100)),
    ]
)


def build(exported: Export, place: Path) -> Image:
    store = Store(place / "store")
    store.admit(exported.fragment, exported.directory, exported.epoch)
    store.put_record("stage", exported.fragment.to_json())
    config = ImageConfig(command=("/app/0",))
    linked = link([exported.fragment], ["runtime", "app"])
    image = pack(store, linked, config, "killed:1", exported.epoch)
    store.put_ref(image.name, store.descriptor(image.digest))
    write_tar(store, image, place / "out" / "root.tar")
    write_oci_archive(store, image, place / "out" / "image.oci")
    write_directory(store, image, place / "out" / "root")
    return image


def listing(place: Path) -> list[str]:
    return sorted(
        str(path.relative_to(place))
        for path in place.rglob("*")
        if not path.name.startswith("output-")
    )


def test_the_build_after_thirty_kills_equals_a_clean_one(tmp_path: Path) -> None:
    exported = export(tmp_path / "exported", TREE)
    began = time.monotonic()
    clean = build(exported, tmp_path / "clean")
    took = time.monotonic() - began
    place = tmp_path / "killed"
    place.mkdir()
    moments = random.Random(20)
    for _ in range(KILLS):
        process = multiprocessing.get_context("fork").Process(target=build, args=(exported, place))
        process.start()
        time.sleep(moments.random() * took)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        # Half of the builds find what an earlier one completed: these start anew.
        if moments.random() < 0.5 and (place / "store" / "index.json").exists():
            for blob in (place / "store" / "blobs" / "sha256").iterdir():
                blob.unlink()
    assert build(exported, place).digest == clean.digest
    assert listing(place) == listing(tmp_path / "clean")
