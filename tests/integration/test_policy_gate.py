"""The gate between what is built and what is delivered, as a user comes to it."""

from __future__ import annotations

import json
import shlex
import subprocess
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


def named(store: Path, image: str) -> bool:
    return f'"{image}"' in (store / "index.json").read_text()


def test_a_first_user_is_told_all_there_is_to_do(
    commands: Commands, app: Callable[..., Path], tmp_path: Path
) -> None:
    """The image is refused before anything has it; then the line of the message lets it pass."""
    directory = app(PACKAGE, {"hello.js": SCRIPT}, name="shelled")
    store = tmp_path / "store"
    build = ("rootfs-ansible", "build", directory, "-e", SHELL, "-e", f"rootfs_store={store}",
             "--format", "tar", "--output", tmp_path / "shelled.tar")  # fmt: skip
    refused = commands.run(*build)
    assert refused.returncode == 1, refused.stderr
    assert "the policy does not allow what is in the image" in refused.stderr
    assert "shell  /usr/bin/dash  file 0755" in refused.stderr
    assert "leads to /usr/bin/dash" in refused.stderr
    assert "rootfs_policy_allow: {shell: [/usr/bin/dash, /usr/bin/sh]}" in refused.stderr
    assert not named(store, "shelled:latest")
    assert not loaded(commands, "shelled:latest")
    assert not (tmp_path / "shelled.tar").exists()

    # What is there is judged at once, and a dry run says it, too.
    for more in ([], ["--check"]):
        again = commands.run(*build, *more)
        assert again.returncode == 1
        assert "shell  /usr/bin/dash" in again.stderr
        assert "Compile the apps" not in again.stderr

    line = next(line for line in refused.stderr.splitlines() if " -e '" in line)
    words = shlex.split(line.partition("build: ")[2])
    try:
        passed = commands.run(*build, *words)
        assert passed.returncode == 0, passed.stderr
        assert "Compile the apps" not in passed.stderr
        assert named(store, "shelled:latest")
        assert (tmp_path / "shelled.tar").exists()
        assert commands.says("shelled") == "said by a shell\n"
    finally:
        subprocess.run(
            ["docker", "rmi", "shelled:latest"], env=commands.environment({}), capture_output=True
        )


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
    assert "Compile the apps" not in ended.stderr
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
