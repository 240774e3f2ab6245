"""The archives of packages, by apt's own lists: a real shell reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rootfs_ansible.drive import archives
from rootfs_ansible.drive.archives import lookup, with_archives
from rootfs_ansible.model.manifest import Package

LISTS = f"""\
Package: libc6
Source: glibc
Version: 2.41-12
Architecture: amd64
Depends: Package: libc6-dev
SHA256: {"a" * 64}

Package: libc6
Version: 2.41-13
Architecture: amd64
SHA256: {"b" * 64}

Package: libc6-dev
Version: 2.41-12
Architecture: amd64
SHA256: {"c" * 64}

Package: tzdata
Version: 2026a
Architecture: all
SHA256: no digest

Package: g++
Version: 14
Architecture: all
SHA256: {"d" * 64}
"""


def package(name: str, version: str, architecture: str = "amd64") -> Package:
    return Package(name, version, architecture, name, "system", sha256="said by a container")


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lists"
    path.write_text(LISTS)
    monkeypatch.setattr(archives, "_LISTS", f"cat {path}")


@pytest.mark.usefixtures("listed")
def test_a_package_has_the_digest_of_its_own_version() -> None:
    packages = [
        package("g++", "14", "all"),
        package("libc6", "2.41-12"),
        package("libc6:i386", "2.41-12", "i386"),
        package("own'", "1"),
        package("tzdata", "2026a", "all"),
    ]
    said = subprocess.check_output(["sh", "-c", lookup(packages)], text=True)
    assert [(item.name, item.sha256) for item in with_archives(packages, said)] == [
        ("g++", "d" * 64),
        ("libc6", "a" * 64),
        ("libc6:i386", ""),
        ("own'", ""),
        ("tzdata", ""),
    ]


def test_without_lists_no_package_has_a_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_LISTS", f"cat {tmp_path}/*_Packages*")
    packages = [package("libc6", "2.41-12")]
    said = subprocess.run(["sh", "-c", lookup(packages)], capture_output=True, text=True)
    assert (said.stdout, said.stderr) == ("", "")
    assert with_archives(packages, said.stdout)[0].sha256 == ""
