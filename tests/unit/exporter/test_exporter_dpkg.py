"""The package database: owners, files, aliases, diversions, alternatives, dependencies."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from fuzzing import fuzzed
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from trees import package, plant

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ImagePath


def owner(root: Path, path: str) -> str:
    found = PackageDatabase(Root(root)).owner(ImagePath(path))
    return found.name if found else ""


def test_tells_the_owner_of_a_path(tmp_path: Path) -> None:
    plant(tmp_path, "/usr/bin/git")
    package(tmp_path, "git", "/usr/bin/git")
    assert owner(tmp_path, "/usr/bin/git") == "git"
    assert owner(tmp_path, "/usr/bin/other") == ""


@pytest.mark.parametrize("listed", ["/lib/libx.so", "/usr/lib/libx.so"])
def test_sees_through_usrmerge(tmp_path: Path, listed: str) -> None:
    plant(tmp_path, "/usr/lib/libx.so\n/lib -> usr/lib")
    package(tmp_path, "libx1", listed)
    assert owner(tmp_path, "/usr/lib/libx.so") == "libx1"


def test_the_aliasing_link_itself_keeps_its_owner(tmp_path: Path) -> None:
    plant(tmp_path, "/usr/lib/libx.so\n/lib -> usr/lib")
    package(tmp_path, "base-files", "/lib")
    package(tmp_path, "libx1", "/usr/lib/libx.so")
    assert owner(tmp_path, "/lib") == "base-files"


def test_names_the_architecture_where_it_is_foreign(tmp_path: Path) -> None:
    package(tmp_path, "dpkg", "/usr/bin/dpkg")
    package(tmp_path, "libc6:amd64", "/lib/amd64/libc.so.6", Multi_Arch="same")
    package(tmp_path, "libc6:i386", "/lib/i386/libc.so.6", Architecture="i386")
    package(tmp_path, "tzdata", "/usr/share/zoneinfo/UTC", Architecture="all")
    assert owner(tmp_path, "/lib/amd64/libc.so.6") == "libc6"
    assert owner(tmp_path, "/lib/i386/libc.so.6") == "libc6:i386"
    database = PackageDatabase(Root(tmp_path))
    for name, found in (
        ("libc6", "libc6"),
        ("libc6:amd64", "libc6"),
        ("libc6:i386", "libc6:i386"),
        ("libc6:any", "libc6"),
        ("tzdata", "tzdata"),
        ("libc6:arm64", None),
    ):
        package_found = database.find(name)
        assert (package_found.name if package_found else None) == found


def test_a_diverted_file_belongs_to_who_keeps_the_path(tmp_path: Path) -> None:
    plant(
        tmp_path,
        r"""
        /usr/bin/which mine
        /usr/bin/which.old theirs
        /lib64 -> usr/lib64
        /usr/lib64/ld.so x
        /var/lib/dpkg/diversions /usr/bin/which\n/usr/bin/which.old\nmine\n/lib64/ld.so\n/lib64/ld.so.merged\nlibc6\n
        """,  # noqa: E501
    )
    package(tmp_path, "mine", "/usr/bin/which")
    package(tmp_path, "theirs", "/usr/bin/which")
    package(tmp_path, "libc6", "/usr/lib64/ld.so")
    assert owner(tmp_path, "/usr/bin/which") == "mine"
    assert owner(tmp_path, "/usr/bin/which.old") == "theirs"
    # A diversion is of a path as it is spelled: this one is of the alias, as in Debian 13.
    assert owner(tmp_path, "/usr/lib64/ld.so") == "libc6"


def test_a_link_that_ldconfig_makes_belongs_to_the_library(tmp_path: Path) -> None:
    plant(tmp_path, "/usr/lib/libx.so.1.2\n/usr/lib/libx.so.1 -> libx.so.1.2")
    plant(tmp_path, "/opt/libx.so.1 -> /usr/lib/libx.so.1.2\n/usr/lib/liby.so.1 -> liby.so.1.0")
    package(tmp_path, "libx1", "/usr/lib/libx.so.1.2")
    assert owner(tmp_path, "/usr/lib/libx.so.1") == "libx1"
    assert owner(tmp_path, "/opt/libx.so.1") == ""
    assert owner(tmp_path, "/usr/lib/liby.so.1") == ""


def test_a_file_that_a_packages_script_makes_belongs_to_it(tmp_path: Path) -> None:
    plant(tmp_path, "/etc/ssl/certs/ca-certificates.crt x\n/usr/share/mime/mime.cache x")
    package(tmp_path, "ca-certificates", "/usr/sbin/update-ca-certificates")
    assert owner(tmp_path, "/etc/ssl/certs/ca-certificates.crt") == "ca-certificates"
    assert owner(tmp_path, "/usr/share/mime/mime.cache") == ""


def test_packages_that_were_removed_own_nothing(tmp_path: Path) -> None:
    package(tmp_path, "gone", "/etc/gone.conf", Status="deinstall ok config-files")
    package(tmp_path, "half", "/usr/bin/half", Status="install ok half-configured")
    assert owner(tmp_path, "/etc/gone.conf") == ""
    assert owner(tmp_path, "/usr/bin/half") == "half"


def test_reads_what_a_package_is(tmp_path: Path) -> None:
    package(tmp_path, "libz1", "/x", Source="zlib (1:1.3)", Version="1:1.3-1")
    package(tmp_path, "git", "/y", Version="2", Depends="libz1")
    database = PackageDatabase(Root(tmp_path))
    libz, git = database.find("libz1"), database.find("git")
    assert libz is not None
    assert git is not None
    assert (libz.version, libz.architecture, libz.source) == ("1:1.3-1", "amd64", "zlib")
    assert git.source == "git"
    assert libz.stanza == (
        "Package: libz1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1.3-1\n"
        "Description: libz1 for tests\n more of it\nSource: zlib (1:1.3)\n"
    )


def test_knows_common_directories(tmp_path: Path) -> None:
    package(tmp_path, "a", "/usr/share/a/x")
    package(tmp_path, "b", "/usr/share/b/y")
    database = PackageDatabase(Root(tmp_path))
    assert database.is_shared(ImagePath("/usr/share"))
    assert not database.is_shared(ImagePath("/usr/share/a"))


def test_a_tree_without_dpkg_has_no_packages(tmp_path: Path) -> None:
    database = PackageDatabase(Root(tmp_path))
    assert database.find("dpkg") is None
    assert database.owner(ImagePath("/bin/sh")) is None
    assert database.alternatives() == ()


def test_a_database_never_leads_out_of_the_tree(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = plant(tmp_path / "root", "/var/lib/dpkg/info -> ../../../../outside")
    plant(outside, "/x.list /etc/secret")
    package(tmp_path / "other", "x", "/y")
    (root / "var/lib/dpkg/status").write_text(
        "Package: ../../../../outside/x\nStatus: install ok installed\nArchitecture: all\n\n"
        "Package: x\nStatus: install ok installed\nArchitecture: all\n"
    )
    assert owner(root, "/etc/secret") == ""


@pytest.mark.parametrize("name", ["status", "info/x.list", "diversions", "alternatives/x"])
def test_a_database_without_an_end_is_refused(tmp_path: Path, name: str) -> None:
    """A terabyte of a hole; and many files that are large together."""
    package(tmp_path, "x", "/usr/bin/x")
    database = tmp_path / "var/lib/dpkg"
    (database / "alternatives").mkdir()
    with (database / name).open("ab") as file:
        file.truncate(1 << 40)
    tracemalloc.start()
    with pytest.raises(ClosureError, match=r"/var/lib/dpkg: is larger than 128 MB"):
        owner(tmp_path, "/usr/bin/y")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_what_packages_provide_is_looked_up_at_once(tmp_path: Path) -> None:
    """A million comparisons of each of a thousand names take minutes."""
    many = ", ".join(f"virtual{number}" for number in range(30_000))
    asked = ", ".join(f"gone{number}" for number in range(30_000))
    package(tmp_path, "a", "/usr/bin/a", Provides=many, Depends=f"{asked}, virtual29999")
    database = PackageDatabase(Root(tmp_path))
    found = database.find("a")
    assert found is not None
    before = time.process_time()
    assert database.dependencies(found) == (found,)
    assert time.process_time() - before < 5


@pytest.mark.parametrize("name", ["a\0b", "a/b", "", "ä", "a b", "../a"])
@pytest.mark.parametrize("field", ["Package", "Architecture"])
def test_a_package_that_no_package_can_be_called_is_passed_over(
    tmp_path: Path, field: str, name: str
) -> None:
    package(tmp_path, "x", "/usr/bin/x")
    with (tmp_path / "var/lib/dpkg/status").open("a") as status:
        fields = {"Package": "y", "Architecture": "amd64"} | {field: name}
        status.writelines(f"{key}: {value}\n" for key, value in fields.items())
        status.write("Status: install ok installed\n\n")
    database = PackageDatabase(Root(tmp_path))
    found = database.owner(ImagePath("/usr/bin/x"))
    assert found is not None
    assert [item.name for item in database._packages] == ["x"]


noise = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Package: a",
                b"Package: b",
                b"Status: install ok installed",
                b"Architecture: amd64",
                b"Version: 1",
                b"Depends: a | b (>= 1), c:any [x], ,|",
                b"Provides: a, c (= 1)",
                b"/usr/bin/a",
                b"/../../etc",
                b"//",
                b"/.",
                b"auto",
                b"",
                b" continued",
                b": :",
            ]
        ),
        st.binary(max_size=20),
    ),
    max_size=20,
).map(b"\n".join)


@fuzzed(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=noise, files=noise, diversions=noise, alternative=noise)
def test_hostile_databases_are_read_without_a_crash(
    tmp_path: Path, status: bytes, files: bytes, diversions: bytes, alternative: bytes
) -> None:
    database = tmp_path / "var/lib/dpkg"
    for name, content in (
        ("status", status),
        ("info/a.list", files),
        ("info/b.list", files),
        ("diversions", diversions),
        ("alternatives/x", alternative),
    ):
        (database / name).parent.mkdir(parents=True, exist_ok=True)
        (database / name).write_bytes(content)
    found = PackageDatabase(Root(tmp_path))
    found.alternatives()
    found.owner(ImagePath("/usr/bin/a"))
    for name in ("a", "b"):
        package_found = found.find(name)
        if package_found is not None:
            found.dependencies(package_found)
            assert all(path.text.startswith("/") for path in found.files(package_found))
