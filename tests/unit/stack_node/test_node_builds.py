"""The scripts that build a Node project: whose, which, and in which order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_builds import builds
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_workspaces import place_of

from rootfs_ansible.errors import InputError


def written(directory: Path, package: dict[str, Any], *scripts: str) -> Path:
    """Write a package.json with ``scripts``."""
    directory.mkdir(parents=True, exist_ok=True)
    data = {"name": directory.name, "scripts": dict.fromkeys(scripts, "tsc"), **package}
    (directory / "package.json").write_text(json.dumps(data))
    return directory


def built(directory: Path, *asked: str) -> list[str]:
    return [
        f"{build.directory} {build.script}"
        for build in builds(place_of(directory, ""), asked or ("auto",))
    ]


def refused(directory: Path, *asked: str) -> InputError:
    with pytest.raises(InputError) as raised:
        built(directory, *asked)
    return raised.value


@pytest.mark.parametrize(
    ("scripts", "asked", "run"),
    [
        ("build start", "auto", [". build"]),
        ("build start", "True", [". build"]),
        ("build start", "False", []),
        ("build start", "", []),
        ("start compile", "auto", []),
        ("start compile", "compile", [". compile"]),
        ("build:ts build:css build", "build:ts build:css", [". build:ts", ". build:css"]),
        ("build:ts build:css build", "build:css build:ts", [". build:css", ". build:ts"]),
        ("prepare", "prepare", [". prepare"]),
    ],
)
def test_the_inventory_says_which_scripts_build(
    tmp_path: Path, scripts: str, asked: str, run: list[str]
) -> None:
    written(tmp_path, {}, *scripts.split())
    assert [
        f"{build.directory} {build.script}"
        for build in builds(place_of(tmp_path, ""), asked.split())
    ] == run


def test_a_build_that_is_asked_for_needs_a_script(tmp_path: Path) -> None:
    error = refused(written(tmp_path, {}, "compile"), "true")
    assert error.what == "stack_node_build is true, but there is no build script"
    assert error.hint == "name the scripts that build it, such as stack_node_build: [compile]"


def test_a_script_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    error = refused(written(tmp_path, {}, "build", "compile"), "compile", "bundle")
    assert error.what == "stack_node_build: there is no script bundle"
    assert error.hint == "there are build, compile"


# Workspaces


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository: the app api needs lib, which is built; web is another app."""
    written(tmp_path, {"workspaces": ["apps/*", "packages/*"]})
    written(tmp_path / "apps" / "api", {"dependencies": {"lib": "*"}}, "bundle")
    written(tmp_path / "apps" / "web", {}, "build", "bundle")
    written(tmp_path / "packages" / "lib", {"dependencies": {"base": "*"}}, "build")
    written(tmp_path / "packages" / "base", {}, "build", "bundle")
    return tmp_path


def test_what_a_member_needs_is_built_before_it_and_nothing_else(shop: Path) -> None:
    assert built(shop / "apps" / "api") == ["packages/base build", "packages/lib build"]
    assert built(shop / "apps" / "web") == ["apps/web build"]


def test_a_member_without_the_named_script_is_built_by_its_build(shop: Path) -> None:
    assert built(shop / "apps" / "api", "bundle") == [
        "packages/base bundle",
        "packages/lib build",
        "apps/api bundle",
    ]


def test_a_root_with_a_build_script_builds_its_workspaces_itself(shop: Path) -> None:
    written(shop, {"workspaces": ["apps/*"]}, "build", "ci")
    assert built(shop) == [". build"]
    assert built(shop, "ci") == [". ci"]
