"""What the settings of npm and yarn take from the environment: secrets, and nothing in their place.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils import step

_FILES = (".npmrc", ".yarnrc", ".yarnrc.yml")
_CONFIGURATION = dict.fromkeys(("npmrc", ".npmrc"), "npm_config_userconfig")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
"""A variable that has to be set; one with a default (``${NAME-default}``) need not be."""


def secret_environment() -> dict[str, str]:
    """Return what only a fetch is told: an npmrc, and the tokens that an npmrc names."""
    return step.secret_environment(_CONFIGURATION)


def variables(directories: Iterable[Path]) -> tuple[str, ...]:
    """Return the names of the variables that the settings in some directories cannot do without.

    yarn refuses to run even a script where one of them is not set.
    """
    found: set[str] = set()
    for path in (directory / name for directory in directories for name in _FILES):
        if path.is_file():
            found |= set(_VARIABLE.findall(path.read_text(encoding="utf-8", errors="replace")))
    return tuple(sorted(found))
