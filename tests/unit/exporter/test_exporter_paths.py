"""The index of a tree: every path, and who owns it."""

from __future__ import annotations

import json
import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from trees import exported, output, package, plant

from rootfs_ansible.errors import StoreError, UntrustedError
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.paths import INDEX, path_index
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ROOT
from rootfs_ansible.model.paths import LIMIT, Known, Paths
from rootfs_ansible.model.request import Scope
from rootfs_ansible.store import Store
from rootfs_ansible.store.paths import keep_index, load_index, read_index


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = plant(
        tmp_path / "tree",
        """
        /app/main.js
        /app/deep/er/x
        /app/pipe fifo
        /etc/alternatives/vi -> /usr/bin/nano
        /lib -> usr/lib
        /proc/self/secret
        /run/rootfs/secret
        /tmp/x
        /usr/bin/nano
        /usr/bin/vi -> /etc/alternatives/vi
        /usr/lib/liba.so.1.2
        /usr/lib/liba.so.1 -> liba.so.1.2
        /usr/share/one/x
        /var/lib/dpkg/alternatives/vi auto\\n/usr/bin/vi\\n\\n/usr/bin/nano\\n30
        """,
    )
    package(root, "nano", "/usr", "/usr/bin", "/usr/bin/nano")
    package(root, "liba1", "/usr", "/usr/lib", "/usr/lib/liba.so.1.2")
    package(root, "one", "/usr", "/usr/share", "/usr/share/one", "/usr/share/one/x")
    os.close(os.open(os.fsencode(root) + b"/app/not-utf8-\xff", os.O_CREAT))
    return root


def test_a_link_that_cannot_be_read_is_as_good_as_not_there() -> None:
    # The link to its program is there until the process is waited for, and leads nowhere.
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as ended:
        assert ended.stdout is not None
        ended.stdout.read()
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        tree = Root(Path(f"/proc/{ended.pid}"))
        assert ("exe", Kind.SYMLINK) in tree.kinds(ROOT)
        found = dict(path_index(tree, PackageDatabase(tree)))
    assert "/exe" not in found
    assert found["/status"] == Known(Kind.FILE)


def test_every_path_is_told_with_the_package_that_owns_it(root: Path) -> None:
    tree = Root(root)
    found = dict(path_index(tree, PackageDatabase(tree)))
    assert {path: known for path, known in found.items() if not path.startswith("/var")} == {
        "/app": Known(Kind.DIRECTORY),
        "/app/deep": Known(Kind.DIRECTORY),
        "/app/deep/er": Known(Kind.DIRECTORY),
        "/app/deep/er/x": Known(Kind.FILE),
        "/app/main.js": Known(Kind.FILE),
        "/app/not-utf8-\udcff": Known(Kind.FILE),
        "/etc": Known(Kind.DIRECTORY),
        "/etc/alternatives": Known(Kind.DIRECTORY),
        "/etc/alternatives/vi": Known(Kind.SYMLINK, "", "/usr/bin/nano"),
        "/lib": Known(Kind.SYMLINK, "", "usr/lib"),
        # More than one package has it.
        "/usr": Known(Kind.DIRECTORY),
        "/usr/bin": Known(Kind.DIRECTORY, "nano"),
        "/usr/bin/nano": Known(Kind.FILE, "nano"),
        # What a tool keeps for a package.
        "/usr/bin/vi": Known(Kind.SYMLINK, "nano", "/etc/alternatives/vi"),
        "/usr/lib": Known(Kind.DIRECTORY, "liba1"),
        "/usr/lib/liba.so.1": Known(Kind.SYMLINK, "liba1", "liba.so.1.2"),
        "/usr/lib/liba.so.1.2": Known(Kind.FILE, "liba1"),
        "/usr/share": Known(Kind.DIRECTORY, "one"),
        "/usr/share/one": Known(Kind.DIRECTORY, "one"),
        "/usr/share/one/x": Known(Kind.FILE, "one"),
    }
    assert not any(path.startswith("/var/lib/dpkg") for path in found)


@pytest.mark.parametrize(("scope", "there"), [(Scope.ALL, True), (Scope.OUTPUTS, False)])
def test_an_export_writes_it_but_for_a_part(
    root: Path, tmp_path: Path, scope: Scope, there: bool
) -> None:
    exported(root, output("/app/deep"), scope=scope, into=tmp_path / "out")
    assert (tmp_path / "out" / INDEX).exists() == there


def test_the_store_gives_an_index_back(root: Path, tmp_path: Path) -> None:
    exported(root, output("/app/deep"), into=tmp_path / "out")
    store = Store(tmp_path / "store")
    digest = keep_index(store, read_index(tmp_path / "out"))
    tree = Root(root)
    assert dict(load_index(store, digest)) == dict(path_index(tree, PackageDatabase(tree)))
    other = store.put_blob(b"no index").digest
    with pytest.raises(StoreError, match="no index of paths"):
        load_index(store, other)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[" * 100_000, b"7", b'{"version": 1}', json.dumps({"version": 2}).encode()],
)
def test_what_a_container_sends_in_its_place_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / INDEX).write_bytes(content)
    with pytest.raises(UntrustedError, match="is no index"):
        read_index(tmp_path)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text(json.dumps(Paths({}).to_json()))
    (tmp_path / INDEX).symlink_to(tmp_path / "other")
    with pytest.raises(UntrustedError, match="cannot be read"):
        read_index(tmp_path)


def test_what_would_take_all_memory_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_bytes(b"[" + b"[]," * (5 * LIMIT) + b"0, 0]")
    tracemalloc.start()
    try:
        with pytest.raises(UntrustedError, match="holds more than 1048576 paths"):
            read_index(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 96 << 20
    finally:
        tracemalloc.stop()
