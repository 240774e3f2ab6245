"""An installed wheel is the package and the collection, without what only the checkout needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
COLLECTION = "ansible_collections/rootfs/builder"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this checkout: a build writes beside the sources."""
    directory = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".cache", ".*_cache", "__pycache__", "*.egg-info", "build"
    )
    shutil.copytree(CHECKOUT, directory / "checkout", symlinks=True, ignore=ignored)
    subprocess.run(
        [PROGRAMS / "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", directory, directory / "checkout"],
        check=True,
        timeout=300,
    )  # fmt: skip
    (found,) = directory.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    target = wheel.parent / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def names(wheel: Path, top: str) -> set[str]:
    """Return what is at ``top``, by its first name."""
    with zipfile.ZipFile(wheel) as archive:
        listed = archive.namelist()
    return {name[len(top) :].split("/")[0] for name in listed if name.startswith(top)}


def test_it_holds_the_collection_and_nothing_of_the_checkout_alone(wheel: Path) -> None:
    assert names(wheel, f"{COLLECTION}/") == {
        "CHANGELOG.md", "LICENSE", "README.md", "galaxy.yml",
        "meta", "playbooks", "plugins", "roles",
    }  # fmt: skip
    tops = {name for name in names(wheel, "") if not name.endswith(".dist-info")}
    assert tops == {"ansible_collections", "rootfs_ansible"}


def test_it_holds_the_data_of_the_package(wheel: Path) -> None:
    data = {path.name for path in (CHECKOUT / "rootfs_ansible").rglob("*.json")}
    with zipfile.ZipFile(wheel) as archive:
        held = {Path(name).name for name in archive.namelist()}
    assert "stack.schema.json" in data
    assert data <= held


@pytest.mark.parametrize("part", ["meta", "playbooks", "plugins", "roles"])
def test_it_holds_every_file_of_a_part(installed: Path, part: str) -> None:
    def files(directory: Path) -> set[Path]:
        found = (path for path in directory.rglob("*") if path.is_file())
        return {path.relative_to(directory) for path in found if path.suffix != ".pyc"}

    assert files(installed / COLLECTION / part) == files(CHECKOUT / part)


def ansible(installed: Path, *words: str) -> str:
    """Run a program of Ansible that finds the collection in the wheel, far from the checkout."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [PROGRAMS / words[0], *words[1:]],
        cwd=installed.parent,
        env={**known, "ANSIBLE_NOCOLOR": "1", "PYTHONPATH": str(installed)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_ansible_finds_the_playbook_in_it(installed: Path) -> None:
    said = ansible(installed, "ansible-playbook", "--syntax-check", "rootfs.builder.build")
    assert f"playbook: {installed / COLLECTION}/playbooks/build.yml" in said


def test_ansible_documents_its_roles(installed: Path) -> None:
    said = ansible(installed, "ansible-doc", "-t", "role", "rootfs.builder.stack_node")
    assert f"({installed / COLLECTION})" in said
