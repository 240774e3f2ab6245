"""Trees that were made to harm: a typed error at most, and nothing from outside the tree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from trees import exported, library, listed, output

from rootfs_ansible.errors import RootfsError
from rootfs_ansible.model.manifest import Fragment, Kind
from rootfs_ansible.model.request import Companion, Prune
from rootfs_ansible.store.layout import Store

NAMES = st.sampled_from(["app", "lib", "x.so.1", "run", "a", "\udcff"])
PLACES = st.builds(
    lambda top, names: "/".join([top, *names]),
    st.sampled_from(["app", "lib", "app/a"]),
    st.lists(NAMES, max_size=2),
)
CONTENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"#!/lib/run\n",
            b"#!/usr/bin/env run\n",
            b"#!/../../../../etc/passwd\n",
            b"\x7fELF",
            b"MZ",
            b"library",
            b"program",
            b"foreign",
        ]
    ),
)
TARGETS = st.one_of(
    PLACES,
    PLACES.map(lambda path: "/" + path),
    PLACES.map(lambda path: "../" + path),
    st.sampled_from(
        ["/etc/passwd", "../" * 20 + "etc/passwd", "/proc/self/root", "/dev/null", ".", "..", "/"]
    ),
)
THINGS = st.one_of(
    st.tuples(st.just("file"), PLACES, CONTENTS, st.sampled_from([0o644, 0o755, 0o4777, 0])),
    st.tuples(st.just("link"), PLACES, TARGETS),
    st.tuples(st.just("hard"), PLACES, PLACES),
    st.tuples(st.just("directory"), PLACES),
    st.tuples(st.just("fifo"), st.just("lib/fifo")),
)
SECRET = b"SECRET-OUTSIDE"


def make(root: Path, thing: tuple[object, ...]) -> None:
    """Make one thing of the tree, or leave it where something else is in the way."""
    kind, place, *rest = thing
    # What is made is in the tree; what it says need not be.
    path = Path(os.path.normpath(f"/{place}"))
    path = root / path.relative_to("/")
    try:
        if os.path.lexists(path) or root not in path.resolve().parents:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            content, mode = rest
            if content in (b"library", b"foreign"):
                machine = 183 if content == b"foreign" else 0
                library(root, str(path.relative_to(root)), ["x.so.1"], machine=machine)
            elif content == b"program":
                library(root, str(path.relative_to(root)), ["x.so.1"], rpath="/lib", program=True)
            else:
                path.write_bytes(content)
            path.chmod(mode)
        elif kind == "link":
            path.symlink_to(rest[0])
        elif kind == "hard":
            target = root / Path(os.path.normpath(f"/{rest[0]}")).relative_to("/")
            os.link(target, path, follow_symlinks=False)
        elif kind == "directory":
            path.mkdir()
        else:
            os.mkfifo(path)
    except (OSError, RuntimeError):
        return


@fuzzed(150)
@given(
    things=st.lists(THINGS, min_size=1, max_size=14),
    outputs=st.lists(
        st.sampled_from(["/app", "/app/**", "/**/a", "/lib/run", "/app/a", "/"]), min_size=1
    ),
    build=st.booleans(),
    foreign=st.sampled_from(["keep", "omit"]),
)
def test_any_tree_gives_an_image_or_an_error(
    things: list[tuple[object, ...]], outputs: list[str], build: bool, foreign: str
) -> None:
    with TemporaryDirectory() as scratch:
        outside = Path(scratch) / "etc"
        outside.mkdir()
        (outside / "passwd").write_bytes(SECRET)
        root = Path(scratch) / "tree"
        root.mkdir()
        for thing in things:
            make(root, thing)
        declared = [
            output(path, layer, foreign=foreign, optional=True)
            for path, layer in zip(outputs, ["low", "high"] * len(outputs), strict=False)
        ]
        try:
            found = exported(
                root,
                *declared,
                layers=["low", "high"],
                build=build,
                prune=[Prune("p", "r", "run", ("x*", "lib/**"), ("lib/a",))],
                companions=[Companion("c", "r", ("x.so.*",), ("/lib/**",), optional=True)],
            )
        except RootfsError:
            return
        check(root, found.directory, found.fragment.to_json(), Path(scratch) / "store")


def check(root: Path, directory: Path, data: dict[str, object], store: Path) -> None:
    """What was written holds together, is of the tree, and passes the gate of the store."""
    fragment = Fragment.from_json(data)
    Store(store).admit(fragment, directory, 0)
    paths = {str(entry.path): entry for entry in fragment.entries}
    reasons = {edge.target for edge in fragment.edges}
    for path, entry in paths.items():
        assert path in reasons
        assert entry.path.parent.text == "/" or paths[entry.path.parent.text].kind is Kind.DIRECTORY
        assert os.path.lexists(root / path.strip("/"))
        if entry.kind is Kind.FILE:
            assert not entry.mode & 0o6002
    for layer in ("low", "high"):
        tar = directory / f"{layer}.tar"
        assert SECRET not in tar.read_bytes()
        assert len(listed(tar)) == sum(entry.layer == layer for entry in fragment.entries)
    shutil.rmtree(directory)
