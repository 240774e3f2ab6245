"""What documents tell a reader to type: commands, and files with their names."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"`(\S+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def console_commands(document: Path) -> list[str]:
    """Return the commands of a document's console blocks, in their order."""
    lines = [line for block in _BLOCK.findall(document.read_text()) for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def write_files(document: Path, directory: Path) -> None:
    """Write every block that a document gives a name to a file of that name."""
    for name, text in _FILE.findall(document.read_text()):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
