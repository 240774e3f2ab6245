"""A Haskell project on the controller: which file is meant, and what is no project."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.haskell_project import read

from rootfs_ansible.errors import InputError


def plant(directory: Path, *names: str) -> Path:
    for name in names:
        (directory / name).touch()
    return directory


def test_one_file_is_the_package(tmp_path: Path) -> None:
    project = read(plant(tmp_path, "web.cabal"))
    assert project.to_facts(tmp_path)["haskell"] == {"cabal_file": "web.cabal"}


def test_a_project_file_says_which_packages_there_are(tmp_path: Path) -> None:
    assert read(plant(tmp_path, "web.cabal", "cabal.project")).cabal_file == ""


def test_two_files_are_not_clear(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        read(plant(tmp_path, "a.cabal", "b.cabal"))
    assert raised.value.details == ("a.cabal", "b.cabal")
    assert "cabal.project" in raised.value.hint


def test_hpacks_own_file_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.cabal file") as raised:
        read(plant(tmp_path, "package.yaml"))
    assert "run hpack" in raised.value.hint


@pytest.mark.parametrize("where", ["hackage.example.org", "file:///srv", "ftp://example.org/"])
def test_a_repository_is_one_that_cabal_knows(tmp_path: Path, where: str) -> None:
    with pytest.raises(InputError, match="is no repository"):
        read(plant(tmp_path, "a.cabal"), where)


@pytest.mark.parametrize("where", ["https://hackage.example.org/", "file+noindex:///app/hackage"])
def test_a_repository_that_cabal_knows(tmp_path: Path, where: str) -> None:
    assert read(plant(tmp_path, "a.cabal"), where).cabal_file == "a.cabal"
