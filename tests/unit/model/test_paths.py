"""Indexes of paths: where a path leads in them, and that they may come from anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.paths import Known, Paths

FILE, DIRECTORY = Known(Kind.FILE, "base"), Known(Kind.DIRECTORY)


def link(target: str) -> Known:
    return Known(Kind.SYMLINK, "", target)


PATHS = Paths(
    {
        "/lib": link("usr/lib"),
        "/usr": DIRECTORY,
        "/usr/lib": DIRECTORY,
        "/usr/lib/a.so": link("../lib/a.so.1"),
        "/usr/lib/a.so.1": FILE,
        "/usr/lib/abs": link("/lib/a.so"),
        "/usr/lib/gone": link("nowhere"),
        "/usr/lib/loop": link("loop"),
        "/w\udcff\n": FILE,
    }
)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("/usr/lib/a.so.1", ("/usr/lib/a.so.1",)),
        ("/lib/a.so", ("/lib", "/usr/lib/a.so", "/usr/lib/a.so.1")),
        ("/lib/abs", ("/lib", "/usr/lib/abs", "/lib", "/usr/lib/a.so", "/usr/lib/a.so.1")),
        # ".." is taken where the links before it led.
        ("/lib/../lib//./a.so.1", ("/lib", "/usr/lib/a.so.1")),
        ("/usr/lib/", ("/usr/lib",)),
        ("/", ("/",)),
        ("/w\udcff\n", ("/w\udcff\n",)),
        ("/usr/lib/gone", ()),
        ("/usr/lib/loop", ()),
        ("/usr/lib/a.so.1/x", ()),
        ("/usr/lib/none", ()),
    ],
)
def test_a_path_leads_where_the_system_would(path: str, steps: tuple[str, ...]) -> None:
    assert PATHS.steps(path) == steps
    assert PATHS.resolve(path) == (steps[-1] if steps else None)


def test_an_index_comes_back_from_json() -> None:
    assert dict(Paths.from_json(json.loads(json.dumps(PATHS.to_json())))) == dict(PATHS)


def document(**changes: object) -> dict[str, Any]:
    return {"version": 1, "packages": [""], "directories": {"/": [["x", "f", 0]]}} | changes


def test_the_document_of_the_tests_is_one() -> None:
    assert dict(Paths.from_json(document())) == {"/x": Known(Kind.FILE)}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        document(version=2),
        document(packages=["a b"]),
        document(packages=[1]),
        document(directories={"x": []}),
        document(directories={"/x/..": []}),
        document(directories={"/": [["..", "f", 0]]}),
        document(directories={"/": [["a/b", "f", 0]]}),
        document(directories={"/": [["x", "f", 7]]}),
        document(directories={"/": [["x", "f", -1]]}),
        document(directories={"/": [["x", "q", 0]]}),
        document(directories={"/": [["x", "f", 0, "y"]]}),
        document(directories={"/": [["x", "l", 0]]}),
        document(directories={"/": [["x", "l", 0, ""]]}),
        document(directories={"/": [["x", "l", 0, 7]]}),
        document(directories={"/": [["x"]]}),
        document(directories={"/": 7}),
        document(directories=[]),
    ],
)
def test_what_is_no_index_is_refused(data: object) -> None:
    with pytest.raises(InputError, match="no index of paths"):
        Paths.from_json(data)


NAMES = st.sampled_from(["a", "b", "c"])


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts)),
        st.one_of(
            st.just(FILE),
            st.just(DIRECTORY),
            st.lists(st.sampled_from(["a", "b", "..", "/", "c"]), min_size=1, max_size=4).map(
                lambda parts: link("/".join(parts))
            ),
        ),
    ),
    st.lists(st.sampled_from(["a", "b", "c", "..", "."]), max_size=5).map("/".join),
)
def test_links_of_anybody_end(known: dict[str, Known], path: str) -> None:
    led = Paths(known).resolve(f"/{path}")
    assert led is None or led == "/" or known[led].kind is not Kind.SYMLINK
