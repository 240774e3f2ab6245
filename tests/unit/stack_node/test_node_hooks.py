"""The project's own install scripts: which of them run with what production installs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import node_hooks


@pytest.fixture
def path(tmp_path: Path) -> str:
    for name in ("node", "npx", "npm", "pnpm", "yarn", "patch-package"):
        (tmp_path / name).touch(mode=0o755)
    return str(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "patch-package",
        "node gen.js && npx husky",
        "npx patch-package",
        "npx --yes patch-package@8 --error-on-fail",
        "npx -p patch-package patch-package",
        "npm exec -- patch-package",
        "pnpm dlx patch-package",
        "pnpm run gen",
        "cd scripts && node gen.js",
        "export A=1; node gen.js",
        "A=1 node gen.js",
        "test -d .git || node gen.js",
        "[ -d .git ] && node gen.js",
        "if [ -d patches ]; then patch-package; fi",
        ": nothing",
        "./scripts/gen.sh",
        "$npm_execpath run gen",
    ],
)
def test_a_hook_runs_where_what_it_begins_with_is_there(path: str, line: str) -> None:
    assert node_hooks.missing(line, path) == ""


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("husky", "husky"),
        ("husky install || true", "husky"),
        ("npx husky install", "husky"),
        ("npx only-allow@1 pnpm", "only-allow"),
        ("HUSKY=1 npx --no-install husky", "husky"),
        ("npm exec husky", "husky"),
        ("yarn dlx husky", "husky"),
        ("cd .. && husky install", "husky"),
        ("[ -d .git ] && husky", "husky"),
        ("is-ci || patch-package", "is-ci"),
    ],
)
def test_a_hook_is_passed_over_where_what_it_begins_with_is_for_development(
    path: str, line: str, program: str
) -> None:
    assert node_hooks.missing(line, path) == program
