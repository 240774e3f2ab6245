"""What the stack ships, as its meta/stack.yml says: rules applied to trees."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from trees import exported, output, plant

from rootfs_ansible.model.document import Document
from rootfs_ansible.model.request import Prune

STACK = Path(__file__).parents[3] / "roles" / "stack_node" / "meta" / "stack.yml"
ADDON = """
    /{0}/binding.gyp
    /{0}/build/Makefile
    /{0}/build/deps/words.target.mk
    /{0}/build/config.gypi
    /{0}/build/Release/addon.node
    /{0}/build/Release/words.a
    /{0}/build/Release/.deps/x.d
    /{0}/build/Release/obj.target/addon/x.o
    /{0}/build/index.js
    /{0}/build/views/index.html
    /{0}/vendor/style.css
    /{0}/vendor/words.c
"""


@pytest.fixture
def prune() -> list[Prune]:
    rules = yaml.safe_load(STACK.read_text())["prune"]
    return [Prune.from_json(Document(rule)) for rule in rules]


def test_an_addon_of_the_apps_own_loses_what_its_compiling_left_and_nothing_else(
    tmp_path: Path, prune: list[Prune]
) -> None:
    root = tmp_path / "tree"
    plant(root, ADDON.format("app"))
    assert sorted(exported(root, output("/app"), prune=prune).paths) == [
        "/app/build/Release/addon.node",
        "/app/build/index.js",
        "/app/build/views/index.html",
        "/app/vendor/style.css",
    ]


def test_an_addon_of_a_dependency_is_shipped_alone(tmp_path: Path, prune: list[Prune]) -> None:
    root = tmp_path / "tree"
    plant(root, ADDON.format("m/addon"))
    found = exported(root, output("/m", layer="dependencies"), prune=prune)
    assert sorted(found.paths) == ["/m/addon/build/Release/addon.node"]
