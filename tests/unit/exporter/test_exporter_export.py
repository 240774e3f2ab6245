"""The export as a whole: the program in a zip archive, its errors, its determinism."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from zipfile import ZipFile

import pytest
from trees import exported, library, output, package, plant

from rootfs_ansible.errors import ClosureError, InputError, RootfsError
from rootfs_ansible.exporter import FRAGMENT, zipapp
from rootfs_ansible.exporter.__main__ import FAILED, main
from rootfs_ansible.model.manifest import EdgeKind, Fragment, Need
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest, Scope


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    plant(
        root,
        """
        4755 12:34 /app/run x
        /app/a/b/c
        /app/hard = /app/a/b/c
        /app/link -> a/b
        0755 /app/tool.sh #!/bin/sh
        /app/größe
        """,
    )
    os.close(os.open(os.fsencode(root) + b"/app/not-utf8-\xff", os.O_CREAT))
    library(root, "/app/x.node", ["liby.so"])
    library(root, "/usr/lib/liby.so")
    package(root, "liby1", "/usr/lib/liby.so")
    return root


@pytest.mark.parametrize(
    ("there", "where"),
    [
        ("/out x", "out"),
        ("/out/app.tar -> /dev/full", "out/app.tar"),
        ("/out/app.tar/", "out/app.tar"),
        ("/out/.fragment.json.new -> /dev/full", "out/fragment.json"),
        ("/out/fragment.json/x", "out"),
    ],
)
def test_what_cannot_be_written_says_where(
    root: Path, tmp_path: Path, there: str, where: str
) -> None:
    plant(tmp_path / "disk", there)
    with pytest.raises(RootfsError, match=f"disk/{where}: cannot be written: ") as caught:
        exported(root, "/app", into=tmp_path / "disk/out")
    assert "free some space" in caught.value.hint


def run(root: Path, request: ExportRequest, directory: Path, **environment: str) -> int:
    directory.mkdir()
    program = zipapp(directory / "exporter.pyz")
    (directory / "request.json").write_text(json.dumps(request.to_json()))
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            program,
            f"--root={root}",
            f"--request={directory / 'request.json'}",
            f"--output={directory / 'out'}",
        ],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )
    (directory / "stdout").write_text(done.stdout)
    assert done.stderr == ""
    return done.returncode


APP = ExportRequest(layers=("app",), outputs=(output("/app"),), epoch=1_700_000_000)


def test_the_archive_alone_exports(root: Path, tmp_path: Path) -> None:
    assert run(root, APP, tmp_path / "one") == 0
    fragment = Fragment.from_json(json.loads((tmp_path / "one/out" / FRAGMENT).read_text()))
    assert fragment == Fragment.from_json(
        exported(root, "/app", epoch=APP.epoch).fragment.to_json()
    )
    assert (tmp_path / "one/stdout").read_text() == ""
    assert sorted(path.name for path in (tmp_path / "one/out").iterdir()) == [
        "app.tar",
        "fragment.json",
        "paths.json",
    ]


def test_what_a_user_can_act_on_is_said_in_json(root: Path, tmp_path: Path) -> None:
    request = ExportRequest(layers=("app",), outputs=(output("/none"), output("/nor-this")))
    assert run(root, request, tmp_path / "one") == 3
    error = RootfsError.from_json(json.loads((tmp_path / "one/stdout").read_text())["error"])
    assert isinstance(error, ClosureError)
    assert len(error.details) == 2
    assert not (tmp_path / "one/out").exists()


def test_a_request_that_is_none_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text('{"layers": ["app"], "outputs": [{"path": "x"}]}')
    arguments = [f"--root={root}", f"--request={tmp_path}/request.json", f"--output={tmp_path}/o"]
    assert main(arguments) == FAILED
    (tmp_path / "request.json").write_text("no JSON")
    assert main(arguments) == FAILED


def test_the_archive_has_the_same_bytes_everywhere(tmp_path: Path) -> None:
    first = zipapp(tmp_path / "a.pyz").read_bytes()
    os.utime(tmp_path / "a.pyz", (0, 0))
    assert zipapp(tmp_path / "b.pyz").read_bytes() == first
    with ZipFile(tmp_path / "a.pyz") as archive:
        names = archive.namelist()
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {name.split("/")[1] for name in names if "/" in name} == {
        "__init__.py",
        "errors.py",
        "exporter",
        "model",
    }
    assert "rootfs_ansible/exporter/companions.json" in names
    assert not [name for name in names if "__pycache__" in name]


def test_the_same_tree_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """Whatever the path, the order of names on disk, umask, locale, time zone and times."""
    other = tmp_path / "elsewhere/tree"
    other.mkdir(parents=True)
    names = sorted((os.fsencode(path.relative_to(root)) for path in root.rglob("*")), reverse=True)
    listing = tmp_path / "names"
    listing.write_bytes(b"\0".join(names))
    packed = tmp_path / "tree.tar"
    tar = ["tar", "--null", "--no-recursion"]
    subprocess.run([*tar, "-C", root, "-T", listing, "-cf", packed], check=True)
    subprocess.run([*tar, "-C", other, "-xpf", packed, "--touch"], check=True)
    assert run(root, APP, tmp_path / "one", LC_ALL="C", TZ="UTC", PYTHONHASHSEED="1") == 0
    before = os.umask(0o077)
    try:
        environment = {"LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2"}
        assert run(other, APP, tmp_path / "two", **environment) == 0
    finally:
        os.umask(before)
    for name in ("app.tar", FRAGMENT):
        one, two = (tmp_path / run / "out" / name for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), name
    with tarfile.open(tmp_path / "one/out/app.tar") as tar_file:
        assert {member.mtime for member in tar_file} == {APP.epoch}
        assert {(member.uname, member.gname) for member in tar_file} == {("", "")}


def peak(root: Path, directory: Path) -> int:
    """Export the tree ``root`` in a process of its own; return its largest memory in KiB."""
    directory.mkdir()
    (directory / "request.json").write_text(json.dumps(APP.to_json()))
    program = os.fspath(zipapp(directory / "exporter.pyz"))
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['x', '--root={root}', '--request={directory}/request.json',"
        f" '--output={directory}/out']\n"
        f"try: runpy.run_path({program!r})\nexcept SystemExit: pass\n"
        # Not ru_maxrss: that begins with what the process had before it became this program.
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(status['VmHWM'].split()[0])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    return int(done.stdout)


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree", "/app/x")
    with (root / "app/sparse").open("wb") as stream:
        stream.truncate(200 << 20)
    assert peak(root, tmp_path / "one") < 80 << 10
    assert (tmp_path / "one/out/app.tar").stat().st_size > 200 << 20


def test_memory_hardly_grows_with_the_number_of_files(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree", "/app/x")
    bare = peak(root, tmp_path / "one")
    for number in range(500):
        directory = root / f"app/node_modules/package-{number}/lib"
        directory.mkdir(parents=True)
        for size in range(20):
            os.close(os.open(directory / f"module-{size}.js", os.O_CREAT))
            os.truncate(directory / f"module-{size}.js", size)
    # Less than half a KiB for each of 11,000 paths: to hold what is written of each shows.
    assert peak(root, tmp_path / "many") - bare < 5 << 10


@pytest.mark.parametrize(
    ("tree", "path"),
    [
        pytest.param("/proc/self", "/status", id="longer"),
        pytest.param("/sys/kernel", "/uevent_seqnum", id="shorter"),
    ],
)
def test_a_small_file_that_has_not_its_size_is_refused(
    tmp_path: Path, tree: str, path: str
) -> None:
    with pytest.raises(ClosureError, match=f"{path}: changed while it was read"):
        exported(Path(tree), path, into=tmp_path / "out")
    assert not (tmp_path / "out/fragment.json").exists()


def test_file_capabilities_are_kept(root: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    try:
        os.setxattr(root / "app/run", "security.capability", capability)
    except OSError:
        pytest.skip("this file system keeps no capabilities")
    entries = {str(entry.path): entry for entry in exported(root, "/app").fragment.entries}
    assert entries["/app/run"].xattrs == (("security.capability", capability.hex()),)


def test_it_runs_with_the_standard_library_alone(root: Path, tmp_path: Path) -> None:
    """Debian's python3-minimal lacks a good part of it."""
    program = zipapp(tmp_path / "exporter.pyz")
    lacking = ("zipfile", "queue", "concurrent", "importlib.resources", "tempfile")
    code = (
        f"import sys, runpy\nfor name in {lacking}: sys.modules[name] = None\n"
        f"sys.argv = ['x', '--root={root}', '--request={tmp_path}/r', '--output={tmp_path}/o']\n"
        f"runpy.run_path({os.fspath(program)!r})"
    )
    (tmp_path / "r").write_text(json.dumps(APP.to_json()))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "o/app.tar").exists()


@pytest.mark.skipif(not Path("/var/lib/dpkg/status").exists(), reason="no Debian here")
def test_a_real_system(tmp_path: Path) -> None:
    found = exported(Path("/"), "/usr/bin/env", output(package="tzdata"), into=tmp_path / "out")
    paths = set(found.paths)
    assert {"/usr/bin/env", "/usr/share/zoneinfo/Europe/Berlin"} <= paths
    assert any(path.endswith("/libc.so.6") for path in paths)
    assert {"coreutils", "libc6", "tzdata"} <= {item.name for item in found.fragment.packages}
    tree = tmp_path / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xf", found.directory / "app.tar", "-C", tree], check=True)
    done = subprocess.run(
        ["chroot", tree, "/usr/bin/env", "-i", "A=1", "/usr/bin/env"],
        capture_output=True,
        text=True,
    )
    if os.geteuid() == 0:
        assert done.stdout == "A=1\n"


def test_the_seeds_need_a_layer(root: Path) -> None:
    need = Need(ImagePath("/x"), "x", "1", "amd64", "/app", EdgeKind.ELF)
    with pytest.raises(InputError, match="the seeds go to layer ''"):
        exported(root, "/app", seeds=(need,))


def test_outputs_alone_are_shipped_without_what_they_need(root: Path) -> None:
    (root / "app" / "tool.sh").chmod(0o755)
    made = exported(root, "/app/x.node", "/app/tool.sh", "/app/link", scope=Scope.OUTPUTS)
    assert sorted(str(entry.path) for entry in made.fragment.entries) == [
        "/app",
        "/app/link",
        "/app/tool.sh",
        "/app/x.node",
    ]
    assert (made.fragment.needs, made.fragment.packages) == ((), ())
    with pytest.raises(ClosureError, match="nowhere in the tree"):
        exported(root, "/app/gone", scope=Scope.OUTPUTS)
