"""What changed from one image to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from exports import export

from rootfs_ansible.model.manifest import Edge, EdgeKind, Fragment, Package
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack.difference import difference


def made(
    directory: Path, tree: str, packages: str = "", edges: tuple[Edge, ...] | None = None
) -> Fragment:
    records = []
    for word in packages.split():
        name, _, version = word.partition("=")
        records.append(Package(name, version, "amd64", name, "system"))
    fragment = export(directory, tree, packages=records).fragment
    return fragment if edges is None else replace(fragment, edges=edges)


def test_every_kind_of_change_is_a_line(tmp_path: Path) -> None:
    before = made(
        tmp_path / "one",
        """
        system /same file 0644 x
        system /content file 0644 one
        system /mode file 0644 x
        system /owner file 0644 0:0 x
        system /kind file 0644 x
        system /link -> one
        system /gone file 0644 1234
        """,
        "libc6=1 gone=2 tool=3",
    )
    after = made(
        tmp_path / "two",
        """
        system /same file 0644 x
        system /content file 0644 three
        system /mode file 0600 x
        system /owner file 0644 5:6 x
        system /kind dir 0755
        system /link -> two
        app /new file 0644 12
        """,
        "libc6=1.1 new=1 tool=3",
    )
    found = difference(before, after)
    assert found
    assert (
        found.to_text()
        == """\
- package gone 2
+ package new 1
~ package libc6: 1 → 1.1
- /gone  4 B
+ /new  2 B
~ /content: content (3 B → 5 B)
~ /kind: file → directory
~ /link: link one → two
~ /mode: mode 0644 → 0600
~ /owner: owner 0:0 → 5:6
1 removed, 1 added, 5 changed; -1 B"""
    )


def test_the_same_image_does_not_differ(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name, "app /x file 0644 x", "a=1") for name in ("one", "two"))
    assert not difference(one, two)
    assert difference(one, two).to_text() == "0 removed, 0 added, 0 changed; +0 B"


def test_a_further_name_of_a_file_takes_nothing(tmp_path: Path) -> None:
    one = "app /a file 0644 x"
    linked, copied = f"{one}\napp /b = /a", f"{one}\napp /b file 0644 x"
    before, after = made(tmp_path / "one", one), made(tmp_path / "two", linked)
    assert difference(before, after).to_text() == ("+ /b  0 B\n0 removed, 1 added, 0 changed; +0 B")
    assert difference(after, made(tmp_path / "three", copied)).to_text() == (
        "~ /b: hard link to /a → none\n0 removed, 0 added, 1 changed; +1 B"
    )


def test_a_name_of_any_bytes_is_one_line(tmp_path: Path) -> None:
    before = made(tmp_path / "one", "app /x file 0644 x")
    (entry,) = before.entries
    strange = replace(entry, path=ImagePath("/a\n- package libc6 \x1b[2J\udcff"))
    text = difference(before, replace(before, entries=(strange,))).to_text()
    assert text.split("\n")[1] == r"+ /a\n- package libc6 \x1b[2J\udcff  1 B"


def test_another_reason_is_a_change_and_one_more_is_none(tmp_path: Path) -> None:
    tree = "app /x file 0644 x"

    def needed_by(*names: str) -> Fragment:
        edges = (Edge(name, "/x", EdgeKind.ELF) for name in names)
        return made(tmp_path / "-".join(names), tree, edges=tuple(edges))

    assert "~ /x: needed by /b instead of /a" in difference(
        needed_by("/a"), needed_by("/b")
    ).to_text().split("\n")
    assert not difference(needed_by("/a"), needed_by("/a", "/b"))
