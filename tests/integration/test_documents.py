"""README and docs stay true: their commands run, their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import OF_EVERY_STACK
from conftest import CHECKOUT, Commands
from documents import console_commands

from rootfs_ansible.plan.app import ENTRY_POINTS

DOCUMENTS = [
    CHECKOUT / "README.md",
    *sorted((CHECKOUT / "docs").glob("*.md")),
    *sorted((CHECKOUT / "roles").glob("*/README.md")),
    *sorted((CHECKOUT / "examples").glob("*/README.md")),
]
# What runs this test cannot be run by it.
OURSELVES = {"make test"}


@pytest.mark.engine
@pytest.mark.usefixtures("built_haskell_example", "built_python_example")
def test_the_commands_of_the_readme_run_in_their_order(
    commands: Commands, built_example: dict[str, Any]
) -> None:
    lines = [line for line in console_commands(CHECKOUT / "README.md") if line not in OURSELVES]
    assert "make build" in lines
    ended = subprocess.run(
        ["bash", "-euxc", "\n".join(lines)],
        cwd=CHECKOUT,
        env=commands.environment({}),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert built_example["digest"] in ended.stdout
    assert '"visits":1' in ended.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text())
    own = [target for target in targets if "://" not in target]
    assert [target for target in own if not (document.parent / target).exists()] == []


def test_the_contract_of_a_stack_is_the_one_that_holds() -> None:
    said = set(re.findall(r"`([^`]+)`", (CHECKOUT / "docs" / "stacks.md").read_text()))
    assert set(ENTRY_POINTS) <= said
    assert said >= OF_EVERY_STACK
