"""The root: whatever a tree holds, a look-up stays in it and ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from trees import plant

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.root import MOST_LINKS, Root
from rootfs_ansible.model.path import ROOT, ImagePath


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with something beside it that no path may lead to."""
    plant(tmp_path, "/secret outside\n/tree/")
    return tmp_path / "tree"


def resolved(tree: Path, path: str) -> str:
    """Where ``path`` leads, and what is passed on the way, as text."""
    found = Root(tree).resolve(ImagePath(path))
    if found is None:
        return "nothing"
    passed = [str(link) for link in found.links] + [f"({place})" for place in found.crossed]
    return " ".join([str(found.path), *passed])


class TestResolving:
    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/", "/"),
            ("/usr/bin/tool", "/usr/bin/tool"),
            ("/bin/tool", "/usr/bin/tool /bin"),
            ("/bin/alias", "/usr/bin/tool /bin /usr/bin/alias /etc/alternatives/tool"),
            ("/usr/bin", "/usr/bin"),
            ("/usr/bin/tool/more", "nothing"),
            ("/usr/none/tool", "nothing"),
            ("/dangling", "nothing"),
        ],
    )
    def test_every_link_on_the_way_is_named_in_order(
        self, tree: Path, path: str, expected: str
    ) -> None:
        plant(
            tree,
            """
            /bin -> usr/bin
            /usr/bin/tool x
            /usr/bin/alias -> /etc/alternatives/tool
            /etc/alternatives/tool -> /usr/bin/tool
            /dangling -> nowhere
            """,
        )
        assert resolved(tree, path) == expected

    def test_a_parent_is_that_of_the_directory_a_link_led_to(self, tree: Path) -> None:
        plant(tree, "/opt/v1/lib/a x\n/app/link -> ../opt/v1/lib\n/app/a -> link/../lib/a")
        assert resolved(tree, "/app/a") == "/opt/v1/lib/a /app/a /app/link (/opt/v1/lib)"

    def test_a_directory_that_the_target_leaves_again_must_be_there(self, tree: Path) -> None:
        plant(tree, "/a -> share/x/../file\n/share/file x\n/b -> share/y/../file\n/share/y/")
        assert resolved(tree, "/a") == "nothing"
        assert resolved(tree, "/b") == "/share/file /b (/share/y)"

    def test_a_file_is_no_directory(self, tree: Path) -> None:
        plant(tree, "/file x\n/slash -> file/\n/dot -> file/.\n/up -> file/../file")
        assert [resolved(tree, path) for path in ("/slash", "/dot", "/up")] == ["nothing"] * 3


class TestStayingInside:
    @pytest.mark.parametrize("target", ["../../secret", "/../secret", "/a/../../../secret"])
    def test_parents_end_at_the_root(self, tree: Path, target: str) -> None:
        plant(tree, f"/a/\n/link -> {target}")
        assert resolved(tree, "/link") == "nothing"
        (tree / "secret").write_text("inside")
        found = Root(tree).resolve(ImagePath("/link"))
        assert found is not None
        with Root(tree).open(found.path) as handle:
            assert handle.read() == b"inside"

    def test_an_absolute_link_means_the_image(self, tree: Path) -> None:
        (tree / "link").symlink_to(tree.parent)
        assert resolved(tree, "/link") == "nothing"
        assert resolved(tree, "/link/secret") == "nothing"
        assert Root(tree).lstat(ImagePath("/link/secret")) is None

    def test_dots_in_a_path_end_at_the_root(self, tree: Path) -> None:
        assert Root(tree).lstat(ImagePath("/../secret")) is None

    def test_following_a_text_ends_at_the_root(self, tree: Path) -> None:
        plant(tree, "/a/b/")
        found = Root(tree).follow(ImagePath("/a/b"), "../../../../secret")
        assert found is None

    def test_opening_follows_no_last_link(self, tree: Path) -> None:
        plant(tree, "/file x\n/link -> file")
        with pytest.raises(ClosureError, match="cannot be read"):
            Root(tree).open(ImagePath("/link"))

    @pytest.mark.parametrize("thing", ["fifo", "directory/"])
    def test_only_regular_files_are_opened(self, tree: Path, thing: str) -> None:
        plant(tree, "/fifo fifo\n/directory/")
        with pytest.raises(ClosureError, match="no regular file"):
            Root(tree).open(ImagePath(f"/{thing}"))

    @fuzzed(150)
    @given(
        targets=st.lists(
            st.lists(st.sampled_from(["..", ".", "", "0", "1", "2", "3", "d"]), max_size=6),
            min_size=4,
            max_size=4,
        ),
        path=st.lists(st.sampled_from(["0", "1", "2", "3", "d"]), max_size=4),
    )
    def test_any_tangle_of_links_is_what_the_system_says_inside_a_root(
        self, tmp_path_factory: pytest.TempPathFactory, targets: list[list[str]], path: list[str]
    ) -> None:
        """The system itself resolves from a directory that is deep enough for every ``..``."""
        tree = tmp_path_factory.mktemp("tangle")
        (tree / "d/d").mkdir(parents=True)
        for name, target in enumerate(targets):
            text = "/".join(target).lstrip("/") or "."
            for place in (tree, tree / "d", tree / "d/d"):
                (place / str(name)).symlink_to(text)
        found = Root(tree).resolve(ImagePath("/" + "/".join(path)))
        real = os.path.realpath(tree)
        try:
            expected = os.path.realpath(tree.joinpath(*path), strict=True)
        except OSError:
            expected = ""
        if found is None:
            assert not expected or not expected.startswith(real)
        elif expected.startswith(real):
            assert f"{real}/{found.path.relative}".removesuffix("/.") == expected


class TestEnding:
    def test_a_loop_leads_nowhere(self, tree: Path) -> None:
        plant(tree, "/a -> b\n/b -> a\n/self -> self\n/deep -> deep/x\n/d/up -> ../d/up/up")
        for path in ("/a", "/b", "/self", "/deep", "/d/up", "/a/b", "/self/x"):
            assert resolved(tree, path) == "nothing"

    def test_as_many_links_as_linux_follows(self, tree: Path) -> None:
        links = "\n".join(f"/{number} -> {number + 1}" for number in range(MOST_LINKS + 1))
        plant(tree, f"{links}\n/{MOST_LINKS + 1} end")
        assert (tree / "1").read_text() == "end"
        assert resolved(tree, "/1").startswith(f"/{MOST_LINKS + 1} ")
        with pytest.raises(OSError):
            (tree / "0").read_text()
        assert resolved(tree, "/0") == "nothing"

    def test_links_that_double_at_every_step(self, tree: Path) -> None:
        plant(tree, "/x/\n/l0 -> x")
        plant(tree, "\n".join(f"/l{n} -> l{n - 1}/../l{n - 1}" for n in range(1, 39)))
        assert resolved(tree, "/l38") == "nothing"


class TestReading:
    def test_names_that_are_not_utf_8(self, tree: Path) -> None:
        (Path(os.fsdecode(os.fsencode(tree) + b"/caf\xe9"))).write_text("x")
        root = Root(tree)
        assert root.names(ROOT) == ("caf\udce9",)
        path = ROOT / root.names(ROOT)[0]
        assert root.lstat(path) is not None
        assert root.resolve(path) is not None
        with root.open(path) as handle:
            assert handle.read() == b"x"

    def test_a_link_to_a_name_that_is_not_utf_8(self, tree: Path) -> None:
        (tree / "link").symlink_to(os.fsdecode(b"caf\xe9"))
        assert Root(tree).readlink(ImagePath("/link")) == "caf\udce9"

    def test_names_are_sorted_and_of_directories_alone(self, tree: Path) -> None:
        plant(tree, "/d/b x\n/d/a x\n/d/B x\n/link -> d")
        assert Root(tree).names(ImagePath("/d")) == ("B", "a", "b")
        with pytest.raises(ClosureError):
            Root(tree).names(ImagePath("/link"))

    def test_what_is_absent_has_no_status_and_cannot_be_read(self, tree: Path) -> None:
        root = Root(tree)
        assert root.lstat(ImagePath("/none")) is None
        assert root.lstat(ImagePath("/none/none")) is None
        assert root.lstat(ImagePath("/" + "n" * 300)) is None
        with pytest.raises(ClosureError, match=r"/none/none: there is no such path"):
            root.open(ImagePath("/none/none"))

    def test_attributes_of_the_image_and_not_of_the_host(self, tree: Path) -> None:
        plant(tree, "/file x\n/link -> file")
        try:
            os.setxattr(tree / "file", "user.note", b"\x01\xff")
            os.setxattr(tree / "file", "user.overlay.opaque", b"y")
        except OSError:
            pytest.skip("the file system of the tests has no extended attributes")
        root = Root(tree)
        assert root.xattrs(ImagePath("/file")) == (("user.note", "01ff"),)
        assert root.xattrs(ImagePath("/link")) == ()

    def test_an_attribute_that_no_archive_can_tell_is_refused(self, tree: Path) -> None:
        plant(tree, "/file x")
        try:
            os.setxattr(tree / "file", "user.a=b", b"c")
        except OSError:
            pytest.skip("the file system of the tests has no extended attributes")
        with pytest.raises(ClosureError, match=r"/file: has an extended attribute with ="):
            Root(tree).xattrs(ImagePath("/file"))

    def test_the_root_of_the_machine(self) -> None:
        root = Root(Path("/"))
        found = root.resolve(ImagePath("/bin/sh"))
        assert found is not None
        assert os.path.realpath("/bin/sh") == str(found.path)
        assert root.host_path(ImagePath("/usr")) == b"/usr"
        assert root.host_path(ROOT) == b"/"
