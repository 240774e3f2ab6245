"""Why something is in an image, and what would leave with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from exports import export

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.manifest import Edge, EdgeKind, Fragment, Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack.reasons import Reasons, Share, why_package, why_path

TREE = """
app /app/main file 0755 program
app /app/run file 0755 script
system /usr/bin/sh -> dash
system /usr/bin/dash file 0755 shell
system /usr/lib/liba.so.1 file 0644 aaaa
system /usr/lib/libb.so.1 file 0644 bb
system /usr/lib/libc.so.6 file 0644 c
system /usr/share/doc/a/copyright file 0644 free
system /usr/share/licences/GPL file 0644 text
system /var/lib/dpkg/status.d/a file 0644 record
system /var/lib/dpkg/status.d/b file 0644 record
"""
OWNERS = {
    "/usr/bin/dash": "dash",
    "/usr/bin/sh": "dash",
    "/usr/lib/liba.so.1": "a",
    "/usr/lib/libb.so.1": "b",
    "/usr/lib/libc.so.6": "libc6",
    "/usr/share/doc/a/copyright": "a",
    "/usr/share/licences/GPL": "base-files",
}
EDGES = """
shop declared /app/main app
shop declared /app/run app
/app/main elf /usr/lib/liba.so.1 liba.so.1
/app/main elf /usr/lib/libc.so.6 libc.so.6
/usr/lib/liba.so.1 elf /usr/lib/libb.so.1 libb.so.1
/usr/lib/liba.so.1 elf /usr/lib/libc.so.6 libc.so.6
/app/run shebang /usr/bin/sh #!/bin/sh
/usr/bin/sh symlink /usr/bin/dash
/usr/bin/dash elf /usr/lib/libc.so.6 libc.so.6
a record /var/lib/dpkg/status.d/a
b record /var/lib/dpkg/status.d/b
/var/lib/dpkg/status.d/a licence /usr/share/doc/a/copyright
/usr/share/doc/a/copyright licence /usr/share/licences/GPL
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Fragment:
    fragment = export(tmp_path / "export", TREE, owners=OWNERS).fragment
    edges = []
    for line in EDGES.strip().splitlines():
        source, kind, target, *detail = line.split()
        edges.append(Edge(source, target, EdgeKind(kind), " ".join(detail)))
    return replace(fragment, edges=tuple(edges))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/app/main", """\
/app/main: file, 7 B, in layer app
  shop declares /app/main (app)"""),
        ("/usr/lib/libb.so.1", """\
/usr/lib/libb.so.1: file, 2 B, in layer system, of package b
  shop declares /app/main (app)
  /app/main loads /usr/lib/liba.so.1 (liba.so.1)
  /usr/lib/liba.so.1 loads /usr/lib/libb.so.1 (libb.so.1)"""),
        # The shortest way of several.
        ("/usr/lib/libc.so.6", """\
/usr/lib/libc.so.6: file, 1 B, in layer system, of package libc6
  shop declares /app/main (app)
  /app/main loads /usr/lib/libc.so.6 (libc.so.6)"""),
        ("/usr/bin/dash", """\
/usr/bin/dash: file, 5 B, in layer system, of package dash
  shop declares /app/run (app)
  /app/run is run by /usr/bin/sh (#!/bin/sh)
  /usr/bin/sh leads over /usr/bin/dash"""),
        ("/usr/share/licences/GPL", """\
/usr/share/licences/GPL: file, 4 B, in layer system, of package base-files
  a has its record in /var/lib/dpkg/status.d/a
  /var/lib/dpkg/status.d/a refers to /usr/share/doc/a/copyright
  /usr/share/doc/a/copyright refers to /usr/share/licences/GPL"""),
    ],
)  # fmt: skip
def test_a_path_is_explained_edge_by_edge(manifest: Fragment, path: str, text: str) -> None:
    assert why_path(manifest, ImagePath(path)) == text


def test_what_a_record_needs_has_no_record_there(manifest: Fragment) -> None:
    record, named = "/var/lib/dpkg/status.d/a", "/usr/share/licences/GPL"
    edges = [edge for edge in manifest.edges if edge.target != named]
    only = replace(manifest, edges=(*edges, Edge(record, named, EdgeKind.RECORD)))
    assert why_path(only, ImagePath(named)).split("\n")[-1] == (
        f"  {record} is read with the name of its distribution, {named}"
    )


def test_a_path_that_is_not_there_has_a_neighbour(manifest: Fragment) -> None:
    with pytest.raises(InputError, match=r"the image has no /usr/lib/liba\.so\.2") as raised:
        why_path(manifest, ImagePath("/usr/lib/liba.so.2"))
    assert raised.value.hint == "it has /usr/lib/liba.so.1"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/sbin/dash", "it has /usr/bin/dash"),
        ("/usr/lib/x86_64-linux-gnu/liba.so.1", "it has /usr/lib/liba.so.1"),
        ("/etc/unlike", "its manifest lists what it has"),
    ],
)
def test_a_path_by_another_way_is_told_where_it_is(
    manifest: Fragment, path: str, hint: str
) -> None:
    link = replace(manifest.entries[0], path=ImagePath("/sbin"), kind=Kind.SYMLINK, link="usr/bin")
    directories = (
        replace(link, path=ImagePath(at), kind=Kind.DIRECTORY, link="")
        for at in ("/usr", "/usr/bin")
    )
    linked = replace(manifest, entries=(*manifest.entries, link, *directories))
    with pytest.raises(InputError) as raised:
        why_path(linked, ImagePath(path))
    assert raised.value.hint == hint


def test_a_path_that_nothing_explains_is_an_error(manifest: Fragment) -> None:
    with pytest.raises(InputError, match="no edge of the manifest explains /app/main"):
        why_path(replace(manifest, edges=()), ImagePath("/app/main"))


def test_a_package_costs_what_is_there_for_it_alone(manifest: Fragment) -> None:
    assert why_package(manifest, "a") == """\
a: 8 B in 2 files; 26 B with what is there for it alone
  /app/main loads /usr/lib/liba.so.1 (liba.so.1)
  no package would leave: 12 B in 2 files
  base-files would leave: 4 B in 1 file
  b would leave: 2 B in 1 file"""  # fmt: skip


def test_what_others_need_as_well_stays(manifest: Fragment) -> None:
    cost = Reasons(manifest).cost("dash")
    assert cost.package == Share("dash", 2, 5)
    assert cost.leaving == ()
    assert [edge.source for edge in cost.edges] == ["/app/run"]


def test_a_package_that_is_not_there_has_a_neighbour(manifest: Fragment) -> None:
    with pytest.raises(InputError, match="nothing of a package libc7") as raised:
        Reasons(manifest).cost("libc7")
    assert raised.value.hint == "it has libc6"
