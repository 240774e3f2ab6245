"""The resolution of this machine's own programs and libraries is what its loader says.

The root is the machine's ``/``; every so-many-th ELF file is asked for. The same comparison over
all of them, also in other roots: ``python tests/integration/test_loader_against_ld_so.py ROOT``
(entered by chroot, so as root).
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rootfs_ansible.exporter.elf import ELF_MAGIC
from rootfs_ansible.exporter.loader import Loader
from rootfs_ansible.exporter.platforms import PLATFORMS
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ImagePath

DIRECTORIES = ("usr/bin", "usr/sbin", "usr/lib", "usr/libexec")
MOST = 400

_LIBRARY = re.compile(r"\t(?:(?P<name>.*) => )?(?P<path>.*?)(?: \(0x[0-9a-f]+\))?")
_VERSION = re.compile(r".*version `(?P<version>.*)' not found \(required by (?P<path>.*)\)")
_FATAL = re.compile(r".*: error while loading shared libraries: (?P<name>.*): cannot open .*")


@dataclass(frozen=True)
class Answer:
    """What is loaded with an object, as real paths, and what is not there."""

    files: frozenset[str]
    missing: frozenset[str]
    versions: frozenset[tuple[str, str]]

    def differences(self, other: Answer) -> str:
        mine = (
            self.files ^ other.files,
            self.missing ^ other.missing,
            self.versions ^ other.versions,
        )
        return ", ".join(str(item) for found in mine for item in sorted(found))


class Comparison:
    """The same question to this project's loader and to the system's, in one root."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = Root(directory)
        self.loader = Loader(self.root)
        name = platform.machine()
        (known,) = (item for item in PLATFORMS.values() if item.name == name)
        self.interpreter = known.interpreters[0]

    def objects(self) -> list[ImagePath]:
        """Every dynamic object of the system's directories that this machine can load."""
        return [path for path in self._elfs() if self._is_loaded(path)]

    def _elfs(self) -> Iterator[ImagePath]:
        for top in DIRECTORIES:
            for place, directories, names in os.walk(self.directory / top):
                directories.sort()
                for name in sorted(names):
                    path = Path(place, name)
                    if path.is_file() and not path.is_symlink() and _is_elf(path):
                        yield ImagePath(f"/{path.relative_to(self.directory)}")

    def _is_loaded(self, path: ImagePath) -> bool:
        elf = self.loader.elf(path)
        return elf is not None and elf.is_dynamic and not self.loader.foreign(elf)

    def ours(self, path: ImagePath) -> Answer:
        loading = self.loader.load(path)
        found = [*loading.objects, *([loading.interpreter] if loading.interpreter else [])]
        return Answer(
            frozenset(str(item.real) for item in found) - {str(path), self._real(self.interpreter)},
            frozenset(item.soname for item in loading.missing),
            frozenset((item.version, str(item.requester)) for item in loading.versions),
        )

    def theirs(self, path: ImagePath) -> Answer:
        """What ``ld.so --list`` prints; a version needed of a missing library ends it early."""
        enter = [] if str(self.directory) == "/" else ["chroot", str(self.directory)]
        answer = subprocess.run(
            [*enter, self.interpreter, "--list", str(path)],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin"},
        )
        files, missing, versions = set(), set(), set()
        for line in (answer.stdout + answer.stderr).splitlines():
            if fatal := _FATAL.fullmatch(line):
                return self.ours(path) if fatal["name"] in self.ours(path).missing else NOTHING
            if version := _VERSION.fullmatch(line):
                versions.add((version["version"], self._real(version["path"])))
            elif (library := _LIBRARY.fullmatch(line)) and library["path"].startswith("/"):
                files.add(self._real(library["path"]))
            elif library and library["path"] == "not found":
                missing.add(library["name"])
        files -= {str(path), self._real(self.interpreter)}
        return Answer(frozenset(files), frozenset(missing), frozenset(versions))

    def _real(self, text: str) -> str:
        found = self.root.resolve(ImagePath(text))
        assert found is not None, text
        return str(found.path)


NOTHING = Answer(frozenset(), frozenset(), frozenset())


def _is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            return handle.read(4) == ELF_MAGIC
    except PermissionError:
        return False


def different(comparison: Comparison, paths: list[ImagePath]) -> list[str]:
    return [
        f"{path}: {ours.differences(theirs)}"
        for path in paths
        if (ours := comparison.ours(path)) != (theirs := comparison.theirs(path))
    ]


def test_every_object_gets_what_the_loader_gives_it() -> None:
    comparison = Comparison(Path("/"))
    if not Path(comparison.interpreter).exists():
        pytest.skip(f"the machine's loader is not {comparison.interpreter}")
    paths = comparison.objects()
    assert different(comparison, paths[:: len(paths) // MOST + 1]) == []


if __name__ == "__main__":
    everything = Comparison(Path(sys.argv[1] if sys.argv[1:] else "/"))
    objects = everything.objects()
    found = different(everything, objects)
    print(*found, f"{len(found)} of {len(objects)} objects differ", sep="\n")
    sys.exit(bool(found))
