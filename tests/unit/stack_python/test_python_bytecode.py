"""Byte code: the same for the same sources, whatever time it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import python_bytecode
from ansible_collections.rootfs.builder.plugins.module_utils.python_bytecode import (
    compile_all,
    digests,
)


@pytest.fixture(autouse=True)
def _this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_bytecode, "PYTHON", sys.executable)


def run(command: list[str], directory: str, environment: dict[str, str]) -> tuple[int, str, str]:
    told = {**os.environ, **environment}
    ended = subprocess.run(command, cwd=directory, env=told, capture_output=True, text=True)
    return ended.returncode, ended.stdout, ended.stderr


def test_the_time_of_a_source_decides_nothing(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("NAMES = {'x', 'y'}\n")
    assert compile_all(run, [tmp_path])
    before = digests(tmp_path)
    os.utime(source, (1, 1))
    assert not compile_all(run, [tmp_path])
    assert digests(tmp_path) == before != {}


def test_what_is_no_python_has_no_byte_code(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "template.py").write_text("import {{ name }}\n")
    assert compile_all(run, [tmp_path])
    assert [path.name.partition(".")[0] for path in digests(tmp_path)] == ["a"]
