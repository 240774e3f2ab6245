"""What the build container asks of packages: what builds them, and how that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("build")

SCRIPT = Path(__file__).parents[3] / "roles" / "stack_python" / "files" / "requirements.py"
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


def ask(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_build_system_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "backend.py").write_text(
        "def get_requires_for_build_wheel(settings=None):\n    raise LookupError('no compiler')\n"
    )
    ended = ask("build", tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.rstrip().endswith("LookupError: no compiler")


def test_what_a_package_lacks_is_told_but_for_extras_and_other_systems(tmp_path: Path) -> None:
    info = tmp_path / "web-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Name: web\nVersion: 1\nRequires-Dist: gone>=2\nRequires-Dist: fast; extra == 'fast'\n"
        "Requires-Dist: other; sys_platform == 'win32'\n"
    )
    ended = ask("missing", tmp_path)
    assert ended.stdout == ('[{"package": "web 1", "requirement": "gone>=2", "installed": ""}]\n')
