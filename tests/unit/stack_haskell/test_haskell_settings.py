"""Project files: what cabal.project and its freeze say, and the packages that they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import Statement
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_settings import (
    Settings,
    package_files,
    settings,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError


def said(kind: str, value: str, *of: str) -> Statement:
    return Statement(kind, of, value)


def test_nothing_said_is_the_package_of_the_directory() -> None:
    assert settings([], []) == Settings(packages=("./*.cabal",))


def test_packages_are_parted_by_commas_or_space() -> None:
    found = settings([said("packages", './*.cabal, lib/{a,b}\n"other/"')], [])
    assert found.packages == ("./*.cabal", "lib/{a,b}", "other/")


def test_constraints_flags_and_options_keep_whom_they_concern() -> None:
    found = settings(
        [
            said("constraint", ">=1", "aeson"),
            said("constraint-flags", "+fast", "web"),
            said("flags", "-slow loud", "package", "web"),
            said("ghc-options", "-O1 -Wall", "package", "*"),
            said("optimization", "2", "package", "web"),
            said("optimization", "False"),
        ],
        [said("constraint-flags", "+small", "text")],
    )
    assert found.constraints == (("aeson", ">=1"),)
    assert found.flags == (("web", "+fast"), ("text", "+small"), ("web", "-slow +loud"))
    assert found.options == (("*", "-O1"), ("*", "-Wall"), ("web", "-O2"), ("*", "-O0"))


def test_a_freeze_pins_exact_versions_alone() -> None:
    freeze = [said("constraint", "==2.1.2", "aeson"), said("constraint", ">=1", "text")]
    assert settings([], freeze).pins == (("aeson", "2.1.2"),)


def test_what_is_not_followed_is_told_once_and_what_decides_nothing_never() -> None:
    found = settings(
        [
            said("type", "git", "source-repository-package"),
            said("location", "https://…", "source-repository-package"),
            said("allow-newer", "*:base"),
            said("index-state", "2024-01-01"),
            said("tests", "True"),
            said("constraint-source", "installed", "text"),
        ],
        [],
    )
    assert found.unfollowed == (
        "source-repository-package type",
        "source-repository-package location",
        "allow-newer",
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("a.cabal", "lib/b/b.cabal", "lib/c/c.cabal", "two/d.cabal", "two/e.cabal"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def files(root: Path, *globs: str) -> list[str]:
    return [str(path.relative_to(root)) for path in package_files(root, globs)]


def test_files_directories_and_globs_are_packages(root: Path) -> None:
    assert files(root, ".", "lib/*/") == ["a.cabal", "lib/b/b.cabal", "lib/c/c.cabal"]
    assert files(root, "./lib/{b,c}/*.cabal") == ["lib/b/b.cabal", "lib/c/c.cabal"]
    assert files(root, "a.cabal", "./*.cabal") == ["a.cabal"]


def test_all_that_is_not_clear_is_told_at_once(root: Path) -> None:
    with pytest.raises(StepError) as raised:
        files(root, "nowhere", "two", "https://example.org/x.tar.gz", ".")
    told = str(raised.value)
    assert "nowhere: matches no .cabal file" in told
    assert "has several .cabal files: d.cabal, e.cabal" in told
    assert "x.tar.gz: only packages that lie in the project are built" in told
