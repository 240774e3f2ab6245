"""What a project needs: chosen executables, the packages behind them, and what nobody has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import haskell_fetch
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_archive import (
    Archive,
    Library,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_fetch import (
    Fetch,
    Wishes,
    chosen,
    main_of,
    ordered,
    reached,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import (
    Dependency,
    Package,
    Statement,
    Tool,
    parse_package,
)
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_tools import Tools
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError


def package(name: str, *needs: str, **more: Any) -> Package:
    dependencies = tuple(Dependency(need, ">=0", ("1",)) for need in needs)
    return Package(name, "1.0", f"/app/{name}.cabal", dependencies=dependencies, **more)


WEB = package("web", "base", "aeson", "core", executables=("web", "admin"))
CORE = package("core", "base", library=True)
OTHER = package("other", "core", executables=("other",))


# Choosing


def test_all_executables_are_built_unless_some_are_chosen() -> None:
    assert chosen([WEB, CORE, OTHER], []) == {"web": ("web", "admin"), "other": ("other",)}
    assert chosen([WEB, CORE, OTHER], ["admin"]) == {"web": ("admin",)}
    assert chosen([WEB, CORE, OTHER], ["web:web", "other"]) == {
        "web": ("web",),
        "other": ("other",),
    }


def test_every_executable_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(StepError) as raised:
        chosen([WEB, OTHER], ["nothing", "core:web", "admin"])
    told = str(raised.value)
    assert "nothing: is not there" in told
    assert "core:web: is not there" in told
    assert "name some of web:web, web:admin, other:other" in told


def test_a_name_that_two_packages_use_is_not_clear() -> None:
    twin = package("twin", executables=("web",))
    with pytest.raises(StepError, match="executables are not clear") as raised:
        chosen([WEB, twin], ["web"])
    assert "is in several packages: web:web, twin:web" in str(raised.value)


def test_a_library_alone_is_no_image() -> None:
    with pytest.raises(StepError, match="has no executable to build"):
        chosen([CORE], [])
    with pytest.raises(StepError, match="core: tool is not buildable"):
        chosen([replace(CORE, declared=("tool",))], [])


def test_the_only_executable_is_the_command() -> None:
    assert main_of({"web": ("web",)}, Wishes()) == "web"
    assert main_of({"web": ("web", "admin")}, Wishes(main="admin")) == "admin"
    assert main_of({"web": ("web", "admin")}, Wishes(command_needed=False)) == ""


def test_several_executables_need_a_word_which_one_runs() -> None:
    with pytest.raises(StepError, match="set stack_haskell_main to one of web, admin"):
        main_of({"web": ("web", "admin")}, Wishes())
    with pytest.raises(StepError, match="there is no executable wbe"):
        main_of({"web": ("web", "admin")}, Wishes(main="wbe"))


# Packages behind them


def test_only_what_the_executables_need_is_built_and_in_order() -> None:
    tool = package("generator", executables=("generate",))
    web = replace(WEB, tools=(Tool("generator", "generate"),))
    found = ordered(reached([web, CORE, OTHER, tool], ["web"]))
    assert [item.name for item in found] == ["core", "generator", "web"]


def test_packages_that_need_each_other_are_refused() -> None:
    with pytest.raises(StepError, match="need each other"):
        ordered([package("a", "b"), package("b", "a")])


def test_a_package_survives_its_way_through_ansible() -> None:
    whole = replace(
        WEB,
        missing=(Dependency("lens", ">=5"),),
        tools=(Tool("alex", "alex", ">=3"),),
        modules=("libpq",),
        flags=("+fast",),
    )
    assert parse_package(whole.to_json()) == whole


# The whole search


@dataclass
class FakeTools(Tools):
    """A machine: the packages by the version that their files were read as."""

    local: tuple[Package, ...]
    hackage: Mapping[str, Package] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    requests: list[list[str]] = field(default_factory=list)

    def project(self, file: Path) -> tuple[Statement, ...]:
        said = self.pins if file.suffix == ".freeze" else self.flags
        kind = "constraint" if file.suffix == ".freeze" else "constraint-flags"
        return tuple(
            Statement(kind, (name,), f"=={value}" if kind == "constraint" else value)
            for name, value in said.items()
        )

    def packages(self, request: Iterable[str], _directory: Path) -> tuple[Package, ...]:
        lines = list(request)
        self.requests.append(lines)
        fetched = [item for name, item in self.hackage.items() if f"package /{name}" in lines]
        here = {item.name for item in fetched}
        return tuple(
            replace(item, missing=tuple(lack for lack in item.missing if lack.name not in here))
            for item in (*self.local, *fetched)
        )

    def archive(self) -> Archive:
        names = ("libghc-aeson-dev", "libghc-aeson-prof", "alex", "libpq-dev", "aeson-data")
        return Archive({"aeson": Library("2.1", "libghc-aeson-dev")}, dict.fromkeys(names, ()))

    def installed(self) -> dict[str, str]:
        return {"base": "4.18"}

    def has_library(self, name: str) -> bool:
        return name == "m"

    def has_module(self, _name: str) -> bool:
        return False

    def has_program(self, name: str) -> bool:
        return name == "hsc2hs"


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> Any:
    def get(self: Fetch, name: str, version: str) -> None:
        self._fetched[name] = Path(f"/{name}")

    monkeypatch.setattr(haskell_fetch.Fetch, "_get", get)

    def fetched(tools: FakeTools, **wishes: Any) -> dict[str, Any]:
        return Fetch(Path("/app"), "web.cabal", tools, Wishes(**wishes)).fetch()

    return fetched


SERVICE = package(
    "web", "base", "aeson", executables=("web",), libraries=("m", "pq"), modules=("libpq",),
    tools=(Tool("alex", "alex"), Tool("hsc2hs", "hsc2hs")),
)  # fmt: skip


def test_the_distribution_has_it_all(fetch: Any) -> None:
    found = fetch(FakeTools((SERVICE,)))
    assert found["packages"] == ["aeson-data", "alex", "libghc-aeson-dev", "libpq-dev"]
    assert found["plan"]["roots"] == {"web": ["web"]}
    assert found["plan"]["main"] == "web"


def test_an_option_has_the_last_word_on_flags(fetch: Any) -> None:
    tools = FakeTools((SERVICE,), flags={"web": "-fast"})
    fetch(tools, flags={"web": "+fast"})
    told = [line for line in tools.requests[0] if line.startswith("flag")]
    assert told == ["flag web -fast", "flag web +fast"]


def test_profiling_wants_libraries_of_its_own(fetch: Any) -> None:
    found = fetch(FakeTools((SERVICE,)), profiling=True)["packages"]
    assert {"libghc-aeson-dev", "libghc-aeson-prof", "ghc-prof"} <= set(found)


def test_an_option_names_the_package_of_a_foreign_library(fetch: Any) -> None:
    found = fetch(FakeTools((SERVICE,)), system_packages={"pq": "libmypq-dev"})["packages"]
    assert {"libmypq-dev", "libpq-dev"} <= set(found)


LACKING = package(
    "web", "base", executables=("web",), libraries=("odd",), tools=(Tool("bnfc", "bnfc"),),
    missing=(Dependency("aeson", ">=2.2"), Dependency("tiny", ">=0")),
)  # fmt: skip


def test_all_that_nobody_has_is_one_error(fetch: Any) -> None:
    with pytest.raises(StepError) as raised:
        fetch(FakeTools((LACKING,), pins={"tiny": "1.0"}))
    assert str(raised.value).splitlines()[:5] == [
        "what it needs is not to be had",
        "  web-1.0 needs aeson >=2.2: the distribution has aeson 2.1",
        "  web-1.0 needs tiny: the distribution has none, cabal.project.freeze pins 1.0",
        "  web-1.0 needs the C library odd: no package of the distribution is known for it",
        "  web-1.0 needs the build tool bnfc: no package of the distribution is known for it",
    ]
    assert "stack_haskell_repository" in raised.value.hint
    assert "stack_haskell_system_packages" in raised.value.hint


def test_what_the_distribution_lacks_is_fetched_with_what_that_lacks(fetch: Any) -> None:
    hackage = {
        "tiny": package(
            "tiny", "base", "small", library=True, missing=(Dependency("small", ">=0"),)
        ),
        "small": package("small", "base", library=True),
    }
    local = package("web", "tiny", executables=("web",), missing=(Dependency("tiny", ">=0"),))
    tools = FakeTools((local,), hackage, {"tiny": "1.0", "small": "1.0", "aeson": "2.2"})
    found = fetch(tools, repository="https://example.org/")
    assert [item["name"] for item in found["plan"]["packages"]] == ["small", "tiny", "web"]
    assert found["plan"]["local"] == ["web"]
    assert "executables tiny " in tools.requests[-1], "none of its executables is wanted"


def test_nothing_is_fetched_that_is_not_pinned(fetch: Any) -> None:
    local = package("web", executables=("web",), missing=(Dependency("tiny", ">=0"),))
    with pytest.raises(StepError, match=r"web-1\.0 needs tiny: the distribution has none"):
        fetch(FakeTools((local,)), repository="https://example.org/")
