"""The rules that come with the exporter, and globs as rules and outputs use them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import library, plant

from rootfs_ansible.exporter import globs
from rootfs_ansible.exporter.companions import Companions, built_in
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import Companion


def fired(path: str, *rules: Companion) -> list[str]:
    return [rule.name for rule in Companions(rules).fired_by(ImagePath(path))]


def test_every_rule_says_why() -> None:
    names = [rule.name for rule in built_in()]
    assert names == sorted(set(names))
    assert all(rule.reason and rule.needs for rule in built_in())
    assert all(need.startswith("/") for rule in built_in() for need in rule.needs)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/lib/x86_64-linux-gnu/libfontconfig.so.1", ["fontconfig"]),
        ("/app/node_modules/canvas/build/Release/libfontconfig.so.1", ["fontconfig"]),
        ("/usr/lib/libfontconfig.so.1.12.1", []),
        ("/usr/lib/libMagickCore-7.Q16.so.10", ["imagemagick", "imagemagick-messages"]),
        ("/usr/lib/libcrypto.so.3", ["openssl-configuration", "openssl-providers"]),
    ],
)
def test_a_soname_fires_its_rules(path: str, expected: list[str]) -> None:
    assert fired(path) == expected


def test_rules_of_a_request_join_and_replace() -> None:
    mine = Companion("fontconfig", "ours", "libfontconfig.so.*", ("/opt/fonts",))
    other = Companion("node", "ours", "/usr/*/node", ("/x",))
    rules = Companions([mine, other])
    assert rules.named("fontconfig") == mine
    assert list(rules.fired_by(ImagePath("/usr/bin/node"))) == [other]
    assert list(rules.fired_by(ImagePath("/usr/bin/x/node"))) == []
    assert list(rules.fired_by(ImagePath("/lib/libfontconfig.so.1"))) == [mine]


class TestGlobs:
    @pytest.mark.parametrize(
        ("pattern", "text", "expected"),
        [
            ("*.js", "a.js", True),
            ("*.js", "d/a.js", False),
            ("*.js", ".js", True),
            ("**/*.js", "a.js", True),
            ("**/*.js", "d/e/a.js", True),
            ("d/**", "d/e/a.js", True),
            ("d/**", "d", False),
            ("a/**/b", "a/b", True),
            ("a/**/b", "a/x/y/b", True),
            ("a/**/b", "ab", False),
            ("*x/**/y", "axbx/y", True),
            ("*x/**/y", "ax/bx/y", True),
            ("*x/**/y", "axb/y", False),
            ("lib*.so.*", "libz.so.1", True),
            ("a?[b]", "a?[b]", True),
            ("a?[b]", "axb", False),
            ("a.c", "abc", False),
            ("**", "anything/at/all", True),
            ("x*\n", "xy\n", True),
        ],
    )
    def test_matches(self, pattern: str, text: str, expected: bool) -> None:
        assert globs.matches(pattern, text) is expected

    def test_many_stars_take_no_time(self) -> None:
        assert not globs.matches("*a" * 40 + "b", "a" * 200)
        assert globs.matches("*a" * 40 + "b*", "a" * 200 + "b")

    @given(
        st.lists(st.sampled_from(["*", "**", "/**/", "a", "b", "/", "ab"]), max_size=7).map(
            "".join
        ),
        st.text("ab/", max_size=9),
    )
    def test_is_what_trying_everything_says(self, pattern: str, text: str) -> None:
        plain = "".join(
            {"/**/": "/(?:.*/)?", "**": ".*", "*": "[^/]*"}.get(part, part)
            for part in re.split(r"(/\*\*/|\*\*|\*)", re.sub(r"(\*\*/)+", "**/", pattern))
        )
        if not pattern.startswith("**/"):
            assert globs.matches(pattern, text) is (re.fullmatch(plain, text) is not None)

    def test_finds_through_links_but_not_in_circles(self, tmp_path: Path) -> None:
        plant(tmp_path, "/a/x/f\n/a/loop -> ..\n/b -> a\n/c/d -> ../a/x")
        found = {
            pattern: [str(path) for path in globs.find(Root(tmp_path), pattern)]
            for pattern in ("/b/x/f", "/*/x/f", "/**/f", "/c/*/f", "/a/loop/a/*", "/n*")
        }
        assert found == {
            "/b/x/f": ["/b/x/f"],
            "/*/x/f": ["/a/x/f", "/b/x/f"],
            "/**/f": ["/a/x/f"],
            "/c/*/f": ["/c/d/f"],
            "/a/loop/a/*": ["/a/loop/a/loop", "/a/loop/a/x"],
            "/n*": [],
        }

    def test_a_matching_directory_is_not_entered(self, tmp_path: Path) -> None:
        library(tmp_path, "/m/x.js/deep/x.js")
        assert [str(path) for path in globs.find(Root(tmp_path), "/**/*.js")] == ["/m/x.js"]
