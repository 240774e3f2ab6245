"""The fragments of an image fit together, or one error lists everything that does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from exports import export

from rootfs_ansible.errors import LinkError
from rootfs_ansible.model.manifest import Candidate, Edge, EdgeKind, Fragment, Layer, Need, Package
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack import link
from rootfs_ansible.pack.link import unwritable

LAYERS = ("runtime", "system", "dependencies", "app")
CAIRO = Package("libcairo2", "1.18-1", "amd64", "cairo", "system")
NEED = Need(
    ImagePath("/usr/lib/libcairo.so.2"),
    "libcairo2",
    "1.18-1",
    "amd64",
    "/app/canvas.node",
    EdgeKind.ELF,
    "libcairo.so.2",
)


@pytest.fixture
def runtime(tmp_path: Path) -> Fragment:
    return export(
        tmp_path / "runtime",
        """
        runtime /lib      -> usr/lib
        runtime /usr      dir 0755
        runtime /usr/bin  dir 0755
        runtime /usr/bin/node file 0755 node
        runtime /usr/lib  dir 0755
        """,
    ).fragment


@pytest.fixture
def system(tmp_path: Path) -> Fragment:
    return export(
        tmp_path / "system",
        """
        system /usr/lib/libcairo.so.2      -> libcairo.so.2.1
        system /usr/lib/libcairo.so.2.1    file 0644 cairo
        """,
        packages=[CAIRO],
        owners={"/usr/lib/libcairo.so.2": "libcairo2", "/usr/lib/libcairo.so.2.1": "libcairo2"},
    ).fragment


@pytest.fixture
def app(tmp_path: Path) -> Fragment:
    return export(
        tmp_path / "app",
        """
        app /app              dir 0755
        app /app/canvas.node  file 0755 addon
        """,
        needs=[NEED],
    ).fragment


def problems(*fragments: Fragment) -> tuple[str, ...]:
    with pytest.raises(LinkError) as caught:
        link(fragments, LAYERS)
    return caught.value.details


def test_a_need_becomes_an_edge_to_what_satisfies_it(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    linked = link([runtime, app, system], LAYERS)
    assert linked.needs == ()
    assert [layer.name for layer in linked.layers] == list(LAYERS)
    assert [str(entry.path) for entry in linked.entries] == [
        "/app",
        "/app/canvas.node",
        "/lib",
        "/usr",
        "/usr/bin",
        "/usr/bin/node",
        "/usr/lib",
        "/usr/lib/libcairo.so.2",
        "/usr/lib/libcairo.so.2.1",
    ]
    assert (
        Edge("/app/canvas.node", "/usr/lib/libcairo.so.2", EdgeKind.ELF, "libcairo.so.2")
        in linked.edges
    )
    assert linked.packages == (CAIRO,)


def test_what_another_fragment_brings_is_no_candidate(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    brought = Candidate(
        "/app/canvas.node", "libcairo.so.2", "/usr/lib/libcairo.so.2.1", "libcairo2"
    )
    lacking = Candidate("/usr/bin/node", "/bin/sh", "/usr/bin/dash", "dash")
    app, runtime = replace(app, candidates=(brought,)), replace(runtime, candidates=(lacking,))
    assert link([app, system, runtime], LAYERS).candidates == (lacking,)


def test_the_order_of_fragments_changes_nothing(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    assert link([app, system, runtime], LAYERS) == link([runtime, system, app], LAYERS)


def test_a_layer_without_a_path_is_there_without_a_digest(runtime: Fragment) -> None:
    assert link([runtime], LAYERS).layers[1:] == (
        Layer("system", "", 0),
        Layer("dependencies", "", 0),
        Layer("app", "", 0),
    )


def test_a_need_is_satisfied_through_directory_links(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    needs = (replace(NEED, path=ImagePath("/lib/libcairo.so.2")),)
    linked = link([runtime, system, replace(app, needs=needs)], LAYERS)
    assert (
        Edge("/app/canvas.node", "/usr/lib/libcairo.so.2", EdgeKind.ELF, "libcairo.so.2")
        in linked.edges
    )


def test_what_a_library_needs_in_turn_is_its_own_fragments_affair(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    further = replace(
        NEED, path=ImagePath("/usr/lib/libpng.so"), source="/usr/lib/libcairo.so.2", direct=False
    )
    linked = link([runtime, system, replace(app, needs=(NEED, further))], LAYERS)
    assert linked == link([runtime, system, app], LAYERS)


def test_a_need_in_a_loop_of_links_is_not_satisfied(app: Fragment, tmp_path: Path) -> None:
    loop = export(tmp_path / "loop", "runtime /a -> b\nruntime /b -> a").fragment
    needs = (replace(NEED, path=ImagePath("/a/x")),)
    assert problems(loop, replace(app, needs=needs)) == (
        "/a/x (package libcairo2 1.18-1) is in no layer, but /app/canvas.node needs it"
        " (elf: libcairo.so.2)",
    )


def test_everything_that_is_wrong_is_in_one_error(
    runtime: Fragment, system: Fragment, app: Fragment, tmp_path: Path
) -> None:
    other = export(
        tmp_path / "other",
        """
        dependencies /usr/bin/node   file 0755 another
        dependencies /lib/x          file 0644 through a link
        dependencies /nowhere/x      file 0644 without a directory
        """,
    ).fragment
    missing = replace(NEED, path=ImagePath("/usr/lib/libpng.so"), package="libpng16", detail="")
    assert problems(runtime, system, other, replace(app, needs=(missing,), edges=())) == (
        "/app (layer app) is there without a reason",
        "/app/canvas.node (layer app) is there without a reason",
        "/lib/x (layer dependencies) is under /lib, which is a symlink in layer runtime",
        "/nowhere/x (layer dependencies) is in a directory that no layer has",
        "/usr/bin/node is owned twice, by the layers runtime and dependencies",
        "/usr/lib/libpng.so (package libpng16 1.18-1) is in no layer, but /app/canvas.node"
        " needs it (elf)",
    )


def test_a_package_of_another_version_names_both(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    newer = replace(system, packages=(replace(CAIRO, version="1.18-2"),))
    assert problems(runtime, newer, app) == (
        "package libcairo2: version 1.18-1 in the build container, 1.18-2 in the staging container",
    )


def test_a_package_shipped_in_two_versions_names_both(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    older = replace(runtime, packages=(replace(CAIRO, version="1.17-1", layer="runtime"),))
    assert problems(older, system, app) == (
        "package libcairo2: shipped in the versions 1.17-1 and 1.18-1",
    )


def test_a_path_of_another_package_names_both(
    runtime: Fragment, system: Fragment, app: Fragment
) -> None:
    needs = (replace(NEED, package="libcairo-gobject2:amd64"),)
    assert problems(runtime, system, replace(app, needs=needs)) == (
        "/usr/lib/libcairo.so.2 is of package libcairo-gobject2:amd64 in the build container,"
        " of package libcairo2 in the staging container",
    )


def test_the_lowest_layer_owns_a_directory_that_two_bring(
    runtime: Fragment, tmp_path: Path
) -> None:
    tree = "{0} /opt dir 0755\n{0} /opt/{0} file 0644 x"
    app = export(tmp_path / "app", tree.format("app")).fragment
    system = export(tmp_path / "system", tree.format("system")).fragment
    linked = link([runtime, app, system], LAYERS)
    assert [entry.layer for entry in linked.entries if str(entry.path) == "/opt"] == ["system"]


def test_a_directory_that_two_bring_in_two_ways_is_owned_twice(
    runtime: Fragment, tmp_path: Path
) -> None:
    app = export(tmp_path / "app", "app /opt dir 0700").fragment
    system = export(tmp_path / "system", "system /opt dir 0755").fragment
    assert problems(runtime, app, system) == ("/opt is owned twice, by the layers system and app",)


def test_layers_that_are_not_the_images_are_named(runtime: Fragment, tmp_path: Path) -> None:
    odd = export(tmp_path / "odd", "odd /opt dir 0755").fragment
    assert problems(runtime, odd, replace(runtime, entries=())) == (
        "layer odd is none of the image's: runtime, system, dependencies, app",
        "layer runtime comes from 2 exports",
    )


@pytest.mark.parametrize(
    ("user", "closed"),
    [
        ((65532, 65532), []),
        ((1000, 1000), ["/home/app (65532:65532, mode 0755, layer runtime)"]),
        ((1000, 65532), ["/home/app (65532:65532, mode 0755, layer runtime)"]),
        ((0, 0), []),
    ],
)
def test_a_directory_that_the_user_cannot_write_is_named(
    tmp_path: Path, user: tuple[int, int], closed: list[str]
) -> None:
    manifest = export(
        tmp_path / "runtime",
        """
        runtime /home          dir 0755
        runtime /home/app      dir 0755 65532:65532
        runtime /tmp           dir 1777
        runtime /var           dir 0755
        runtime /var/home      -> ../home
        """,
    ).fragment
    volumes = ("/home/app", "/tmp", "/none")
    assert unwritable(map(ImagePath, volumes), *user, manifest) == closed
    assert len(unwritable([ImagePath("/var/home/app")], *user, manifest)) == len(closed)
