"""Haskell projects of every kind, built by one run of the playbook; and how others fail."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Commands
from runs import Run

pytestmark = pytest.mark.engine

APPS = Path(__file__).with_name("apps")
WORKSHOP = {
    "stack_haskell_executables": ["press"],
    "stack_haskell_repository": "file+noindex:///app/hackage",
    "rootfs_env": {"TZ": "Asia/Kathmandu"},
}
BOUND = {"stack_haskell_main": "bound"}

TINY_WORDS = {
    "tiny-words.cabal": """\
cabal-version: 2.4
name:          tiny-words
version:       1.0.1
build-type:    Simple

flag plural
  default: False
  manual:  True

library
  default-language: Haskell2010
  exposed-modules:  Words.Tiny
  build-depends:    base

  if flag(plural)
    cpp-options: -DPLURAL

executable never-wanted
  default-language: Haskell2010
  main-is:          Main.hs
  build-depends:    base, no-such-library-either
""",
    "Words/Tiny.hs": """\
{-# LANGUAGE CPP #-}
module Words.Tiny (word) where

word :: String
#ifdef PLURAL
word = "words"
#else
word = "word"
#endif
""",
}

MAIN = "module Main (main) where\n\nmain :: IO ()\nmain = putStrLn {}\n"


def cabal(name: str, *more: str, build_depends: str = "base") -> str:
    """Return a .cabal file with one executable."""
    fields = ["default-language: Haskell2010", "main-is: Main.hs", *more]
    fields.append(f"build-depends: {build_depends}")
    head = f"cabal-version: 2.4\nname: {name}\nversion: 1.0\n\nexecutable {name}\n"
    return head + "".join(f"  {field}\n" for field in fields)


FAILING: Mapping[str, Mapping[str, str]] = {
    "hs-broken": {"broken.cabal": cabal("broken"), "Main.hs": MAIN.format("(1 :: Int)")},
    "hs-foreign": {
        "foreign.cabal": cabal(
            "foreign", "extra-libraries: nowhere, z", "pkgconfig-depends: nothing >=2"
        ),
        "Main.hs": MAIN.format('"x"'),
    },
    "hs-header": {
        "header.cabal": cabal("header", "c-sources: x.c"),
        "Main.hs": MAIN.format('"x"'),
        "x.c": "#include <nowhere/odd.h>\n",
    },
    "hs-library": {
        "library.cabal": "cabal-version: 2.4\nname: only\nversion: 1\n\nlibrary\n"
        "  default-language: Haskell2010\n  build-depends: base\n",
    },
    "hs-several": {
        "several.cabal": cabal("one") + cabal("two").partition("\n\n")[2],
        "Main.hs": MAIN.format('"x"'),
    },
    "hs-two": {"a.cabal": cabal("a"), "b.cabal": cabal("b")},
    "hs-unsatisfied": {
        "unsatisfied.cabal": cabal(
            "unsatisfied", build_depends="base, text >=99, no-such-library >1, tiny-words"
        ),
        "Main.hs": MAIN.format('"x"'),
        "cabal.project": "packages: .\n",
        "cabal.project.freeze": "constraints: any.tiny-words ==1.0.1\n",
    },
    "hs-wrong": {"wrong.cabal": "name: wrong\nversion: 1..0\n"},
}


def hackage(directory: Path) -> None:
    """Write a repository of one package, as one that comes with an app."""
    directory.mkdir()
    with tarfile.open(directory / "tiny-words-1.0.1.tar.gz", "w:gz") as archive:
        for name, text in TINY_WORDS.items():
            member = tarfile.TarInfo(f"tiny-words-1.0.1/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def built(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("haskell")
    sources = directory / "sources"
    for name in ("workshop", "bound"):
        shutil.copytree(APPS / name, sources / name)
    hackage(sources / "workshop" / "hackage")
    # The same sources elsewhere and newer, compiled again as the build's environment is another.
    again = directory / "elsewhere" / "again"
    shutil.copytree(sources / "workshop", again, copy_function=shutil.copy)
    apps: dict[str, dict[str, Any]] = {
        "workshop": {"rootfs_app_dir": str(sources / "workshop"), **WORKSHOP},
        "again": {
            "rootfs_app_dir": str(again),
            "rootfs_build_env": {"AGAIN": "1"},
            **WORKSHOP,
        },
        "bound": {
            "rootfs_app_dir": str(sources / "bound"),
            "stack_haskell_dynamic": True,
            "stack_haskell_strip": False,
            **BOUND,
        },
    }
    (directory / "rootfs").mkdir()
    for name, options in apps.items():
        options |= {
            "rootfs_image_name": f"test-{name}",
            "rootfs_format": ["dir"],
            "rootfs_output": str(directory / "rootfs" / name),
        }
    for name, files in FAILING.items():
        (sources / name).mkdir()
        for path, text in files.items():
            (sources / name / path).write_text(text)
        apps[name] = {"rootfs_app_dir": str(sources / name)}
    path = directory / "inventory.json"
    path.write_text(json.dumps({"apps": {"hosts": apps}}))
    ended = commands.playbook("-i", str(path))
    assert ended.returncode != 0, ended.stdout
    return Run(directory, ended.stdout + ended.stderr)


def files(directory: Path) -> list[str]:
    return sorted(
        str(path.relative_to(directory)) for path in directory.rglob("*") if not path.is_dir()
    )


def test_packages_of_a_project_with_tools_foreign_libraries_and_hackage(
    built: Run, commands: Commands
) -> None:
    assert commands.says("test-workshop") == (
        'äöü ελληνικά नमस्ते\n(345,[12,7],"words",False,False)\n'
    )
    assert files(built.rootfs("workshop") / "usr" / "local") == [
        "bin/press", "share/letters-0.3/alphabet.txt",
    ]  # fmt: skip


def test_the_data_of_a_library_is_shipped_though_it_is_in_a_package_of_its_own(
    built: Run,
) -> None:
    (script,) = files(built.rootfs("workshop") / "usr/share/haskell-js-jquery")
    assert re.fullmatch(r"jquery-\S+\.min\.js", script)


def test_the_same_sources_give_the_same_image_from_another_place_and_time(built: Run) -> None:
    assert built.digest("workshop") == built.digest("again")


def test_nothing_that_builds_is_shipped(built: Run) -> None:
    root = built.rootfs("workshop")
    programs = {path.name for path in root.rglob("bin/*")} | {
        path.name for path in root.rglob("sbin/*")
    }
    assert programs == {"press", "tini"}
    assert not [name for name in files(root) if "ghc" in name and "/doc/" not in f"/{name}"
                and "dpkg" not in name]  # fmt: skip


def test_a_dynamic_program_has_haskells_libraries_in_a_layer_of_their_own(
    built: Run, commands: Commands
) -> None:
    assert commands.says("test-bound") == "GRÜSSE: RAN\n"
    assert commands.says("test-bound", "/usr/local/bin/helper") == "helped\n"
    shared = [name for name in files(built.rootfs("bound")) if "/libHS" in name]
    assert {name.rsplit("/", 1)[1].partition("-")[0] for name in shared} >= {
        "libHSbase", "libHStext",
    }  # fmt: skip
    assert (built.rootfs("bound") / "usr/local/bin/bound").stat().st_size < 1_000_000


def test_symbols_are_kept_on_request_alone(built: Run) -> None:
    sections = {
        name: subprocess.run(
            ["readelf", "--sections", "--wide", built.rootfs(name) / "usr/local/bin" / program],
            capture_output=True, text=True, check=True,
        ).stdout
        for name, program in (("bound", "bound"), ("workshop", "press"))
    }  # fmt: skip
    assert ".symtab" in sections["bound"]
    assert ".symtab" not in sections["workshop"]


def test_authorities_are_there_as_haskells_tls_looks_for_them(built: Run) -> None:
    place = built.rootfs("workshop") / "etc/ssl/certs"
    hashed = [path for path in place.iterdir() if re.fullmatch(r"[0-9a-f]{8}\.[0-9]", path.name)]
    assert len(hashed) > 50


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hs-broken", ["broken-1.0: it does not compile", "Main.hs:4:", "[Char]"]),
        (
            "hs-foreign",
            [
                "foreign-1.0 needs the C library nowhere: no package of the distribution is known",
                "foreign-1.0 needs the pkg-config module nothing: no package",
                "stack_haskell_system_packages",
            ],
        ),
        (
            "hs-header",
            [
                "fatal error: nowhere/odd.h",
                "Hint: nowhere/odd.h is missing",
                "rootfs_build_packages",
            ],
        ),
        ("hs-library", ["library.cabal: has no executable to build", "add an executable section"]),
        (
            "hs-several",
            [
                "has several executables, and nothing says which one the image runs",
                "set stack_haskell_main to one of one, two, or rootfs_command",
            ],
        ),
        ("hs-two", ["has more than one .cabal file", "a.cabal", "b.cabal", "cabal.project"]),
        (
            "hs-unsatisfied",
            [
                "what it needs is not to be had",
                "unsatisfied-1.0 needs no-such-library >1: the distribution has none",
                "unsatisfied-1.0 needs text >=99: the distribution has text 2.",
                "unsatisfied-1.0 needs tiny-words: the distribution has none, cabal.project.freeze"
                " pins 1.0.1",
                "stack_haskell_repository",
            ],
        ),
        ("hs-wrong", ["the package is not as Cabal reads it", "wrong.cabal:2:"]),
    ],
)
def test_a_failure_says_what_failed_where_and_what_to_do(
    built: Run, name: str, said: list[str]
) -> None:
    text = built.message(name)
    assert [part for part in said if part not in text] == [], text


def test_failures_leave_no_container_behind(built: Run, commands: Commands) -> None:
    listing = subprocess.check_output(
        ["docker", "ps", "--all", "--format", "{{.Names}}"],
        env=commands.environment({}),
        text=True,
    )
    assert built.output
    assert not [name for name in listing.split() if "-hs-" in name]
