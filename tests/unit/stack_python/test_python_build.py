"""The build: what it says of packages that lack another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import python_build
from ansible_collections.rootfs.builder.plugins.module_utils.python_build import Build
from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import Tools
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEPENDENCIES", "PACKAGES", "WHEELS"):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(python_build, name, tmp_path / name)


def lacks(command: list[str], _at: str, _told: dict[str, str]) -> tuple[int, str, str]:
    found = [{"package": "web 1", "requirement": "torch>=2", "installed": ""}]
    return 0, json.dumps(found if "missing" in command else []), ""


def build(*, may_lack: bool) -> Build:
    plan = {"sources": [], "local": [], "own": [], "may_lack": may_lack}
    made = Build(Path("/app"), plan, Tools(lacks, {}))
    made.build([])
    return made


def test_what_a_package_lacks_is_an_error() -> None:
    with pytest.raises(StepError, match="packages are missing") as raised:
        build(may_lack=False)
    assert raised.value.lines == ("web 1 requires torch>=2",)


def test_what_a_lock_file_may_leave_out_is_a_warning() -> None:
    found = build(may_lack=True).warnings
    assert found == ["web 1 requires torch>=2, and nothing of it is there"]
