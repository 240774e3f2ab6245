"""The tar writer: same entries, same bytes; what other readers make of them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from fuzzing import fuzzed
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from trees import listed

from rootfs_ansible.errors import ClosureError, RootfsError
from rootfs_ansible.exporter.tar import LayerTar
from rootfs_ansible.model.manifest import Entry, Kind
from rootfs_ansible.model.path import ImagePath


def entry(path: str, kind: Kind = Kind.FILE, mode: int = 0o644, **more: object) -> Entry:
    return Entry(
        ImagePath(path),
        kind,
        mode,
        **{"uid": 0, "gid": 0, "size": 0, "sha256": "", "layer": "app", **more},  # type: ignore[arg-type]
    )


def test_writes_each_kind(tmp_path: Path) -> None:
    with LayerTar(tmp_path / "x.tar", 0) as tar:
        tar.add(entry("/d", Kind.DIRECTORY, 0o1777, uid=5, gid=6))
        first = tar.add_bytes(entry("/d/file"), b"hello")
        tar.add(entry("/d/hard", size=5, hardlink=first.path))
        tar.add(entry("/d/soft", Kind.SYMLINK, 0o777, link="file"))
        digest, size = tar.finish()
    assert listed(tmp_path / "x.tar") == [
        "/d dir 1777 5:6",
        "/d/file file 0644 hello",
        "/d/hard = /d/file",
        "/d/soft -> file",
    ]
    content = (tmp_path / "x.tar").read_bytes()
    assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert first.sha256 == hashlib.sha256(b"hello").hexdigest()


def test_a_plain_tree_has_no_pax_header(tmp_path: Path) -> None:
    deep = "/" + "/".join(["directory-of-twenty-ch"] * 9) + "/file"
    with LayerTar(tmp_path / "x.tar", 1_700_000_000) as tar:
        tar.add_bytes(entry("/usr/bin/x", uid=2_000_000), b"x")
        tar.add_bytes(entry(deep), b"x")
    content = (tmp_path / "x.tar").read_bytes()
    assert b"PaxHeaders" not in content
    assert [line.split()[0] for line in listed(tmp_path / "x.tar")] == ["/usr/bin/x", deep]


@pytest.mark.parametrize(
    "path",
    [
        "/" + "a" * 101,
        "/" + "/".join(["b" * 60] * 6),
        "/grüße/日本.txt",
        "/not-utf8-\udcff\udcfe",
        "/" + "c" * 120 + "\udcff",
        "/with\nnewline",
    ],
)
def test_every_name_survives(tmp_path: Path, path: str) -> None:
    with LayerTar(tmp_path / "x.tar", 0) as tar:
        tar.add_bytes(entry(path), b"content")
        tar.add(entry(path + "-link", Kind.SYMLINK, 0o777, link=path))
    with tarfile.open(tmp_path / "x.tar") as tar:
        file, link = tar.getmembers()
        assert (file.name, link.linkname) == (path[1:], path)
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "x.tar", "-C", tmp_path / "out"], check=True)
    name = os.fsencode(tmp_path / "out") + path.encode("utf-8", "surrogateescape")
    with open(name, "rb") as stream:  # noqa: PTH123 (a name of bytes)
        assert stream.read() == b"content"


def test_numbers_that_ustar_cannot_hold(tmp_path: Path) -> None:
    with LayerTar(tmp_path / "x.tar", -1) as tar:
        tar.add_bytes(entry("/x", uid=2**31, gid=2**21), b"")
    with tarfile.open(tmp_path / "x.tar") as tar:
        member = tar.getmembers()[0]
        assert (member.uid, member.gid, member.mtime) == (2**31, 2**21, -1)


def test_keeps_extended_attributes(tmp_path: Path) -> None:
    value = "0100000200040000000000000000000000000000"
    with LayerTar(tmp_path / "x.tar", 0) as tar:
        tar.add_bytes(entry("/x", xattrs=(("security.capability", value),)), b"")
    shown = subprocess.run(
        ["tar", "--xattrs-include=*", "-tvvf", tmp_path / "x.tar"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "20 security.capability" in shown.stdout
    content = (tmp_path / "x.tar").read_bytes()
    assert b"SCHILY.xattr.security.capability=" + bytes.fromhex(value) + b"\n" in content


def test_copies_a_file_larger_than_its_buffers(tmp_path: Path) -> None:
    content = os.urandom(5_000_001)
    (tmp_path / "big").write_bytes(content)
    with (tmp_path / "big").open("rb") as stream, LayerTar(tmp_path / "x.tar", 0) as tar:
        tar.add(entry("/before", Kind.DIRECTORY, 0o755))
        written = tar.add_file(entry("/big", size=len(content)), stream.fileno())
        digest, size = tar.finish()
    assert written.sha256 == hashlib.sha256(content).hexdigest()
    data = (tmp_path / "x.tar").read_bytes()
    assert (digest, size) == (hashlib.sha256(data).hexdigest(), len(data))
    with tarfile.open(tmp_path / "x.tar") as tar:
        stream_of_it = tar.extractfile("big")
        assert stream_of_it is not None
        assert stream_of_it.read() == content


@pytest.mark.parametrize("said", [4, 6])
def test_a_file_that_changes_is_an_error(tmp_path: Path, said: int) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    with (
        (tmp_path / "x").open("rb") as stream,
        pytest.raises(ClosureError, match="/x: changed while it was read"),
        LayerTar(tmp_path / "x.tar", 0) as tar,
    ):
        tar.add_file(entry("/x", size=said), stream.fileno())


def test_a_full_disk_is_an_error() -> None:
    with (
        pytest.raises(RootfsError, match="No space left on device"),
        LayerTar(Path("/dev/full"), 0) as tar,
    ):
        for number in range(100):
            tar.add_bytes(entry(f"/{number}"), bytes(1 << 20))
        tar.finish()


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=150)


@fuzzed(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=4))
def test_any_name_reads_back(tmp_path: Path, parts: list[str]) -> None:
    path = "/" + "/".join(parts)
    with LayerTar(tmp_path / "x.tar", 0) as tar:
        tar.add_bytes(entry(path), path.encode())
    with tarfile.open(tmp_path / "x.tar") as tar:
        assert [member.name for member in tar] == [path[1:]]
