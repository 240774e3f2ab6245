"""The module that installs a node: which it chooses, and what it says where there is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import step
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError
from ansible_collections.rootfs.builder.plugins.modules.node_toolchain import Toolchain


class Module:
    """An Ansible module whose npm answers what it is given."""

    def __init__(self, code: int = 0, output: str = "", errors: str = "") -> None:
        self.params = {"npm": ["npm"], "registry": "", "prefix": "/usr/local"}
        self.answer = code, output, errors
        self.told: dict[str, str] = {}

    def run_command(
        self,
        command: list[str],  # noqa: ARG002 - as Ansible has it
        environ_update: dict[str, str],
    ) -> tuple[int, str, str]:
        self.told = environ_update
        return self.answer


def chosen(module: Any, scratch: Path) -> str:
    return Toolchain(module, scratch).chosen("^22")


def test_the_newest_of_the_range_is_chosen_with_the_secrets_of_a_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "NPM_TOKEN").write_text("secret\n")
    monkeypatch.setattr(step, "SECRETS", tmp_path)
    module = Module(output=json.dumps(["22.1.0", "22.9.0"]))
    assert chosen(module, tmp_path) == "22.9.0"
    assert module.told["NPM_TOKEN"] == "secret"


def test_a_registry_that_is_not_reached_is_said_to_be(tmp_path: Path) -> None:
    module = Module(1, errors="npm ERR! getaddrinfo EAI_AGAIN registry.example.org")
    with pytest.raises(StepError, match="npm view failed") as raised:
        chosen(module, tmp_path)
    assert raised.value.lines == ("npm ERR! getaddrinfo EAI_AGAIN registry.example.org",)
    assert raised.value.hint.startswith("the registry was not reached")
