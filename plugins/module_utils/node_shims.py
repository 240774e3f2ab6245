"""The shell scripts by which pnpm starts the programs of packages.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_STARTS = re.compile(r'^\s*exec\s.*"\$basedir/([^"]+)"', re.MULTILINE)
_ELF = b"\x7fELF"


def relink(homes: Iterable[Path]) -> None:
    """Make links of those scripts in the node_modules of ``homes`` that start node with what is a
    program of the machine.

    pnpm writes them when it fetches, with the interpreter that a program names then; an install
    script may put a binary in its place afterwards (esbuild), and node takes none.
    """
    for modules in {home.resolve() / "node_modules" for home in homes}:
        for at, directories, files in os.walk(modules):
            if Path(at).name == ".bin":
                directories.clear()
                for name in files:
                    _relink(Path(at, name))


def _relink(shim: Path) -> None:
    if shim.is_symlink():
        return
    started = _STARTS.findall(shim.read_text(encoding="utf-8", errors="replace"))
    target = shim.parent / started[-1] if started else None
    if target and target.is_file():
        with target.open("rb") as stream:
            if stream.read(len(_ELF)) != _ELF:
                return
        shim.unlink()
        shim.symlink_to(started[-1])
