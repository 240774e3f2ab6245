"""The compile: in what manner packages are configured, what is shipped, what a failure advises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import haskell_build, haskell_tools
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_build import Build, Manner
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_libraries import (
    closure,
    parse,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import Package
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_tools import Tools, cleaned
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

DUMP = """\
name:                 web-data
version:              1.0
id:                   web-data-1.0-x
data-dir:             "{data}"
depends:
    base-4.18 text-2.0
    random-1.2
---
name:                 text
version:              2.0
license:              BSD-2-Clause
id:                   text-2.0
depends:              base-4.18 z-text-z-inner-2.0 rts-1.0
---
name: base
id: base-4.18
---
name: rts
version: 1.0
id: rts-1.0
---
name: z-text-z-inner
package-name: text
version: 2.0
license: BSD-2-Clause
id: z-text-z-inner-2.0
---
name: random
id: random-1.2
data-dir: /usr/share/random/
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {
        "WORK": tmp_path / "work",
        "INSTALLED": str(tmp_path / "usr"),
        "DATABASE": tmp_path / "work" / "db",
        "CABAL": {"HOME": str(tmp_path / "home"), "CABAL_CONFIG": str(tmp_path / "config")},
    }.items():
        monkeypatch.setattr(haskell_build, name, value)
    monkeypatch.setattr(haskell_tools, "INSTALLED", str(tmp_path / "usr"))
    return tmp_path


class Machine:
    """Runs nothing: it notes the commands, and puts programs where Setup would install them."""

    def __init__(self, places: Path, fail: str = "", said: str = "") -> None:
        self.commands: list[list[str]] = []
        self._places, self._fail, self._said = places, fail, said

    def __call__(
        self, command: list[str], _directory: str, _environment: dict[str, str]
    ) -> tuple[int, str, str]:
        self.commands.append(command)
        if self._fail and self._fail in command:
            return 1, self._said, ""
        if command[:2] == ["ghc-pkg", "dump"]:
            return 0, DUMP.format(data=self._places / "data"), ""
        if command == ["ghc", "--numeric-version"]:
            return 0, "9.6.6\n", ""
        if command[0] == "ldd":
            return 0, "libHStext-2.0.so => /usr/lib/ghc/libHStext-2.0.so (0x0)\nlibc.so.6 => /l", ""
        if command[0] == "gcc":
            name = command[1].partition("=")[2]
            return 0, f"/usr/lib/{name}" if name == "libm.so" else name, ""
        if "copy" in command:
            program = self._places / "usr" / "bin" / "web"
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_bytes(b"\x7fELF " + str(self._places / "data").encode())
        return 0, "", ""

    def words(self, step: str) -> list[list[str]]:
        """The words after a step of Setup, of each time it was run."""
        return [
            [word for word in command[command.index(step) + 1 :] if not word.startswith("--build")]
            for command in self.commands
            if step in command
        ]


def plan(*packages: Package, options: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    return {
        "packages": [package.to_json() for package in packages],
        "roots": {"web": ["web"]},
        "local": ["web"],
        "main": "web",
        "options": [list(option) for option in options],
    }


def web(**more: Any) -> Package:
    return Package("web", "1.0", "/app/web.cabal", executables=("web",), **more)


def test_a_package_is_configured_whole_with_its_flags_and_options(places: Path) -> None:
    machine = Machine(places)
    said = plan(web(flags=("+fast", "-slow"), library=True), options=[("*", "-O2"), ("x", "-O0")])
    Build(said, Tools(machine), Manner()).build()
    (configure,) = machine.words("configure")
    assert {"--flags=+fast -slow", "--ghc-option=-O2", "--disable-executable-dynamic"} <= set(
        configure
    )
    assert "--ghc-option=-O0" not in configure
    assert "--enable-executable-stripping" in configure
    assert machine.words("build") == [["lib:web", "exe:web"]]
    assert len(machine.words("register")) == 1


def test_components_are_configured_one_by_one_where_others_are_not_wanted(places: Path) -> None:
    machine = Machine(places)
    Build(plan(web(componentwise=True, library=True)), Tools(machine), Manner()).build()
    assert [words[-1] for words in machine.words("configure")] == ["lib:web", "exe:web"]


def test_the_manner_is_told_to_setup(places: Path) -> None:
    machine = Machine(places)
    Build(plan(web()), Tools(machine), Manner(dynamic=True, profiling=True, strip=False)).build()
    (configure,) = machine.words("configure")
    assert {
        "--enable-executable-dynamic", "--enable-profiling", "--disable-executable-stripping",
    } <= set(configure)  # fmt: skip


def test_a_setup_of_its_own_is_compiled_first(places: Path) -> None:
    machine = Machine(places)
    Build(plan(web(build_type="Custom")), Tools(machine), Manner()).build()
    assert machine.commands[1][:2] == ["ghc", "--make"]
    assert machine.commands[2][0] == str(places / "work" / "setup" / "web-1.0" / "setup")


def test_data_is_shipped_where_a_program_names_it(places: Path) -> None:
    (places / "data").mkdir()
    (places / "usr" / "share" / "web-1.0").mkdir(parents=True)
    from_data = web(data_files=True, dependencies=())
    said = plan(from_data)
    said["packages"][0]["dependencies"] = [{"name": "web-data", "range": ">=0"}]
    found = Build(said, Tools(Machine(places)), Manner()).build()
    assert found["data"] == [str(places / "data")]
    assert found["programs"] == [
        str(places / "usr" / "bin" / "web"), str(places / "usr" / "share" / "web-1.0"),
    ]  # fmt: skip
    assert found["command"] == [str(places / "usr" / "bin" / "web")]
    assert found["libraries"] == []


def test_a_program_is_made_of_what_it_is_linked_from(places: Path) -> None:
    said = plan(web(licence="MIT"), Package("alex", "3.4", "/alex.cabal", licence="NONE"))
    said["packages"][0]["dependencies"] = [{"name": "text", "range": ">=0"}]
    found = Build(said, Tools(Machine(places)), Manner()).build()
    assert {
        (item["type"], item["name"], item["version"]): item["licence"]
        for item in found["components"]
    } == {
        ("generic", "ghc", "9.6.6"): "BSD-3-Clause",
        ("hackage", "alex", "3.4"): "",
        # Its inner library is a part of it.
        ("hackage", "text", "2.0"): "BSD-2-Clause",
        ("hackage", "web", "1.0"): "MIT",
    }
    program = str(places / "usr" / "bin" / "web")
    assert {tuple(item["paths"]) for item in found["components"]} == {(program,)}


def test_a_dynamic_program_brings_the_libraries_that_it_loads(places: Path) -> None:
    found = Build(plan(web()), Tools(Machine(places)), Manner(dynamic=True)).build()
    assert found["libraries"] == ["/usr/lib/ghc/libHStext-2.0.so"]


def test_all_foreign_parts_that_are_missing_are_one_error(places: Path) -> None:
    lacking = web(libraries=("m", "odd"), modules=("odd-2",))
    machine = Machine(places, fail="--exists")
    with pytest.raises(StepError) as raised:
        Build(plan(lacking), Tools(machine), Manner()).build()
    assert raised.value.lines == (
        "web-1.0 needs the C library odd", "web-1.0 needs the pkg-config module odd-2",
    )  # fmt: skip
    assert "rootfs_build_packages" in raised.value.hint


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("foo.c:1:10: fatal error: odd/x.h: No such file or directory", "odd/x.h is missing"),
        (
            "git: createProcess: posix_spawnp: does not exist (No such file or directory)",
            "git is missing: name the package that has this program in rootfs_build_packages",
        ),
        (
            "This package indirectly depends on multiple versions of the same package",
            "pin a version",
        ),
        ("Main.hs:1:1: error: [GHC-88464]", ""),
    ],
)
def test_a_failure_says_what_failed_with_the_tools_own_lines(
    places: Path, line: str, hint: str
) -> None:
    machine = Machine(places, fail="build", said=f"Building web\n{line}\n")
    with pytest.raises(StepError) as raised:
        Build(plan(web()), Tools(machine), Manner()).build()
    assert (raised.value.what, raised.value.where) == ("it does not compile", "web-1.0")
    assert raised.value.lines[-1] == line
    assert hint in raised.value.hint if hint else not raised.value.hint


def test_noise_hides_no_failure() -> None:
    assert cleaned("Warning: include-dirs: /x doesn't exist\n\nreal\n", "worse\n") == [
        "real", "worse",
    ]  # fmt: skip


def test_the_libraries_behind_a_library_are_found() -> None:
    libraries = parse(DUMP.format(data="/usr/share/web"))
    found = closure(libraries, ["web-data"])
    assert [item.name for item in found] == [
        "base", "random", "rts", "text", "web-data", "z-text-z-inner",
    ]  # fmt: skip
    assert [item.data_directory for item in found if item.data_directory] == [
        "/usr/share/random", "/usr/share/web",
    ]  # fmt: skip
