"""Installed packages: which ones an app needs, found as node finds them, and the rest removed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import node_tree
from ansible_collections.rootfs.builder.plugins.module_utils.node_tree import Selection

ROLES = {"!": "devDependencies", "?": "optionalDependencies", "~": "peerDependencies"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "app"


def plant(root: Path, tree: str) -> Path:
    """Make the tree that ``tree`` lists, one path a line.

    ``DIRECTORY: NEED !DEVELOPMENT ?OPTIONAL ~PEER`` is a package, ``LINK -> TARGET`` a link, any
    other line a file.
    """
    for line in filter(None, map(str.strip, tree.splitlines())):
        if " -> " in line:
            name, target = line.split(" -> ")
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
        elif ":" in line:
            directory, _, needs = line.partition(":")
            package(root / directory, needs.split())
        else:
            (root / line).parent.mkdir(parents=True, exist_ok=True)
            (root / line).touch()
    return root


def package(directory: Path, needs: Iterable[str], **more: Any) -> None:
    data: dict[str, Any] = {"name": directory.name, **more}
    for need in needs:
        field = ROLES.get(need[0], "dependencies")
        data.setdefault(field, {})[need.lstrip("!?~")] = "*"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "package.json").write_text(json.dumps(data))


def names(root: Path, selection: Selection) -> list[str]:
    return [os.path.relpath(path, root) for path in selection.packages]


def left(root: Path) -> str:
    """Everything below ``root`` but package.json files, one path a line; links with an arrow."""
    found = []
    for at, directories, files in os.walk(root):
        for name in sorted([*directories, *files]):
            path = Path(at) / name
            if path.is_symlink():
                found.append(f"{path.relative_to(root)} -> {path.readlink()}")
            elif path.is_file() and name != "package.json":
                found.append(str(path.relative_to(root)))
            elif (path / "package.json").is_file():
                found.append(f"{path.relative_to(root)}:")
    return "\n".join(sorted(found))


def lines(text: str) -> str:
    return "\n".join(sorted(filter(None, map(str.strip, text.splitlines()))))


HOISTED = """
    .: express sqlite ?colors !typescript
    node_modules/express: ms accepts
    node_modules/accepts:
    node_modules/ms:
    node_modules/sqlite: ms ~bindings
    node_modules/sqlite/node_modules/ms:
    node_modules/bindings:
    node_modules/colors:
    node_modules/typescript: tslib
    node_modules/tslib:
    node_modules/@types/node:
    node_modules/.bin/tsc -> ../typescript/tsc
    node_modules/.bin/accepts -> ../accepts/package.json
    node_modules/.package-lock.json
    node_modules/.cache/babel/x
    node_modules/.prisma/client/index.js
"""


def test_dependencies_come_before_what_needs_them(root: Path) -> None:
    plant(root, HOISTED)
    assert names(root, node_tree.select(root, (root,), development=False)) == [
        "node_modules/colors",
        "node_modules/accepts",
        "node_modules/ms",
        "node_modules/express",
        "node_modules/bindings",
        "node_modules/sqlite/node_modules/ms",
        "node_modules/sqlite",
        ".",
    ]


def test_development_dependencies_are_those_of_the_sources_only(root: Path) -> None:
    plant(root, HOISTED)
    package(root / "node_modules" / "ms", ["!accepts"])
    found = names(root, node_tree.select(root, (root,), development=True))
    assert {"node_modules/typescript", "node_modules/tslib"} <= set(found)


def test_optional_dependencies_can_be_told_apart(root: Path) -> None:
    plant(root, HOISTED)
    found = names(root, node_tree.select(root, (root,), development=False, optional=False))
    assert "node_modules/colors" not in found


def test_an_optional_peer_comes_only_with_who_lists_it(root: Path) -> None:
    plant(root, ".: express !typescript\nnode_modules/typescript:")
    package(
        root / "node_modules" / "express",
        ["~typescript"],
        peerDependenciesMeta={"typescript": {"optional": True}},
    )
    assert names(root, node_tree.select(root, (root,), development=False)) == [
        "node_modules/express",
        ".",
    ]


def test_packages_that_need_each_other_are_no_endless_search(root: Path) -> None:
    plant(root, ".: a\nnode_modules/a: b\nnode_modules/b: a")
    assert names(root, node_tree.select(root, (root,), development=False)) == [
        "node_modules/b",
        "node_modules/a",
        ".",
    ]


def test_what_is_not_needed_is_removed_with_its_executables(root: Path) -> None:
    plant(root, HOISTED)
    selection = node_tree.select(root, (root,), development=False)
    assert node_tree.prune(root, selection, final=True) == ("@types/node", "tslib", "typescript")
    assert left(root) == lines("""
        node_modules/.bin/accepts -> ../accepts/package.json
        node_modules/.prisma/client/index.js
        node_modules/accepts:
        node_modules/bindings:
        node_modules/colors:
        node_modules/express:
        node_modules/ms:
        node_modules/sqlite:
        node_modules/sqlite/node_modules/ms:
    """)


def test_before_the_build_what_tools_need_stays(root: Path) -> None:
    plant(root, HOISTED)
    (root / "node_modules" / "typescript" / "tsc").touch()
    node_tree.prune(root, node_tree.select(root, (root,), development=True), final=False)
    assert "node_modules/.bin/tsc" in left(root)
    assert "node_modules/.cache/babel/x" in left(root)
    assert "@types/node" not in left(root)


def test_a_package_that_only_the_build_used_can_be_dropped(root: Path) -> None:
    plant(root, HOISTED)
    selection = node_tree.select(root, (root,), development=False)
    selection.drop("sql*")
    node_tree.prune(root, selection, final=True)
    assert "sqlite" not in left(root)
    assert "node_modules/express:" in left(root)


def test_bundled_packages_belong_to_their_bundle(root: Path) -> None:
    plant(root, ".: npm\nnode_modules/npm/node_modules/semver:")
    package(root / "node_modules" / "npm", [], bundleDependencies=["semver"])
    node_tree.prune(root, node_tree.select(root, (root,), development=False), final=True)
    assert "node_modules/npm/node_modules/semver:" in left(root)


WORKSPACE = """
    .: !typescript
    apps/api: lib express !cfg
    apps/web: sqlite
    packages/lib: ms
    packages/cfg:
    packages/lib/node_modules/ms:
    node_modules/api -> ../apps/api
    node_modules/web -> ../apps/web
    node_modules/lib -> ../packages/lib
    node_modules/cfg -> ../packages/cfg
    node_modules/express: ms
    node_modules/ms:
    node_modules/sqlite:
    node_modules/typescript:
"""


def test_a_workspace_keeps_what_it_needs_and_the_layout_of_the_whole(root: Path) -> None:
    plant(root, WORKSPACE)
    selection = node_tree.select(root, (root / "apps" / "api",), development=False)
    assert [package.name for package in selection.local] == ["lib", "api"]
    node_tree.prune(root, selection, final=True)
    assert left(root / "node_modules") == lines("""
        express:
        lib -> ../packages/lib
        ms:
    """)
    assert node_tree.modules_directories(root, selection) == (
        root / "node_modules",
        root / "packages" / "lib" / "node_modules",
    )


PNPM = """
    .: express !typescript
    node_modules/express -> .pnpm/express@1/node_modules/express
    node_modules/typescript -> .pnpm/typescript@1/node_modules/typescript
    node_modules/.bin/tsc
    node_modules/.modules.yaml
    node_modules/.pnpm/lock.yaml
    node_modules/.pnpm/express@1/node_modules/express: ms
    node_modules/.pnpm/express@1/node_modules/ms -> ../../ms@1/node_modules/ms
    node_modules/.pnpm/ms@1/node_modules/ms:
    node_modules/.pnpm/typescript@1/node_modules/typescript: @x/lib
    node_modules/.pnpm/typescript@1/node_modules/@x/lib -> ../../../@x+lib@1/node_modules/@x/lib
    node_modules/.pnpm/@x+lib@1/node_modules/@x/lib:
    node_modules/.pnpm/node_modules/ms -> ../ms@1/node_modules/ms
    node_modules/.pnpm/node_modules/@x/lib -> ../../@x+lib@1/node_modules/@x/lib
"""


def test_pnpms_store_is_thinned_through_its_links(root: Path) -> None:
    plant(root, PNPM)
    node_tree.prune(root, node_tree.select(root, (root,), development=False), final=True)
    assert left(root) == lines("""
        node_modules/.pnpm/express@1/node_modules/express:
        node_modules/.pnpm/express@1/node_modules/ms -> ../../ms@1/node_modules/ms
        node_modules/.pnpm/ms@1/node_modules/ms:
        node_modules/.pnpm/node_modules/ms -> ../ms@1/node_modules/ms
        node_modules/express -> .pnpm/express@1/node_modules/express
    """)


def test_a_package_says_which_scripts_install_it(root: Path) -> None:
    package(root / "a", [], scripts={"postinstall": "node x.js", "test": "jest", "install": " "})
    assert node_tree.read(root / "a").scripts == {"postinstall": "node x.js", "test": "jest"}


@pytest.mark.parametrize(
    ("manifest", "implied"),
    [
        ({}, True),
        ({"scripts": {"install": "prebuild-install"}}, False),
        ({"scripts": {"preinstall": "true"}}, False),
        ({"gypfile": False}, False),
    ],
)
def test_a_binding_gyp_implies_node_gyp(
    root: Path, manifest: Mapping[str, Any], implied: bool
) -> None:
    package(root, [], **manifest)
    (root / "binding.gyp").touch()
    assert (node_tree.read(root).scripts.get("install") == "node-gyp rebuild") is implied


def test_the_program_of_a_dependency_is_found_by_name(root: Path) -> None:
    plant(root, ".: fastify-cli next !typescript")
    package(root / "node_modules" / "fastify-cli", [], bin={"fastify": "cli.js"})
    package(root / "node_modules" / "next", [], bin="./dist/bin/next")
    package(root / "node_modules" / "typescript", [], bin={"tsc": "bin/tsc"})
    app = node_tree.read(root)
    modules = root / "node_modules"
    assert node_tree.program("fastify", app, root) == modules / "fastify-cli" / "cli.js"
    assert node_tree.program("next", app, root) == modules / "next" / "dist" / "bin" / "next"
    assert node_tree.program("tsc", app, root) is None
