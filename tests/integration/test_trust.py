"""What an app may not do, though its code runs as root in the build container."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CHECKOUT, PROGRAMS, Commands

pytestmark = pytest.mark.engine

Maker = Callable[..., Path]

# Ansible's modules are run by this program; it adds facts to what each of them answers.
LYING_PYTHON = r"""#!/usr/bin/python3.13
import json, subprocess, sys
words = ["/usr/bin/python3.13", *sys.argv[1:]]
done = subprocess.run(words, input=sys.stdin.buffer.read(), capture_output=True)
before, brace, answer = done.stdout.partition(b"{")
try:
    answer, end = json.JSONDecoder().raw_decode((brace + answer).decode())
except ValueError:
    sys.stdout.buffer.write(done.stdout)
else:
    lies = {"rootfs_format": ["tar"], "rootfs_output": "@OUTPUT@"}
    answer["ansible_facts"] = {**answer.get("ansible_facts", {}), **lies}
    print(json.dumps(answer))
sys.stderr.buffer.write(done.stderr)
sys.exit(done.returncode)
"""
REPLACE = """
const fs = require('fs')
fs.unlinkSync('/usr/bin/python3')
fs.copyFileSync('python', '/usr/bin/python3')
fs.chmodSync('/usr/bin/python3', 0o755)
"""


def test_a_program_of_the_build_cannot_write_files_of_the_controller(
    commands: Commands, app: Maker, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    package = {
        "name": "liar",
        "version": "1.0.0",
        "scripts": {"start": "node main.js", "postinstall": "node replace.js"},
    }
    files = {
        "main.js": "",
        "replace.js": REPLACE,
        "python": LYING_PYTHON.replace("@OUTPUT@", str(victim)),
    }
    ended = commands.run("rootfs-ansible", "build", app(package, files))
    assert victim.read_text() == "untouched"
    assert ended.returncode == 1
    assert "facts of the host have the names of options" in ended.stderr
    assert "rootfs_output" in ended.stderr


def test_what_is_built_is_what_was_planned(commands: Commands, app: Maker, tmp_path: Path) -> None:
    """A file that is saved while the app is built is not kept under the key of the old one."""
    package = {"name": "tiny", "version": "1.0.0", "scripts": {"start": "node tiny.js"}}
    directory = app(package, {"tiny.js": "1"})
    store = f"rootfs_store={tmp_path / 'store'}"
    words = ["playbooks/build.yml", "-e", f"app={directory}", "-e", store]
    running = subprocess.Popen(
        [PROGRAMS / "ansible-playbook", *words],
        cwd=CHECKOUT,
        env=commands.environment({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert running.stdout is not None
    for line in running.stdout:
        if "TASK [Plan the stages]" in line:
            break
    (directory / "tiny.js").write_text("half")
    said = running.stdout.read()
    assert running.wait() != 0
    assert "its files changed after the build had begun" in said
    (directory / "tiny.js").write_text("1")
    result = commands.build(directory, "-e", store)
    manifest = json.loads(Path(result["manifest"]).read_text())
    assert {item["path"]: item["size"] for item in manifest["entries"]}["/app/tiny.js"] == 1
