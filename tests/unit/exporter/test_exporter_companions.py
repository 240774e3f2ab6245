"""The rules that come with the exporter, and globs as rules and outputs use them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import exported, library, plant

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


@pytest.mark.parametrize(
    ("trigger", "companions"),
    [
        ("/usr/bin/git", "/usr/lib/x/gconv/gconv-modules /usr/lib/x/gconv/SJIS.so"),
        ("/usr/bin/iconv", "/usr/lib/x/gconv/SJIS.so"),
        ("/usr/bin/xmllint", "/usr/lib/x/gconv/CP1252.so"),
        (
            "/usr/lib/x/libgs.so.10",
            "/usr/share/color/icc/ghostscript/rgb.icc /usr/share/ghostscript/10/Init/gs_init.ps",
        ),
        ("/usr/lib/x/libgvc.so.6", "/usr/lib/x/graphviz/config6a /usr/lib/x/graphviz/libgd.so.6"),
        ("/usr/bin/pandoc", "/usr/share/pandoc/data/abbreviations"),
        ("/usr/bin/perl", "/usr/lib/x/perl-base/strict.pm"),
        (
            "/usr/bin/python3.13",
            "/usr/lib/python3.13/encodings/ascii.py /usr/lib/python3.13/lib-dynload/_ssl.so"
            " /usr/lib/python3.13/os.py",
        ),
        ("/usr/lib/x/libtesseract.so.5", "/usr/share/tesseract-ocr/5/tessdata/eng.traineddata"),
    ],
)
def test_what_programs_open_by_path_comes_with_them(
    tmp_path: Path, trigger: str, companions: str
) -> None:
    plant(tmp_path, "\n".join([trigger, *companions.split()]))
    plant(tmp_path, "/usr/lib/python3.13/__pycache__/os.cpython-313.pyc\n/usr/share/else")
    found = exported(tmp_path, trigger, into=tmp_path / "out")
    assert list(found.paths) == sorted([trigger, *companions.split()])


@pytest.mark.parametrize("library_name", ["libxml2.so.16", "libc.so.6", "libpython3.13.so.1.0"])
def test_a_library_of_many_programs_brings_no_large_companion(library_name: str) -> None:
    assert not {"gconv-xmllint", "python"} & set(fired(f"/usr/lib/x/{library_name}"))


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
