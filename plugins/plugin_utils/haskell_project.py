"""A Haskell project as its directory shows it, before any container exists.

What its files say is read by the Cabal library, in the build container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError

PROJECT = "cabal.project"
FREEZE = "cabal.project.freeze"
_REPOSITORY = re.compile(r"(https?://|file\+noindex://)\S+")


@dataclass(frozen=True, slots=True)
class Project:
    """A directory with Haskell packages: its one ``.cabal`` file, or none where cabal.project says
    which packages there are."""

    cabal_file: str

    def to_facts(self, directory: Path) -> dict[str, Any]:
        """Return the project as the fact ``rootfs_project``."""
        return {
            "context": str(directory),
            "toolchain": "",
            "command": [],
            "locks": [FREEZE] if (directory / FREEZE).is_file() else [],
            "haskell": {"cabal_file": self.cabal_file},
        }


def read(directory: Path, repository: str = "") -> Project:
    """Return the project in ``directory``.

    Raises ``InputError`` where it is not clear which package is built, or where ``repository`` is
    none that cabal knows.
    """
    if repository and not _REPOSITORY.fullmatch(repository):
        raise InputError(
            f"stack_haskell_repository is {repository!r}, which is no repository",
            where=str(directory),
            hint="give https://…, or file+noindex:///app/DIRECTORY for one that comes with the app",
        )
    if (directory / PROJECT).is_file():
        return Project("")
    files = sorted(path.name for path in directory.glob("*.cabal") if path.is_file())
    if len(files) == 1:
        return Project(files[0])
    if files:
        raise InputError(
            "has more than one .cabal file, and Cabal allows one in a directory",
            where=str(directory),
            details=files,
            hint="put each package into a directory of its own, and name them in cabal.project",
        )
    hint = "give the directory that holds the .cabal file, or cabal.project"
    if (directory / "package.yaml").is_file():
        hint = "run hpack, which makes the .cabal file from package.yaml"
    raise InputError("has no .cabal file", where=str(directory), hint=hint)
