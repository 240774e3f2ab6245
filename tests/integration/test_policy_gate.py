"""The gate between what is built and what is delivered, as a user comes to it."""

from __future__ import annotations

import json
import shlex
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, Commands

pytestmark = pytest.mark.engine

PACKAGE = {"name": "shelled", "version": "1.0.0", "scripts": {"start": "node hello.js"}}
SCRIPT = """
const { execSync } = require('node:child_process');
console.log(execSync('echo said by a shell').toString().trim());
"""
SHELL = '{"rootfs_packages": ["dash"]}'


def loaded(commands: Commands, image: str) -> str:
    """Return the id of an image of the engine; nothing where it has none of that name."""
    listing = ["docker", "images", "--quiet", "--no-trunc", image]
    return subprocess.check_output(listing, env=commands.environment({}), text=True).strip()


def test_a_first_user_is_told_all_there_is_to_do(
    commands: Commands,
    app: Callable[..., Path],
    built_example: dict[str, Any],
    tmp_path: Path,
) -> None:
    """The image is refused before anything has it; then the line of the message lets it pass."""
    # Another image each time: what an earlier run delivered is no answer.
    script = f"{SCRIPT} // {uuid.uuid4()}"
    directory = app(PACKAGE, {"hello.js": script}, name="shelled")
    said = ("-e", SHELL, "-e", "rootfs_image_name=test-shelled")
    output = ("--format", "tar", "--output", str(tmp_path / "shelled.tar"))
    index = Path(built_example["layout"]) / "index.json"
    before = loaded(commands, "test-shelled:latest")

    refused = commands.run("rootfs-ansible", "build", directory, *said, *output)
    assert refused.returncode == 1, refused.stderr
    assert "the policy does not allow what is in the image" in refused.stderr
    assert "shell  /usr/bin/dash  file 0755" in refused.stderr
    assert "leads to /usr/bin/dash" in refused.stderr
    assert "rootfs_policy_allow: {shell: [/usr/bin/dash, /usr/bin/sh]}" in refused.stderr
    digest = refused.stderr.partition("rootfs-ansible why ")[2].split()[0]
    assert commands.run("rootfs-ansible", "why", digest, "/usr/bin/dash").returncode == 0
    listed = json.loads(index.read_text())["manifests"]
    assert digest not in {item["digest"] for item in listed}
    assert loaded(commands, "test-shelled:latest") == before
    assert not (tmp_path / "shelled.tar").exists()

    # What is there is judged, not built; a dry run says it, too.
    for more in ([], ["--check"]):
        again = commands.playbook("-e", f"app={directory}", *said, *more)
        assert again.returncode != 0
        assert "shell  /usr/bin/dash" in again.stdout
        assert "TASK [rootfs.builder." not in again.stdout

    line = next(line for line in refused.stderr.splitlines() if " -e '" in line)
    words = shlex.split(line.partition("build: ")[2])
    passed = commands.playbook("-e", f"app={directory}", *said, *words)
    assert passed.returncode == 0, passed.stdout
    assert "TASK [rootfs.builder." not in passed.stdout
    assert digest in index.read_text()
    assert commands.says("test-shelled") == "said by a shell\n"


def test_an_image_that_is_there_is_judged_by_another_policy_and_stays_where_it_was(
    commands: Commands, built_example: dict[str, Any], tmp_path: Path
) -> None:
    before = loaded(commands, "node-web:latest")
    policy = json.dumps({"rootfs_policy": {"size": "100 MB", "packages": 10}})
    ended = commands.run(
        "rootfs-ansible", "build", CHECKOUT / "examples" / "node-web", "-e", policy,
        "--format", "oci", "--output", tmp_path / "out",
    )  # fmt: skip
    assert ended.returncode == 1
    assert "size      (the image)" in ended.stderr
    assert "packages  (the image)" in ended.stderr
    assert loaded(commands, "node-web:latest") == before
    assert not (tmp_path / "out").exists()


def test_an_app_cannot_say_what_it_may_hold(commands: Commands, app: Callable[..., Path]) -> None:
    directory = app(PACKAGE, {"hello.js": SCRIPT, "rootfs.yml": "rootfs_policy: {size: 1 TB}\n"})
    ended = commands.run("rootfs-ansible", "build", directory, "--check")
    assert ended.returncode == 1
    assert "an app cannot say this of itself" in ended.stderr
    assert "rootfs_policy" in ended.stderr


@pytest.mark.usefixtures("built_haskell_example", "built_python_example", "built_example")
def test_what_is_built_without_exceptions_has_no_findings(commands: Commands) -> None:
    for image in ("node-web", "haskell-web", "python-web"):
        ended = commands.run("rootfs-ansible", "policy", image)
        assert (ended.returncode, ended.stdout) == (0, "nothing is refused\n"), image
        assert not ended.stderr
