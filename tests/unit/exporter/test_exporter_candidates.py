"""What shipped binaries name, the tree has, and no rule brings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from trees import LOADER, exported, library, package, plant

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.candidates import candidates
from rootfs_ansible.exporter.closure import Closure, Reached
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import Status
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest

LIB = "/usr/lib/x86_64-linux-gnu"


def naming(root: Path, path: str, *names: str, needed: tuple[str, ...] = ("libz.so.1",)) -> None:
    """Put an ELF file at ``path`` that has ``names`` as texts."""
    file = library(root, path, needed)
    text = "".join(f"\0{name}" for name in names)
    file.write_bytes(file.read_bytes() + text.encode() + b"\0")


def found(root: Path, *outputs: str, **options: object) -> list[str]:
    exporting = exported(root, *outputs, **options)  # type: ignore[arg-type]
    return [
        f"{item.source} {item.name} {item.path} {item.package}".rstrip()
        for item in exporting.fragment.candidates
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    library(root, f"{LIB}/libz.so.1")
    library(root, f"{LIB}/libgss.so.2")
    library(root, LOADER)
    package(root, "libgss2", f"{LIB}/libgss.so.2")
    plant(root, "/usr/share/magic/magic.mgc\n/usr/share/common/a\n/usr/share/common/b\n/etc/x.conf")
    package(root, "magic", "/usr/share/magic/magic.mgc", "/usr/share/common/a")
    package(root, "other", "/usr/share/common/b")
    return root


def test_files_and_directories_of_one_package_are_told_with_it(root: Path) -> None:
    naming(root, "/app/a.so", "/usr/share/magic", "/usr/share/magic/magic.mgc", "/etc/x.conf")
    assert found(root, "/app") == [
        "/app/a.so /etc/x.conf /etc/x.conf",
        "/app/a.so /usr/share/magic /usr/share/magic magic",
        "/app/a.so /usr/share/magic/magic.mgc /usr/share/magic/magic.mgc magic",
    ]


def test_what_is_there_or_means_nothing_is_not_told(root: Path) -> None:
    plant(root, "/usr/share/doc/x\n/proc/version\n/etc/hosts\n/tmp/x\n/usr/share/empty/")
    package(root, "empty", "/usr/share/empty")
    naming(
        root,
        "/app/a.so",
        *("/usr/share/common", "/usr/share", "/nowhere", "relative/etc/x.conf", "/etc/x.conf %s"),
        *(
            "/usr/share/doc/x",
            "/proc/version",
            "/etc/hosts",
            "/usr/share/empty",
            "//",
            "/usr/share/magic",
        ),
    )
    outputs = ("/app", "/usr/share/magic/magic.mgc")
    assert found(root, *outputs) == []


def test_a_lower_layer_has_it(root: Path) -> None:
    naming(root, "/app/a.so", "/etc/x.conf")
    assert found(root, "/app", provided=["/etc/x.conf"]) == []


def test_a_link_leads_to_what_is_told(root: Path) -> None:
    plant(root, "/etc/link -> x.conf")
    naming(root, "/app/a.so", "/etc/link")
    assert found(root, "/app") == ["/app/a.so /etc/link /etc/x.conf"]


def test_a_library_that_a_package_opens_by_name_is_told(root: Path) -> None:
    naming(root, f"{LIB}/libopens.so.1", "libgss.so.2", "libz.so.1", "libnowhere.so.1")
    package(root, "opens", f"{LIB}/libopens.so.1")
    library(root, "/app/a", ["libopens.so.1"])
    assert found(root, "/app") == [
        f"{LIB}/libopens.so.1 libgss.so.2 {LIB}/libgss.so.2 libgss2",
    ]


def test_libraries_are_looked_for_where_the_image_has_libraries(root: Path) -> None:
    """Not wherever a script has `.so` in its name: there are thousands in a node_modules."""
    plant(root, "/opt/scripts/a.source.js\n/opt/others/b.so.1")
    for place in ("scripts", "others"):
        library(root, f"/opt/{place}/lib{place}.so.2")
    naming(root, "/app/a.so", "libscripts.so.2", "libothers.so.2")
    shipped = ("/app", "/opt/scripts/a.source.js", "/opt/others/b.so.1")
    assert found(root, *shipped) == [
        "/app/a.so libothers.so.2 /opt/others/libothers.so.2",
    ]


def test_data_and_the_c_library_are_not_asked(root: Path) -> None:
    naming(root, "/app/libdata.so.1", "/etc/x.conf", needed=())
    naming(root, f"{LIB}/libc.so.6", "/etc/x.conf")
    library(root, "/app/a", ["libc.so.6"])
    assert found(root, "/app") == []
    naming(root, "/app/static", "/etc/x.conf", needed=())
    library(root, "/app/static", program=True, linking=["-static-pie"])
    naming_static = root / "app/static"
    naming_static.write_bytes(naming_static.read_bytes() + b"\0/etc/x.conf\0")
    assert found(root, "/app", into=root.with_name("again")) == [
        "/app/static /etc/x.conf /etc/x.conf"
    ]


def test_a_link_into_what_is_mounted_is_not_told(root: Path) -> None:
    plant(root, "/proc/42/mounts x\n/proc/self -> 42\n/etc/mtab -> /proc/self/mounts")
    naming(root, "/app/a.so", "/etc/mtab", "/etc/x.conf")
    assert found(root, "/app") == ["/app/a.so /etc/x.conf /etc/x.conf"]


def test_a_name_of_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    there = ImagePath(os.fspath(tmp_path / "a.so"))
    made = Closure(binaries={there})
    made.entries[there] = Reached(Status(Kind.FILE, 0o755, 0, 0, 1), "app")
    tree = Root(Path("/"))
    # The link to its program is there until the process is waited for, and leads nowhere.
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as ended:
        assert ended.stdout is not None
        ended.stdout.read()
        program = f"/proc/{ended.pid}/exe"
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        (tmp_path / "link").symlink_to(program)
        (tmp_path / "known").touch()
        names = [os.fspath(tmp_path / name) for name in ("link", "known")]
        naming(tmp_path, "/a.so", program, *names)
        with pytest.raises(ClosureError, match="cannot be read"):
            tree.resolve(ImagePath(program))
        request = ExportRequest(layers=("app",), outputs=())
        told = candidates(tree, PackageDatabase(tree), made, request)
    assert [item.name for item in told] == [names[1]]


def test_names_at_the_end_of_a_block_and_too_many_of_them(root: Path) -> None:
    file = library(root, "/app/a.so", ["libz.so.1"])
    start = file.read_bytes()
    names = b"\0/etc/x.conf\0"
    file.write_bytes(start + bytes((1 << 20) - len(start) - 5) + names)
    assert found(root, "/app") == ["/app/a.so /etc/x.conf /etc/x.conf"]
    many = b"".join(b"\0/%d" % number for number in range(1_000_000))
    file.write_bytes(start + many + names)
    assert found(root, "/app", into=root.with_name("many")) == []
