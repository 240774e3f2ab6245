"""The values that cross a connection: what is written reads back, and nothing else is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootfs_ansible.errors import ClosureError, InputError, RootfsError
from rootfs_ansible.model.image import ImageConfig
from rootfs_ansible.model.manifest import (
    Edge,
    EdgeKind,
    Entry,
    Fragment,
    Kind,
    Layer,
    Need,
    Omission,
    Package,
)
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import (
    Companion,
    ExportRequest,
    Foreign,
    Output,
    Prune,
    Scope,
)

# Names of files are bytes: what is no UTF-8 comes as surrogate escapes.
texts = st.text(max_size=8) | st.binary(max_size=8).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
names = texts.filter(lambda text: "\0" not in text)
paths = st.lists(names, max_size=4).map(lambda parts: ImagePath("/" + "/".join(parts)))
sizes = st.integers(0, 2**63)
modes = st.integers(0, 0o7777)
edges = st.builds(Edge, texts, texts, st.sampled_from(EdgeKind), texts)
entries = st.builds(
    Entry,
    paths,
    st.sampled_from(Kind),
    modes,
    sizes,
    sizes,
    sizes,
    texts,
    texts,
    texts,
    texts,
    st.none() | paths,
    st.dictionaries(texts, texts, max_size=2).map(lambda items: tuple(sorted(items.items()))),
)
needs = st.builds(
    Need, paths, texts, texts, texts, texts, st.sampled_from(EdgeKind), texts, st.booleans()
)
fragments = st.builds(
    Fragment,
    st.lists(st.builds(Layer, texts, texts, sizes), max_size=2).map(tuple),
    st.lists(entries, max_size=3, unique_by=lambda entry: entry.path)
    .map(lambda found: sorted(found, key=lambda entry: entry.path))
    .map(tuple),
    st.sets(edges, max_size=3).map(sorted).map(tuple),
    st.sets(st.builds(Package, texts, texts, texts, texts, texts), max_size=3)
    .map(sorted)
    .map(tuple),
    st.sets(needs, max_size=3).map(sorted).map(tuple),
    st.sets(st.builds(Omission, texts, texts, texts, sizes), max_size=3).map(sorted).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(fragments)
def test_a_fragment_reads_back(fragment: Fragment) -> None:
    text = "".join(fragment.to_text())
    assert json.loads(text) == json.loads(json.dumps(fragment.to_json()))
    assert Fragment.from_json(json.loads(text)) == fragment


def test_a_fragment_is_sorted() -> None:
    def edge(source: str) -> Edge:
        return Edge(source, "/x", EdgeKind.DECLARED)

    one = Fragment(edges=(edge("b"), edge("a")))
    two = Fragment(edges=(edge("a"), edge("b")))
    assert "".join(one.to_text()) == "".join(two.to_text())


REQUEST = ExportRequest(
    layers=("low", "high"),
    outputs=(
        Output("low", "stack", path="/app/**", excluding=("*.map",), foreign=Foreign.OMIT),
        Output("low", "stack", package="git", optional=True),
        Output("high", "app", accounts=("root",)),
        Output("high", "app", directory="/data", mode=0o1750, uid=5, gid=6),
    ),
    scope=Scope.BUILD,
    epoch=7,
    prune=(Prune("addon", "left", "binding.gyp", ("build",), ("*.node",), "*.node", "low"),),
    companions=(Companion("fonts", "boxes", "libfontconfig.so.1", ("/etc/fonts",), True),),
    provided=(ImagePath("/usr"), ImagePath("/usr/x")),
    digests=(("/usr/x", "00"),),
    recorded=("libc6",),
    seeds=(Need(ImagePath("/x"), "x", "1", "amd64", "/y", EdgeKind.ELF, "x.so"),),
    seed_layer="high",
)


def test_a_request_reads_back() -> None:
    assert ExportRequest.from_json(json.loads(json.dumps(REQUEST.to_json()))) == REQUEST


def test_a_configuration_reads_back() -> None:
    config = ImageConfig(
        entrypoint=("/usr/bin/tini", "--"),
        command=("node", "server.js"),
        environment=(("A", "1"), ("B", "")),
        ports=("8080/tcp",),
        volumes=("/data",),
        labels=(("org.opencontainers.image.title", "x"),),
        stop_signal="SIGINT",
    )
    assert ImageConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("kind", [RootfsError, InputError, ClosureError])
def test_an_error_reads_back_as_its_own_kind(kind: type[RootfsError]) -> None:
    error = kind("a fact", where="/x", hint="do it", details=["one", "two"])
    read = RootfsError.from_json(json.loads(json.dumps(error.to_json())))
    assert type(read) is kind
    assert str(read) == str(error) == "/x: a fact\n  - one\n  - two\nHint: do it"


@pytest.mark.parametrize("data", [{}, {"kind": "SystemExit"}, {"what": 1, "details": "x"}])
def test_any_error_object_reads_as_an_error(data: dict[str, Any]) -> None:
    assert type(RootfsError.from_json(data)) is RootfsError


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(REQUEST.to_json()))
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.pop("layers") and data.update(layers="low"), "request.layers"),
        (lambda data: data.update(scope="everything"), "'everything' is none of build, all"),
        (lambda data: data.update(epoch=True), "expected a number, got a boolean"),
        (lambda data: data["outputs"][0].pop("by"), "request.outputs[0].by"),
        (lambda data: data["outputs"][0].update(path="app"), "not an absolute path"),
        (lambda data: data["outputs"][0].update(package="x"), "declares not exactly one of"),
        (lambda data: data["outputs"][3].update(mode="0999"), "not a file mode: '0999'"),
        (lambda data: data["outputs"][3].update(mode="²"), "not a file mode: '²'"),
        (lambda data: data["outputs"][3].update(mode="17777"), "not a file mode: '17777'"),
        (lambda data: data["outputs"][3].update(uid=-1), "app declares /data with uid -1"),
        (lambda data: data["outputs"][3].update(gid=2**32 - 1), "with gid 4294967295"),
        (lambda data: data["outputs"][0].update(foreign="maybe"), "'maybe' is none of keep, omit"),
        (lambda data: data["prune"][0].update(beside="**/x"), "has no usable beside: '**/x'"),
        (lambda data: data["provided"].append("../x"), "request.provided"),
        (lambda data: data["seeds"][0].update(kind="magic"), "no such kind of edge: 'magic'"),
    ],
)
def test_a_request_that_is_wrong_says_where(
    change: Callable[[dict[str, Any]], object], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        ExportRequest.from_json(changed(change))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "data", [None, [], {}, {"version": 1}, {"version": 2, "entries": [{"path": "/x"}]}]
)
def test_a_fragment_that_is_none_is_refused(data: object) -> None:
    with pytest.raises(InputError):
        Fragment.from_json(data)


class TestImagePath:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("/", "/"), ("//x", "/x"), ("/a//b/./c/", "/a/b/c"), ("/a/../b", "/b"), ("/..", "/")],
    )
    def test_is_normal(self, text: str, expected: str) -> None:
        assert str(ImagePath(text)) == expected

    @pytest.mark.parametrize("text", ["", "x", "./x", "/a\0b"])
    def test_is_absolute(self, text: str) -> None:
        with pytest.raises(InputError):
            ImagePath(text)

    def test_is_no_path_of_the_host(self) -> None:
        with pytest.raises(TypeError):
            open(ImagePath("/etc/passwd"))  # type: ignore[call-overload]  # noqa: PTH123, SIM115

    def test_sorts_a_directory_right_before_what_it_holds(self) -> None:
        ordered = ["/", "/a", "/a/b", "/a/b/c", "/a!", "/a.d", "/b"]
        assert [str(path) for path in sorted(map(ImagePath, reversed(ordered)))] == ordered

    @given(st.lists(paths, max_size=6))
    def test_its_key_sorts_as_its_parts(self, found: list[ImagePath]) -> None:
        assert sorted(found, key=lambda path: path.order) == sorted(
            found, key=lambda path: path.parts
        )

    def test_knows_what_is_above(self) -> None:
        path = ImagePath("/a/b/c")
        assert [str(above) for above in path.parents()] == ["/", "/a", "/a/b"]
        assert (path.parent, path.name, path.relative) == (ImagePath("/a/b"), "c", "a/b/c")
        assert path.is_below(ImagePath("/a"))
        assert path.is_below(path)
        assert path.is_below(ImagePath("/"))
        assert not path.is_below(ImagePath("/a/b/cd"))
        assert not ImagePath("/a/bc").is_below(ImagePath("/a/b"))
