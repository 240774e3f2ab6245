"""The wheel holds the collection beside the package, where Ansible looks: ansible_collections."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools.command.build_py import build_py

PLACE = Path("ansible_collections/rootfs/builder")
PARTS = (
    "CHANGELOG.md", "LICENSE", "README.md", "galaxy.yml", "meta", "playbooks", "plugins", "roles",
)  # fmt: skip


class BuildWithCollection(build_py):
    """Build the package, and copy what an installed collection needs of the checkout.

    An editable install has no copy: tools/venv makes the checkout itself the collection.
    """

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        # What an earlier build left there may be in the checkout no more.
        shutil.rmtree(Path(self.build_lib) / PLACE, ignore_errors=True)
        for path in _files():
            target = Path(self.build_lib) / PLACE / path
            self.mkpath(str(target.parent))
            self.copy_file(str(path), str(target))

    def get_source_files(self) -> list[str]:
        """Return what a source distribution has to hold, so that a wheel can be built from it."""
        return [*super().get_source_files(), str(Path("tools") / "wheel.py"), *map(str, _files())]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return what the build writes."""
        copied = [] if self.editable_mode else [Path(self.build_lib) / PLACE / p for p in _files()]
        return [*super().get_outputs(include_bytecode), *map(str, copied)]


def _files() -> Iterator[Path]:
    for part in map(Path, PARTS):
        found = sorted(part.rglob("*")) if part.is_dir() else [part]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)
