"""The rules that come with the exporter, and globs as rules and outputs use them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import exported, library, package, plant

from rootfs_ansible.errors import ClosureError
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
        ("/usr/lib/x86_64-linux-gnu/libfontconfig.so.1", ["fontconfig", "fontconfig-cache"]),
        (
            "/app/node_modules/canvas/build/Release/libfontconfig.so.1",
            ["fontconfig", "fontconfig-cache"],
        ),
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
    mine = Companion("fontconfig", "ours", ("libfontconfig.so.*",), ("/opt/fonts",))
    other = Companion("node", "ours", ("/usr/*/node",), ("/x",))
    rules = Companions([mine, other])
    assert rules.named("fontconfig") == mine
    assert list(rules.fired_by(ImagePath("/usr/bin/node"))) == [other]
    assert list(rules.fired_by(ImagePath("/usr/bin/x/node"))) == []
    assert mine in rules.fired_by(ImagePath("/lib/libfontconfig.so.1"))


def test_a_rule_fires_on_any_of_several() -> None:
    rule = Companion("zones", "ours", ("/usr/bin/date", "libical.so.*"), ("/zones",))
    assert fired("/usr/bin/date", rule) == ["zones"]
    assert "zones" in fired("/usr/lib/libical.so.3", rule)
    assert fired("/bin/date", rule) == []


def test_a_rule_waits_for_what_has_to_be_there_also() -> None:
    rule = Companion("modules", "ours", ("/m/**", "/n"), ("/lib",), also=("/p", "libq.so.*"))
    paths = [ImagePath(text) for text in ("/p", "/m/a", "/n", "/m/b", "/x/libq.so.1", "/m/c")]
    for order in (paths, paths[::-1]):
        rules = Companions([rule])
        named = [any(rule in rules.fired_by(path) for path in order[: at + 1]) for at in range(6)]
        last = 4 if order is paths else 5
        assert named == [at >= last for at in range(6)]
    rules = Companions([rule])
    assert not [path for path in (paths[0], paths[4]) if rule in rules.fired_by(path)]


def test_what_waited_brings_what_is_needed_not_what_it_waited_for(tmp_path: Path) -> None:
    plant(tmp_path, "/app/plugin\n/data/x\n755 /usr/bin/tool\n755 /app/run #!/usr/bin/tool")
    package(tmp_path, "tool", "/usr/bin/tool")
    rule = Companion("data", "ours", ("/app/plugin",), ("/data",), also=("/usr/bin/tool",))
    found = exported(tmp_path, "/app/run", "/app", build=True, companions=[rule])
    assert found.needs == {"/usr/bin/tool": "tool 1.0-1 shebang"}
    assert found.why("/data/x") == {"/app/plugin -companion-> data"}


class TestNames:
    RULE = Companion(
        "drivers", "opened", ("/etc/drivers/*",), ("/lib/{}.so",), True, names=r"^open (.*)$"
    )

    def test_what_a_file_names_comes_with_it(self, tmp_path: Path) -> None:
        plant(
            tmp_path, "/etc/drivers/a open one\\n#open three\\nopen two\n/lib/one.so\n/lib/two.so"
        )
        plant(tmp_path, "/etc/drivers/b open four\n/lib/three.so\n/lib/four.so")
        found = exported(tmp_path, "/etc/drivers/a", companions=[self.RULE])
        assert list(found.paths) == ["/etc/drivers/a", "/lib/one.so", "/lib/two.so"]
        assert found.why("/lib/one.so") == {"/etc/drivers/a -companion-> drivers"}
        both = exported(tmp_path, "/etc/drivers", companions=[self.RULE])
        assert "/lib/four.so" in both.paths
        assert "/lib/three.so" not in both.paths

    def test_a_name_that_is_needed_and_nowhere_is_told(self, tmp_path: Path) -> None:
        plant(tmp_path, "/etc/drivers/a open one")
        with pytest.raises(ClosureError) as caught:
            exported(tmp_path, "/etc", companions=[replace(self.RULE, optional=False)])
        assert caught.value.details == (
            "/lib/one.so (companion drivers: opened), needed by /etc/drivers/a",
        )

    def test_a_name_leads_nowhere_else(self, tmp_path: Path) -> None:
        plant(
            tmp_path,
            "/etc/drivers/a open ../etc/x\\nopen \\nopen *\n/etc/x.so\n/lib/y.so\n/lib/.so",
        )
        plant(tmp_path, "/etc/drivers/directory/")
        found = exported(tmp_path, "/etc/drivers", companions=[self.RULE])
        assert list(found.paths) == ["/etc/drivers/a"]

    def test_a_name_that_is_no_path_where_one_is_needed_leads_nowhere(self, tmp_path: Path) -> None:
        plant(tmp_path, "/etc/drivers/a open x\\nopen /lib/y\n/lib/y\n/x")
        found = exported(tmp_path, "/etc/drivers", companions=[replace(self.RULE, needs=("{}",))])
        assert list(found.paths) == ["/etc/drivers/a", "/lib/y"]

    def test_files_that_wait_for_another_are_read_when_it_comes(self, tmp_path: Path) -> None:
        plant(
            tmp_path, "/etc/drivers/a open one\n/etc/drivers/b open two\n/lib/one.so\n/lib/two.so"
        )
        plant(tmp_path, "755 /bin/run #!/bin/tool\n755 /bin/tool")
        rule = replace(self.RULE, also=("/bin/tool",))
        found = exported(tmp_path, "/etc/drivers", "/bin/run", companions=[rule])
        assert found.why("/lib/one.so") == {"/etc/drivers/a -companion-> drivers"}
        assert found.why("/lib/two.so") == {"/etc/drivers/b -companion-> drivers"}
        without = exported(tmp_path, "/etc/drivers", companions=[rule])
        assert list(without.paths) == ["/etc/drivers/a", "/etc/drivers/b"]

    def test_names_are_looked_for_in_files_of_some_lines(self, tmp_path: Path) -> None:
        plant(tmp_path, "/etc/drivers/a\n/lib/one.so\n/lib/two.so")
        lines = ["open one", *["# nothing at all"] * 5000, "open two"]
        (tmp_path / "etc/drivers/a").write_text("\n".join(lines))
        found = exported(tmp_path, "/etc/drivers", companions=[self.RULE])
        assert list(found.paths) == ["/etc/drivers/a", "/lib/one.so"]

    def test_an_endless_line_takes_no_time(self, tmp_path: Path) -> None:
        slow = replace(self.RULE, names="(a*)*b")
        plant(tmp_path, "/etc/drivers/a\n/lib/aaa.so")
        (tmp_path / "etc/drivers/a").write_text("a" * 1001 + "\nopen\n" * 100_000)
        exported(tmp_path, "/etc/drivers", companions=[slow])

    def test_a_build_needs_what_its_files_name(self, tmp_path: Path) -> None:
        plant(tmp_path, "/app/x\n/etc/drivers/a open one\n/lib/one.so")
        package(tmp_path, "one", "/lib/one.so")
        rule = replace(self.RULE, when=("/etc/drivers/*",))
        found = exported(tmp_path, "/etc/drivers", build=True, companions=[rule])
        assert found.needs == {"/lib/one.so": "one 1.0-1 companion"}
        staged = exported(
            tmp_path,
            layers=["system"],
            companions=[rule],
            seeds=found.fragment.needs,
            seed_layer="system",
            into=tmp_path.with_name("staged"),
        )
        assert "/lib/one.so" in staged.paths


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
