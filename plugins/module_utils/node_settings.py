"""What the settings of npm and yarn take from the environment: secrets, and nothing in their place.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

SECRETS = Path("/run/rootfs/secrets")
"""Where a build container sees the secrets of its app: in memory, and in no layer."""

_FILES = (".npmrc", ".yarnrc", ".yarnrc.yml")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
"""A variable that has to be set; one with a default (``${NAME-default}``) need not be."""


def secret_environment() -> dict[str, str]:
    """Return what only a fetch is told: an npmrc, and the tokens that an npmrc names."""
    found = {}
    for path in sorted(SECRETS.iterdir()) if SECRETS.is_dir() else ():
        if path.name in ("npmrc", ".npmrc"):
            found["npm_config_userconfig"] = str(path)
        elif re.fullmatch(r"[A-Z][A-Z0-9_]*", path.name):
            found[path.name] = path.read_text(encoding="utf-8").strip()
    return found


def variables(directories: Iterable[Path]) -> tuple[str, ...]:
    """Return the names of the variables that the settings in some directories cannot do without.

    yarn refuses to run even a script where one of them is not set.
    """
    found: set[str] = set()
    for path in (directory / name for directory in directories for name in _FILES):
        if path.is_file():
            found |= set(_VARIABLE.findall(path.read_text(encoding="utf-8", errors="replace")))
    return tuple(sorted(found))
