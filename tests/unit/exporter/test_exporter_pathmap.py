"""The mapping by paths: a dictionary that is always in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rootfs_ansible.exporter.pathmap import PathMap
from rootfs_ansible.model.path import ROOT, ImagePath

# Names around the slash: those with what sorts before it and after it.
NAMES = st.lists(st.sampled_from(["a", "a-b", "a.b", "a0", "b", "\udcff"]), max_size=4)
PATHS = NAMES.map(lambda names: ImagePath("/" + "/".join(names)))


@given(st.lists(st.tuples(PATHS, st.booleans(), st.integers()), max_size=40))
def test_it_does_what_a_dictionary_does(steps: list[tuple[ImagePath, bool, int]]) -> None:
    found: PathMap[int] = PathMap()
    known: dict[ImagePath, int] = {}
    for path, is_set, value in steps:
        assert found.get(path) == known.get(path)
        assert (path in found) == (path in known)
        if is_set:
            found[path] = known[path] = value
        else:
            assert found.pop(path, None) == known.pop(path, None)
    assert len(found) == len(known)
    ordered = sorted(known.items(), key=lambda item: item[0].order)
    assert list(found.pairs()) == list(found.items()) == ordered
    assert list(found.by_text()) == sorted((path.text, value) for path, value in known.items())
    assert sorted(found.unordered()) == sorted(known.values())


def test_what_is_not_there_is_an_error() -> None:
    found: PathMap[int] = PathMap()
    found[ImagePath("/a/b")] = 1
    for path in (ROOT, ImagePath("/a"), ImagePath("/a/c"), ImagePath("/x/y")):
        with pytest.raises(KeyError):
            found[path]
        with pytest.raises(KeyError):
            del found[path]
    assert "/a/b" not in found
