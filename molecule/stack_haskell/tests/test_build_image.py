"""The build image: GHC, cabal, and what reads projects as the Cabal library does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

DESCRIBE = "/usr/local/lib/rootfs-haskell/describe"


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_haskell_build")


@pytest.fixture
def describe(host: Host) -> Callable[..., dict[str, Any]]:
    """Return what resolves the project's package, given lines of a request."""

    def described(*lines: str) -> dict[str, Any]:
        libraries = ("available base 4.18.2.1", "available text 2.0.2")
        request = "\\n".join((*libraries, *lines, "package /app/greeter.cabal"))
        host.check_output(f"printf '{request}\\n' > /run/rootfs/request")
        found: dict[str, Any] = json.loads(
            host.check_output(f"{DESCRIBE} packages /run/rootfs/request")
        )[0]
        return found

    return described


def names(items: list[dict[str, Any]]) -> list[str]:
    return [f"{item['name']} {item['range']}" for item in items]


def test_a_flag_that_nothing_satisfies_is_turned_as_cabal_turns_it(
    describe: Callable[..., dict[str, Any]],
) -> None:
    found = describe("executables greeter greet")
    assert found["flags"] == ["-loud", "-quiet"]
    assert found["missing"] == []
    assert found["dependencies"][0]["available"] == ["4.18.2.1"]


def test_a_flag_that_is_set_is_kept(describe: Callable[..., dict[str, Any]]) -> None:
    found = describe("executables greeter greet", "flag greeter +loud +quiet")
    assert found["flags"] == ["+loud", "+quiet"]
    assert names(found["missing"]) == ["no-such-library >3"]
    assert found["modules"] == ["libquiet"]


def test_only_what_the_wanted_components_need_counts(
    describe: Callable[..., dict[str, Any]],
) -> None:
    found = describe("executables greeter greet")
    assert (found["declared"], found["executables"]) == (["greet", "other"], ["greet"])
    assert found["componentwise"]
    assert found["tools"] == [{"package": "alex", "program": "alex", "range": ">=3"}]
    assert found["libraries"] == ["m"]
    every = describe()
    assert every["executables"] == ["greet", "other"]
    assert not every["componentwise"]
    assert names(every["missing"]) == ["missing >=2 && <2.5"]


def test_a_constraint_of_the_project_narrows_what_is_available(
    describe: Callable[..., dict[str, Any]],
) -> None:
    found = describe("executables greeter greet", "constraint text >=2.1")
    assert names(found["missing"]) == ["text >=2.1"]


def test_a_project_file_is_read_by_cabals_own_lexer(host: Host) -> None:
    found = json.loads(host.check_output(f"{DESCRIBE} project /app/cabal.project"))
    assert [(item["kind"], *item["of"], item["value"]) for item in found] == [
        ("packages", "./*.cabal"),
        ("constraint", "text", "==2.0.2"),
        ("constraint-flags", "greeter", "-quiet"),
        ("constraint", "missing", ">=2 && <3"),
        ("ghc-options", "package", "*", "-O1"),
    ]


def test_a_mistake_has_its_line(host: Host) -> None:
    host.check_output("printf 'name: x\\nversion: 1..2\\n' > /run/rootfs/x.cabal")
    host.check_output("printf 'package /run/rootfs/x.cabal\\n' > /run/rootfs/request")
    ended = host.run(f"{DESCRIBE} packages /run/rootfs/request")
    assert ended.rc == 1
    assert "/run/rootfs/x.cabal:2:" in ended.stderr


def test_a_program_compiles_and_runs(host: Host) -> None:
    host.check_output("cd /app && ghc -v0 -outputdir /run/rootfs/out -o /run/rootfs/greet Main.hs")
    assert host.check_output("LANG=C.UTF-8 /run/rootfs/greet") == "Grüße"


@pytest.mark.parametrize("program", ["cabal", "curl", "g++", "hsc2hs", "pkg-config"])
def test_what_packages_are_compiled_with_is_there(host: Host, program: str) -> None:
    assert host.exists(program)


def test_making_it_leaves_nothing_behind(host: Host) -> None:
    debian = "-path /root/.bashrc -o -path /root/.profile -o -path /root/.ssh"
    places = "/root /tmp /var/tmp /var/cache/apt/archives"
    found = f"find {places} -mindepth 1 ! \\( {debian} -o -name lock -o -name partial \\)"
    assert host.check_output(found) == ""
