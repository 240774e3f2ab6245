"""The loader's search, on trees of real ELF files: which file a name leads to, and why not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from resolutions import Comparison
from trees import LOADER, compiled, exported, library, plant, written

from rootfs_ansible.errors import ClosureError, RootfsError
from rootfs_ansible.exporter.ldconfig import configured_directories
from rootfs_ansible.exporter.loader import Loader, Loading
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ImagePath

NO = "not found"
LIB = "/usr/lib/x86_64-linux-gnu"
LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin") or ""
# It is put into each tree, and asked there.
THE_REAL_ONE = bool(LDCONFIG) and Path(LOADER).exists() and os.geteuid() == 0
MUSL = "/lib/ld-musl-x86_64.so.1"
NODEFLIB = ["-Wl,-z,nodefaultlib"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree of Debian's shape with a loader, so that only what it brings is native."""
    root = plant(tmp_path / "tree", f"/lib -> usr/lib\n/lib64 -> usr/lib64\n{LIB}/")
    library(root, f"/usr{LOADER}", soname="ld-linux-x86-64.so.2")
    return root


def load(root: Path, path: str) -> Loading:
    """What is loaded with ``path``, which the machine's own loader confirms where it can."""
    if THE_REAL_ONE and (root / LIB.lstrip("/")).is_dir():
        assert difference(root, path) == ""
    return Loader(Root(root)).load(ImagePath(path))


def difference(root: Path, path: str) -> str:
    """Where the loader of this machine, put into the tree, gives another answer than ours."""
    shutil.copy(LOADER, root / "ld.so")
    if (root / "etc/ld.so.conf").exists():
        subprocess.run([LDCONFIG, "-X", "-r", root], check=True, capture_output=True)
    comparison = Comparison(root, "/ld.so")
    resolution = comparison.root.resolve(ImagePath(path))
    if resolution is None:
        return ""
    try:
        return comparison.difference(resolution.path, comparison.theirs(resolution.path))
    finally:
        (root / "ld.so").unlink()
        (root / "etc/ld.so.cache").unlink(missing_ok=True)


def loaded(root: Path, path: str) -> list[str]:
    """What is loaded with ``path``, and what is missing, as text in the loader's order."""
    loading = load(root, path)
    return [
        *(f"{item.soname} => {item.found}" for item in loading.objects),
        *(f"{item.soname} => {item.reason or 'not found'}" for item in loading.missing),
    ]


class TestSearchPaths:
    def test_the_default_directories(self, root: Path) -> None:
        for path in (f"{LIB}/liba.so.1", "/usr/lib/liba.so.1", "/usr/lib/libb.so.1"):
            library(root, path)
        library(root, "/app/x", ["liba.so.1", "libb.so.1"])
        assert loaded(root, "/app/x") == [
            "liba.so.1 => /lib/x86_64-linux-gnu/liba.so.1",
            "libb.so.1 => /lib/libb.so.1",
        ]

    def test_the_default_directories_of_other_distributions(self, tmp_path: Path) -> None:
        library(tmp_path, "/usr/lib64/liba.so.1")
        library(tmp_path, "/usr/lib/liba.so.1")
        library(tmp_path, "/app/x", ["liba.so.1"])
        assert loaded(tmp_path, "/app/x") == ["liba.so.1 => /usr/lib64/liba.so.1"]

    def test_what_is_found_is_told_from_what_it_really_is(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1.2", soname="liba.so.1")
        plant(root, f"{LIB}/liba.so.1 -> liba.so.1.2")
        library(root, "/app/x", ["liba.so.1"])
        (item,) = load(root, "/app/x").objects
        assert str(item.requester) == "/app/x"
        assert str(item.found) == "/lib/x86_64-linux-gnu/liba.so.1"
        assert str(item.real) == f"{LIB}/liba.so.1.2"

    @pytest.mark.parametrize("kind", ["rpath", "runpath"])
    def test_an_objects_own_path_comes_first(self, root: Path, kind: str) -> None:
        library(root, f"{LIB}/liba.so.1")
        library(root, "/opt/two/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], **{kind: "/opt/one:/opt/two"})
        assert loaded(root, "/app/x") == ["liba.so.1 => /opt/two/liba.so.1"]

    def test_an_rpath_is_inherited(self, root: Path) -> None:
        library(root, "/opt/libb.so.1")
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"])
        library(root, "/app/x", ["liba.so.1"], rpath="/opt")
        assert loaded(root, "/app/x")[1] == "libb.so.1 => /opt/libb.so.1"

    def test_a_runpath_is_not_inherited(self, root: Path) -> None:
        library(root, "/opt/libb.so.1")
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"])
        library(root, "/app/x", ["liba.so.1"], runpath="/opt")
        assert loaded(root, "/app/x")[1] == "libb.so.1 => not found"

    def test_an_object_with_a_runpath_inherits_no_rpath(self, root: Path) -> None:
        library(root, "/opt/libb.so.1")
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"], runpath="/nowhere")
        library(root, "/app/x", ["liba.so.1"], rpath="/opt")
        assert loaded(root, "/app/x")[1] == "libb.so.1 => not found"

    def test_an_empty_runpath_makes_an_rpath_void(self, root: Path) -> None:
        library(root, "/opt/liba.so.1")
        strings = b"\0liba.so.1\0/opt\0"
        data = bytearray(written(64, "little", entries="1 1\n15 11\n29 0", strings=strings))
        # The real loader maps whole pages.
        data[64 + 48 : 64 + 56] = (4096).to_bytes(8, "little")
        (root / "app").mkdir()
        (root / "app/x").write_bytes(data)
        assert loaded(root, "/app/x") == ["liba.so.1 => not found"]

    def test_the_nearest_rpath_comes_first(self, root: Path) -> None:
        for path in ("/near/libb.so.1", "/far/libb.so.1"):
            library(root, path)
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"], rpath="/near")
        library(root, "/app/x", ["liba.so.1"], rpath="/far")
        assert loaded(root, "/app/x")[1] == "libb.so.1 => /near/libb.so.1"

    def test_a_path_of_the_working_directory_is_none(self, root: Path) -> None:
        library(root, "/app/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath=".:lib:")
        assert loaded(root, "/app/x") == ["liba.so.1 => not found"]

    def test_an_object_may_refuse_the_default_directories(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1")
        library(root, "/opt/libb.so.1")
        plant(root, f"/etc/ld.so.conf {LIB}\\n/opt\\n")
        library(root, "/app/x", ["liba.so.1", "libb.so.1"], linking=NODEFLIB)
        assert loaded(root, "/app/x") == [
            "libb.so.1 => /opt/libb.so.1",
            "liba.so.1 => not found",
        ]

    def test_a_library_for_newer_processors_comes_beside_the_plain_one(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1")
        library(root, f"{LIB}/glibc-hwcaps/x86-64-v3/liba.so.1")
        library(root, "/app/x", ["liba.so.1"])
        (item,) = load(root, "/app/x").objects
        assert str(item.found) == "/lib/x86_64-linux-gnu/liba.so.1"
        assert [str(path) for path in item.variants] == [
            "/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/liba.so.1"
        ]

    def test_one_for_newer_processors_alone_is_taken(self, root: Path) -> None:
        """The real loader is kept from them, so it is not asked."""
        for level in ("x86-64-v2", "x86-64-v3"):
            library(root, f"{LIB}/glibc-hwcaps/{level}/liba.so.1")
        library(root, "/app/x", ["liba.so.1"])
        (item,) = Loader(Root(root)).load(ImagePath("/app/x")).objects
        place = "/lib/x86_64-linux-gnu/glibc-hwcaps"
        assert str(item.found) == f"{place}/x86-64-v2/liba.so.1"
        assert [str(path) for path in item.variants] == [f"{place}/x86-64-v3/liba.so.1"]

    def test_one_for_newer_processors_may_come_before_the_plain_one(self, root: Path) -> None:
        """The real loader takes it, where the processor is as new; else the plain one."""
        library(root, "/app/glibc-hwcaps/x86-64-v2/liba.so.1")
        library(root, f"{LIB}/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="$ORIGIN")
        (item,) = load(root, "/app/x").objects
        assert str(item.found) == "/lib/x86_64-linux-gnu/liba.so.1"
        assert [str(path) for path in item.variants] == ["/app/glibc-hwcaps/x86-64-v2/liba.so.1"]


class TestTokens:
    @pytest.mark.parametrize("token", ["$ORIGIN", "${ORIGIN}"])
    def test_origin_is_where_the_object_is(self, root: Path, token: str) -> None:
        library(root, "/app/deps/liba.so.1", ["libb.so.1"], runpath=f"{token}/more")
        library(root, "/app/deps/more/libb.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath=f"{token}/deps")
        assert loaded(root, "/app/x") == [
            "liba.so.1 => /app/deps/liba.so.1",
            "libb.so.1 => /app/deps/more/libb.so.1",
        ]

    def test_lib_and_platform_are_those_of_the_architecture(self, root: Path) -> None:
        library(root, "/opt/lib/x86_64-linux-gnu/liba.so.1")
        library(root, "/opt/x86_64/libb.so.1")
        library(root, "/app/x", ["liba.so.1", "libb.so.1"], runpath="/opt/$LIB:/opt/${PLATFORM}")
        assert loaded(root, "/app/x") == [
            "liba.so.1 => /opt/lib/x86_64-linux-gnu/liba.so.1",
            "libb.so.1 => /opt/x86_64/libb.so.1",
        ]

    def test_other_words_are_names(self, root: Path) -> None:
        library(root, "/opt/$ORIGINAL/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt/$ORIGINAL")
        assert loaded(root, "/app/x") == ["liba.so.1 => /opt/$ORIGINAL/liba.so.1"]

    def test_a_program_started_through_a_link_is_where_the_link_leads(self, root: Path) -> None:
        library(root, "/opt/app/lib/liba.so.1")
        library(root, "/opt/app/bin/x", ["liba.so.1"], runpath="$ORIGIN/../lib", program=True)
        plant(root, "/usr/bin/x -> /opt/app/bin/x")
        (item,) = load(root, "/usr/bin/x").objects
        assert str(item.found) == "/opt/app/lib/liba.so.1"
        # The directory that the path leaves again is the program's own, which is there anyway.
        assert item.passed == ()

    def test_what_a_parent_follows_is_passed_on_the_way(self, root: Path) -> None:
        library(root, "/data/lib/liba.so.1")
        plant(root, "/data/v1/\n/opt/current -> /data/v1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt/current/../lib")
        (item,) = load(root, "/app/x").objects
        assert str(item.found) == "/data/lib/liba.so.1"
        assert [str(path) for path in item.passed] == ["/opt/current", "/data/v1"]


class TestConfiguration:
    def test_includes_stand_in_their_place_sorted(self, root: Path) -> None:
        plant(
            root,
            """
            /etc/ld.so.conf /first # a comment\\ninclude ld.so.conf.d/*.conf\\n/last/
            /etc/ld.so.conf.d/b.conf /b
            /etc/ld.so.conf.d/a.conf  /a=libc6\\n\\nhwcap 0 nosegneg\\nrelative/one\\n/first
            /etc/ld.so.conf.d/.hidden.conf /hidden
            /etc/ld.so.conf.d/other /other
            """,
        )
        found = configured_directories(Root(root))
        assert [str(path) for path in found] == ["/first", "/a", "/b", "/last"]

    def test_includes_may_be_links_and_circles(self, root: Path) -> None:
        plant(
            root,
            """
            /etc/ld.so.conf include /etc/ld.so.conf /etc/none.conf /etc/c[o]nf.d/?.conf
            /etc/conf.d/x.conf -> /opt/x.conf
            /opt/x.conf include ../../etc/ld.so.conf\\n/x
            """,
        )
        assert [str(path) for path in configured_directories(Root(root))] == ["/x"]

    def test_configured_directories_come_before_the_default_ones(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1")
        library(root, "/usr/local/lib/liba.so.1")
        plant(root, f"/etc/ld.so.conf /usr/local/lib\\n{LIB}")
        library(root, "/app/x", ["liba.so.1"])
        (item,) = load(root, "/app/x").objects
        assert str(item.found) == "/usr/local/lib/liba.so.1"
        assert item.configured

    def test_default_directories_need_no_configuration(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1")
        plant(root, f"/etc/ld.so.conf {LIB}")
        library(root, "/app/x", ["liba.so.1"])
        (item,) = load(root, "/app/x").objects
        assert not item.configured

    def test_ldconfig_knows_a_library_by_its_own_name(self, root: Path) -> None:
        library(root, "/opt/liba.so.1", soname="libother.so.1")
        library(root, f"{LIB}/liba.so.1")
        plant(root, "/etc/ld.so.conf /opt")
        library(root, "/app/x", ["liba.so.1"])
        assert loaded(root, "/app/x") == ["liba.so.1 => /lib/x86_64-linux-gnu/liba.so.1"]

    def test_ldconfig_knows_a_link_for_the_link_editor_by_that_name(self, root: Path) -> None:
        library(root, "/opt/liba.so.1")
        library(root, "/opt/libimp.so.9", soname="libb.so.1")
        library(root, "/opt/libd.so", soname="libd.so.4")
        plant(
            root,
            """
            /etc/ld.so.conf /opt
            /opt/liba.so -> liba.so.1
            /opt/liba2.so -> liba.so.1
            /opt/liba.so.2 -> liba.so.1
            /opt/libb.so -> libimp.so.9
            """,
        )
        asked = ["liba.so", "liba2.so", "liba.so.2", "libb.so", "libd.so"]
        library(root, "/app/x", asked)
        assert loaded(root, "/app/x") == [
            "liba.so => /opt/liba.so",
            "libb.so => /opt/libb.so",
            "liba2.so => not found",
            "liba.so.2 => not found",
            "libd.so => not found",
        ]

    def test_ldconfig_knows_what_another_file_says_of_itself(self, root: Path) -> None:
        library(root, "/opt/d.so", soname="other")
        library(root, "/opt/libimp.so", soname="d.so")
        plant(root, "/etc/ld.so.conf /opt")
        library(root, "/app/x", ["d.so"])
        assert loaded(root, "/app/x") == ["d.so => /opt/d.so"]

    @pytest.mark.parametrize(
        ("name", "is_found"),
        [("libx.so", True), ("ld-x.so.1", True), ("x.so", False), ("libx", False)],
    )
    def test_ldconfig_knows_libraries_by_how_they_are_called(
        self, root: Path, name: str, is_found: bool
    ) -> None:
        library(root, f"/opt/{name}")
        plant(root, "/etc/ld.so.conf /opt")
        library(root, "/app/user", [name])
        assert loaded(root, "/app/user") == [f"{name} => {f'/opt/{name}' if is_found else NO}"]

    def test_what_ldconfig_cannot_read_is_passed_over(self, root: Path) -> None:
        plant(
            root,
            """
            /etc/ld.so.conf include /etc/c/*\\n/last
            /etc/c/a/
            /etc/c/b fifo
            /etc/c/c /c/no
            /etc/c/d -> gone
            """,
        )
        (root / "etc/c/c").write_bytes(b"/c\0/no\ninclude \0\ninclude \n")
        assert [str(path) for path in configured_directories(Root(root))] == ["/c", "/last"]

    def test_includes_may_be_deep(self, root: Path) -> None:
        plant(root, "/etc/ld.so.conf include c/0")
        for number in range(2000):
            plant(root, f"/etc/c/{number} include {number + 1}\\n/d{number}")
        found = [str(path) for path in configured_directories(Root(root))]
        assert (len(found), found[0], found[-1]) == (2000, "/d1999", "/d0")

    @pytest.mark.parametrize("line", ["include /*/*/*/*", "/long" * 800])
    def test_includes_that_do_not_end_are_refused(self, root: Path, line: str) -> None:
        """Each line of each file looks into all directories again."""
        for number in range(40):
            plant(root, f"/etc/c/{number}/x/y z")
            (root / f"etc/c/{number}/conf").write_text(f"{line}{number}\n" * 1000)
        plant(root, "/etc/ld.so.conf include c/*/conf")
        with pytest.raises(ClosureError, match=r"/etc/ld.so.conf: includes unreasonably many"):
            configured_directories(Root(root))


class TestPreload:
    def test_comes_first_and_with_all_it_needs(self, root: Path) -> None:
        library(root, "/opt/libpre.so", ["libb.so.1"], runpath="$ORIGIN")
        library(root, "/opt/libb.so.1")
        library(root, f"{LIB}/libb.so.1")
        library(root, f"{LIB}/liba.so.1")
        plant(root, "/etc/ld.so.preload # libno.so\\n /opt/libpre.so:libgone.so libnone.so # x")
        library(root, "/app/x", ["liba.so.1", "libb.so.1"])
        assert difference(root, "/app/x") == ""
        loading = Loader(Root(root)).load(ImagePath("/app/x"), preload=True)
        assert [(str(item.requester), item.soname) for item in loading.objects] == [
            ("/etc/ld.so.preload", "/opt/libpre.so"),
            ("/app/x", "liba.so.1"),
            ("/app/x", "libb.so.1"),
            ("/opt/libpre.so", "libb.so.1"),
        ]
        assert [(str(item.requester), item.soname) for item in loading.missing] == [
            ("/etc/ld.so.preload", "libgone.so"),
            ("/etc/ld.so.preload", "libnone.so"),
        ]

    def test_answers_by_its_name_for_all(self, root: Path) -> None:
        library(root, "/opt/libpre.so", soname="liba.so.1")
        library(root, f"{LIB}/liba.so.1")
        plant(root, "/etc/ld.so.preload /opt/libpre.so")
        library(root, "/app/x", ["liba.so.1"])
        assert difference(root, "/app/x") == ""
        (_, item) = Loader(Root(root)).load(ImagePath("/app/x"), preload=True).objects
        assert str(item.found) == "/opt/libpre.so"

    @pytest.mark.parametrize("content", ["", "\0/opt/libpre.so", "/opt/\udcff", "# all"])
    def test_may_name_nothing(self, root: Path, content: str) -> None:
        library(root, "/opt/libpre.so")
        library(root, "/app/x")
        (root / "etc").mkdir()
        (root / "etc/ld.so.preload").write_text(content, errors="surrogateescape")
        loading = Loader(Root(root)).load(ImagePath("/app/x"), preload=True)
        assert loading.objects == ()

    def test_comes_with_the_file_that_names_it(self, root: Path) -> None:
        library(root, "/opt/libpre.so", ["libb.so.1"], runpath="$ORIGIN")
        library(root, "/opt/libb.so.1")
        plant(root, "/etc/ld.so.preload /opt/libpre.so")
        found = Loader(Root(root)).load(ImagePath("/etc/ld.so.preload")).objects
        assert [str(item.found) for item in found] == ["/opt/libpre.so", "/opt/libb.so.1"]


class TestCandidates:
    def test_one_of_another_word_size_is_passed_over(self, root: Path) -> None:
        library(root, "/opt/32/liba.so.1", linking=["-m32"])
        library(root, "/opt/64/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt/32:/opt/64")
        assert loaded(root, "/app/x") == ["liba.so.1 => /opt/64/liba.so.1"]

    def test_one_of_another_machine_is_passed_over(self, root: Path) -> None:
        library(root, "/opt/arm/liba.so.1", machine=183)
        library(root, "/app/x", ["liba.so.1"], runpath="/opt/arm")
        assert loaded(root, "/app/x") == ["liba.so.1 => not found"]

    @pytest.mark.parametrize("thing", ["liba.so.1 GROUP ( liba.so.2 )", "liba.so.1/"])
    def test_what_is_no_library_ends_the_search(self, root: Path, thing: str) -> None:
        plant(root, f"/opt/{thing}")
        library(root, f"{LIB}/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt")
        assert loaded(root, "/app/x") == ["liba.so.1 => /opt/liba.so.1 is nothing that it can load"]

    @pytest.mark.parametrize("linking", [["-pie", "-fPIE"], ["-no-pie"]])
    def test_a_program_is_no_library(self, root: Path, linking: list[str]) -> None:
        made = compiled(root.parent / "program", "void _start(void) {}", *linking)
        (root / "opt").mkdir()
        shutil.copy(made, root / "opt/liba.so.1")
        library(root, f"{LIB}/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt")
        (missing,) = load(root, "/app/x").missing
        assert missing.reason in ("/opt/liba.so.1 is a program",)

    def test_one_of_another_system_ends_the_search(self, root: Path) -> None:
        path = library(root, "/opt/liba.so.1")
        data = bytearray(path.read_bytes())
        data[7] = 9
        path.write_bytes(data)
        library(root, f"{LIB}/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt")
        assert loaded(root, "/app/x") == ["liba.so.1 => /opt/liba.so.1 is nothing that it can load"]

    def test_a_link_that_dangles_is_passed_over(self, root: Path) -> None:
        plant(root, "/opt/liba.so.1 -> gone")
        library(root, f"{LIB}/liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/opt")
        assert loaded(root, "/app/x") == ["liba.so.1 => /lib/x86_64-linux-gnu/liba.so.1"]

    def test_a_link_out_of_the_root_stays_inside(self, root: Path) -> None:
        library(root.parent, "/liba.so.1")
        plant(root, f"{LIB}/liba.so.1 -> ../../../../liba.so.1")
        library(root, "/app/x", ["liba.so.1"], runpath="/../../..")
        assert loaded(root, "/app/x") == ["liba.so.1 => not found"]

    def test_nothing_of_the_machine_is_found(self, root: Path) -> None:
        library(root, "/app/x", ["libc.so.6"])
        assert loaded(root, "/app/x") == ["libc.so.6 => not found"]


class TestObjects:
    def test_come_breadth_first(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1", ["libc1.so.1"])
        library(root, f"{LIB}/libb.so.1")
        library(root, f"{LIB}/libc1.so.1")
        library(root, "/app/x", ["liba.so.1", "libb.so.1"])
        assert [item.soname for item in load(root, "/app/x").objects] == [
            "liba.so.1",
            "libb.so.1",
            "libc1.so.1",
        ]

    def test_one_that_is_loaded_answers_by_its_own_name(self, root: Path) -> None:
        library(root, "/app/addon.node", soname="liba.so.1")
        library(root, f"{LIB}/libb.so.1", ["liba.so.1"])
        library(root, "/app/x", ["/app/addon.node", "libb.so.1"])
        assert loaded(root, "/app/x") == [
            "/app/addon.node => /app/addon.node",
            "libb.so.1 => /lib/x86_64-linux-gnu/libb.so.1",
            "liba.so.1 => /app/addon.node",
        ]

    def test_two_names_of_one_file_are_one_object(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"], soname="liba.so.1")
        plant(root, f"{LIB}/libalias.so -> liba.so.1\n{LIB}/libb.so.1 -> liba.so.1")
        library(root, "/app/x", ["libalias.so", "liba.so.1"])
        assert {str(item.real) for item in load(root, "/app/x").objects} == {f"{LIB}/liba.so.1"}

    def test_libraries_that_need_each_other(self, root: Path) -> None:
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"])
        library(root, f"{LIB}/libb.so.1", ["liba.so.1"])
        assert [
            f"{item.requester.name} {item.soname}"
            for item in load(root, f"{LIB}/liba.so.1").objects
        ] == ["liba.so.1 libb.so.1", "libb.so.1 liba.so.1"]

    def test_a_name_with_a_slash_is_not_searched(self, root: Path) -> None:
        library(root, "/app/own/liba.so.1")
        library(root, "/app/x", ["$ORIGIN/own/liba.so.1", "./liba.so.1", "/gone/libb.so.1"])
        assert loaded(root, "/app/x") == [
            "$ORIGIN/own/liba.so.1 => /app/own/liba.so.1",
            "./liba.so.1 => it depends on the working directory",
            "/gone/libb.so.1 => not found",
        ]

    def test_a_filter_must_be_there_and_an_auxiliary_one_may(self, root: Path) -> None:
        library(root, f"{LIB}/libreal.so")
        library(root, "/app/x", linking=["-Wl,-F,libreal.so,-f,libfast.so"])
        library(root, "/app/y", linking=["-Wl,-F,libgone.so"])
        assert loaded(root, "/app/x") == ["libreal.so => /lib/x86_64-linux-gnu/libreal.so"]
        assert loaded(root, "/app/y") == ["libgone.so => not found"]


class TestInterpreter:
    def test_comes_with_a_program(self, root: Path) -> None:
        library(root, f"{LIB}/libc.so.6", ["ld-linux-x86-64.so.2"])
        library(root, "/app/x", ["libc.so.6"], program=True)
        loading = load(root, "/app/x")
        assert loading.interpreter is not None
        assert str(loading.interpreter.found) == LOADER
        assert str(loading.interpreter.real) == f"/usr{LOADER}"
        assert [str(item.found) for item in loading.objects] == [
            "/lib/x86_64-linux-gnu/libc.so.6",
            LOADER,
        ]

    def test_that_is_missing_is_reported(self, root: Path) -> None:
        linking = ["-Wl,--dynamic-linker=/lib/ld-own.so.9"]
        library(root, "/app/x", program=True, linking=linking)
        (missing,) = load(root, "/app/x").missing
        assert (str(missing.requester), missing.soname) == ("/app/x", "/lib/ld-own.so.9")

    def test_static_programs_and_data_load_nothing(self, root: Path) -> None:
        for words in (["-static"], ["-static-pie"]):
            made = compiled(root.parent / "static", "void _start(void) {}", *words)
            shutil.copy(made, root / "static")
            assert load(root, "/static") == Loading()
        plant(root, "/text x\n/broken \\x7fELF")
        assert load(root, "/text") == load(root, "/broken") == load(root, "/usr") == Loading()

    def test_what_is_absent_cannot_be_loaded(self, root: Path) -> None:
        with pytest.raises(ClosureError, match="no such path"):
            load(root, "/none")


class TestMissing:
    def test_says_who_needs_it_and_where_it_was_searched(self, root: Path) -> None:
        plant(root, "/etc/ld.so.conf /usr/local/lib")
        library(root, f"{LIB}/liba.so.1", ["libgone.so.1"], runpath="/opt/lib:$ORIGIN")
        library(root, "/app/x", ["liba.so.1"])
        (missing,) = load(root, "/app/x").missing
        assert str(missing.requester) == f"{LIB}/liba.so.1"
        assert missing.soname == "libgone.so.1"
        assert missing.searched == (
            "/opt/lib",
            "/lib/x86_64-linux-gnu",
            "/usr/local/lib",
            LIB,
            "/lib",
            "/usr/lib",
        )

    def test_every_one_is_listed(self, root: Path) -> None:
        library(root, "/app/x", ["libone.so.1", "libtwo.so.1"])
        assert [item.soname for item in load(root, "/app/x").missing] == [
            "libone.so.1",
            "libtwo.so.1",
        ]


class TestVersions:
    SOURCE = "void one(void) {} void two(void) {}"
    USER = "void one(void); void two(void); void x(void) { one(); two(); }"

    def provided(self, root: Path, path: str, versions: str) -> Path:
        script = root.parent / "versions"
        script.write_text(versions)
        words = ["-shared", "-Wl,-soname,libv.so.1"]
        if versions:
            words.append(f"-Wl,--version-script={script}")
        made = compiled(root.parent / "provider", self.SOURCE, *words)
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, target)
        return target

    def user(self, root: Path, provider: Path) -> None:
        made = compiled(root.parent / "user", self.USER, "-shared", provider)
        (root / "app").mkdir(exist_ok=True)
        shutil.copy(made, root / "app/x")

    def test_a_version_that_is_lacking_is_reported(self, root: Path) -> None:
        new = self.provided(root, "/new/libv.so.1", "V_1 { one; }; V_2 { two; } V_1;")
        self.user(root, new)
        self.provided(root, f"{LIB}/libv.so.1", "V_1 { one; two; };")
        (lacking,) = load(root, "/app/x").versions
        assert (lacking.soname, lacking.version) == ("libv.so.1", "V_2")
        assert str(lacking.requester) == "/app/x"
        assert str(lacking.provider) == f"{LIB}/libv.so.1"

    def test_versions_that_are_there_are_not(self, root: Path) -> None:
        provider = self.provided(root, f"{LIB}/libv.so.1", "V_1 { one; }; V_2 { two; } V_1;")
        self.user(root, provider)
        assert load(root, "/app/x").versions == ()

    def test_a_library_without_versions_is_taken_for_any(self, root: Path) -> None:
        new = self.provided(root, "/new/libv.so.1", "V_1 { one; two; };")
        self.user(root, new)
        self.provided(root, f"{LIB}/libv.so.1", "")
        assert load(root, "/app/x").versions == ()


class TestForeign:
    def foreign(self, root: Path, path: str) -> str:
        loader = Loader(Root(root))
        elf = loader.elf(ImagePath(path))
        assert elf is not None
        return loader.foreign(elf)

    def test_one_of_this_system_is_not(self, root: Path) -> None:
        library(root, "/x", ["libc.so.6"])
        assert self.foreign(root, "/x") == ""

    def test_another_machine(self, root: Path) -> None:
        library(root, "/x", machine=183)
        assert self.foreign(root, "/x") == "made for aarch64"

    def test_another_word_size(self, root: Path) -> None:
        library(root, "/x", linking=["-m32"])
        assert self.foreign(root, "/x") == "made for i686"
        library(root, "/lib/ld-linux.so.2", linking=["-m32"])
        assert self.foreign(root, "/x") == ""

    def test_another_system(self, root: Path) -> None:
        path = library(root, "/x")
        data = bytearray(path.read_bytes())
        data[7] = 9
        path.write_bytes(data)
        assert self.foreign(root, "/x") == "made for FreeBSD"

    def test_another_libc(self, root: Path) -> None:
        library(root, "/x", ["libc.musl-x86_64.so.1"])
        assert self.foreign(root, "/x") == "linked to musl, whose loader is not there"

    def test_a_library_of_musl_where_programs_have_glibc(self, root: Path) -> None:
        library(root, MUSL)
        library(root, "/x", ["libc.musl-x86_64.so.1"])
        assert self.foreign(root, "/x") == "linked to musl, and no program of glibc can load it"

    def test_a_system_of_musl_has_no_glibc(self, tmp_path: Path) -> None:
        library(tmp_path, MUSL)
        library(tmp_path, "/musl", ["libc.musl-x86_64.so.1"])
        library(tmp_path, "/glibc", ["libc.so.6"])
        assert self.foreign(tmp_path, "/musl") == ""
        assert self.foreign(tmp_path, "/glibc") == "linked to glibc, whose loader is not there"


class TestMusl:
    """With the real one where the machine has it (Debian's package musl)."""

    LINKING: ClassVar = [f"-Wl,--dynamic-linker={MUSL}"]

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = plant(tmp_path / "tree", "/lib/")
        if Path(MUSL).exists():
            shutil.copy(MUSL, root / MUSL.lstrip("/"))
        else:
            library(root, MUSL, soname="libc.musl-x86_64.so.1")
        return root

    def program(self, root: Path, path: str, needed: list[str], **more: str) -> list[str]:
        """What a program gets, and what its loader says that it would."""
        library(root, path, needed, program=True, linking=self.LINKING, **more)
        found = loaded(root, path)
        if Path(MUSL).exists() and os.geteuid() == 0:
            said = subprocess.run(["chroot", root, MUSL, "--list", path], capture_output=True)
            lines = re.findall(r"^\t(.* => .*) \(", said.stdout.decode(), re.MULTILINE)
            lost = re.findall(r"library (.*): [A-Z]", said.stderr.decode())
            ours = dict.fromkeys(line for line in found if " => /" in line and " is " not in line)
            assert sorted(ours) == sorted(lines)
            assert {line.split(" => ")[0] for line in found if line not in ours} == set(lost)
        return found

    def test_the_loader_is_the_library(self, root: Path) -> None:
        needed = ["libc.so", "libm.so.6"]
        assert self.program(root, "/x", needed) == [f"libc.so => {MUSL}", f"libm.so.6 => {MUSL}"]
        library(root, "/y.node", ["libc.musl-x86_64.so.1"])
        assert loaded(root, "/y.node") == [f"libc.musl-x86_64.so.1 => {MUSL}"]

    def test_a_runpath_is_inherited(self, root: Path) -> None:
        library(root, "/opt/libb.so.1")
        library(root, "/usr/lib/liba.so.1", ["libb.so.1"], runpath="/nowhere")
        found = self.program(root, "/x", ["liba.so.1", "libc.so"], runpath="/opt")
        assert "libb.so.1 => /opt/libb.so.1" in found

    def test_its_own_search_path(self, root: Path) -> None:
        for place in ("/lib", "/usr/local/lib", "/usr/lib"):
            library(root, f"{place}/liba.so.1")
        assert self.program(root, "/x", ["liba.so.1"]) == ["liba.so.1 => /lib/liba.so.1"]
        plant(root, "/etc/ld-musl-x86_64.path /usr/lib:/lib\\n/opt\\n")
        assert self.program(root, "/x", ["liba.so.1"]) == ["liba.so.1 => /usr/lib/liba.so.1"]

    def test_it_knows_a_library_by_the_name_it_searched(self, root: Path) -> None:
        library(root, "/a/libone.so.1", soname="libother.so")
        found = self.program(root, "/x", ["libone.so.1", "libother.so"], runpath="/a")
        assert found == ["libone.so.1 => /a/libone.so.1", "libother.so => not found"]

    @pytest.mark.parametrize("path", ["$LIB/../a:/a", "/a:$PLATFORM", "/a:$ORIGI"])
    def test_any_token_but_the_origin_makes_a_path_void(self, root: Path, path: str) -> None:
        library(root, "/a/libone.so.1")
        assert self.program(root, "/x", ["libone.so.1"], runpath=path) == [
            "libone.so.1 => not found"
        ]

    @pytest.mark.parametrize("path", ["$ORIGIN/a:/b", "/b:${ORIGIN}/a"])
    def test_the_origin_is_where_the_object_is(self, root: Path, path: str) -> None:
        library(root, "/a/libone.so.1")
        assert self.program(root, "/x", ["libone.so.1"], runpath=path) == [
            "libone.so.1 => /a/libone.so.1"
        ]

    def test_names_have_no_tokens(self, root: Path) -> None:
        library(root, "/a/libone.so.1")
        assert self.program(root, "/x", ["$ORIGIN/a/libone.so.1"]) == [
            "$ORIGIN/a/libone.so.1 => it depends on the working directory"
        ]

    @pytest.mark.parametrize("thing", ["libone.so.1 GROUP ( libx.so )", "libone.so.1/"])
    def test_every_file_ends_the_search(self, root: Path, thing: str) -> None:
        plant(root, f"/text/{thing}")
        library(root, "/a/libone.so.1")
        assert self.program(root, "/x", ["libone.so.1"], runpath="/text:/a") == [
            "libone.so.1 => /text/libone.so.1 is nothing that it can load"
        ]

    def test_one_of_another_machine_ends_it_too(self, root: Path) -> None:
        """The real one maps it, and dies of it: nothing to compare with."""
        library(root, "/wrong/libone.so.1", machine=183)
        library(root, "/a/libone.so.1")
        library(
            root, "/x", ["libone.so.1"], runpath="/wrong:/a", program=True, linking=self.LINKING
        )
        assert loaded(root, "/x") == [
            "libone.so.1 => /wrong/libone.so.1 is nothing that it can load"
        ]

    def test_nothing_comes_for_newer_processors(self, root: Path) -> None:
        library(root, "/a/libone.so.1")
        library(root, "/a/glibc-hwcaps/x86-64-v3/libone.so.1")
        library(root, "/x", ["libone.so.1"], runpath="/a", program=True, linking=self.LINKING)
        (item,) = load(root, "/x").objects
        assert item.variants == ()


class TestHarm:
    def test_long_search_paths_end(self, root: Path) -> None:
        """Each of a thousand names is asked for in each of a thousand directories."""
        for number in range(1000):
            (root / "d" / str(number)).mkdir(parents=True)
        path = ":".join(f"/d/{number}" for number in range(1000)).encode()
        names = [f"lib{number}.so".encode() for number in range(1000)]
        offsets, strings = [], b"\0" + path + b"\0"
        for name in names:
            offsets.append(len(strings))
            strings += name + b"\0"
        entries = "\n".join(["29 1", *(f"1 {offset}" for offset in offsets)])
        (root / "x").write_bytes(written(64, "little", entries=entries, strings=strings))
        missing = Loader(Root(root)).load(ImagePath("/x")).missing
        assert [item.soname for item in missing] == [name.decode() for name in names]
        assert missing[0].reason == ""
        assert missing[-1].reason == "search paths are unreasonably long"

    def test_tokens_that_become_gigabytes_are_names(self, root: Path) -> None:
        """Names of nine thousand origins each, in a directory with a long path."""
        directory = "/" + "/".join(["d" * 200] * 15)
        token, strings, entries = b"$ORIGIN" * 9000, b"\0", []
        for number in range(25):
            entries.append(f"1 {len(strings)}")
            strings += token + f"/{number}".encode() + b"\0"
        entries.append(f"29 {len(strings)}")
        strings += token + b"\0"
        path = root / directory.strip("/") / "x"
        path.parent.mkdir(parents=True)
        path.write_bytes(written(64, "little", entries="\n".join(entries), strings=strings))
        tracemalloc.start()
        loading = Loader(Root(root)).load(ImagePath(f"{directory}/x"))
        assert len(loading.missing) == 25
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        tracemalloc.stop()

    def test_messages_about_long_search_paths_are_short(self, root: Path) -> None:
        """Thousands of names, each missing in the same directories, whose names are long."""
        strings = b"\0" + b":".join(b"/%03d" % n * 900 for n in range(16)) + b"\0"
        entries = ["29 1"]
        for number in range(5000):
            entries.append(f"1 {len(strings)}")
            strings += b"l%d\0" % number
        data = written(64, "little", entries="\n".join(entries), strings=strings)
        (root / "app").mkdir()
        (root / "app/x").write_bytes(data)
        tracemalloc.start()
        with pytest.raises(ClosureError) as caught:
            exported(root, "/app")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        tracemalloc.stop()
        assert len(caught.value.details) == 5000
        assert max(map(len, caught.value.details)) < 5000
        assert "and 19 more), needed by /app/x" in caught.value.details[0]

    @fuzzed(150)
    @given(data=st.data())
    def test_damaged_files_are_loaded_or_not(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        root = plant(tmp_path_factory.mktemp("harm"), f"{LIB}/")
        library(root, LOADER)
        library(root, f"{LIB}/libb.so.1", rpath="$ORIGIN/../..")
        library(root, f"{LIB}/liba.so.1", ["libb.so.1"], runpath="${LIB}:/opt/$ORIGIN")
        library(root, "/app/x", ["liba.so.1", "libb.so.1"], program=True)
        for path in (f"{LIB}/liba.so.1", f"{LIB}/libb.so.1", "/app/x"):
            file = root / path.lstrip("/")
            content = bytearray(file.read_bytes())
            for _ in range(data.draw(st.integers(0, 5))):
                offset = data.draw(st.integers(4, 1200))
                change = data.draw(st.binary(min_size=1, max_size=8))
                content[offset : offset + len(change)] = change
            file.write_bytes(content)
        outside = os.fspath(root.parent)
        loader = Loader(Root(root))
        for path in (f"{LIB}/liba.so.1", "/app/x"):
            elf = loader.elf(ImagePath(path))
            assert elf is None or loader.foreign(elf) is not None
            loading = loader.load(ImagePath(path))
            assert not any(str(item.real).startswith(outside) for item in loading.objects)

    @fuzzed(200)
    @given(text=st.text(st.sampled_from("/abc.*?[]#= \t\n\0include$:é"), max_size=120))
    def test_any_configuration_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, text: str
    ) -> None:
        root = plant(tmp_path_factory.mktemp("conf"), "/etc/a/b.conf /x\n/etc/a/c/\n/a b")
        (root / "etc/ld.so.conf").write_text(text)
        with suppress(RootfsError):
            configured_directories(Root(root))
