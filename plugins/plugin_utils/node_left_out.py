"""What a command reads and no image holds: a machine's own settings, and what yarn loads in place
of node_modules."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils import node_arguments
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import package_name

_PLUG_AND_PLAY = (".pnp.cjs", ".pnp.js", ".pnp.loader.mjs")
"""What yarn loads in place of node_modules, which is always made here."""

_READERS = ("dotenv", "dotenv-expand", "dotenv-flow", "dotenvx", "env-cmd")
"""Programs and packages that read a file of variables before the app starts."""

_EXAMPLES = (".dist", ".example", ".sample", ".template")
"""How the files end that are there for people to copy."""


def is_secret(name: str) -> bool:
    """Say whether a file is one of those that hold a machine's own settings and tokens, and that
    are not shipped (``stack_node_excluding``)."""
    return name == ".env" or name.startswith(".env.")


def as_shipped(
    arguments: node_arguments.Arguments,
) -> tuple[node_arguments.Arguments, tuple[str, ...]]:
    """Leave out what loads a file that is never shipped; return also the words of those options
    that somebody may miss."""
    kept = []
    dropped: tuple[str, ...] = ()
    for option in arguments.options:
        name = option.value.rpartition("/")[2]
        if option.name in node_arguments.LOADS and name in _PLUG_AND_PLAY:
            continue
        if option.name in node_arguments.ENVIRONMENT_FILES and is_secret(name):
            dropped += option.words
            continue
        kept.append(option)
    return dataclasses.replace(arguments, options=tuple(kept)), dropped


def unread_settings(words: Sequence[str], program: str, directory: Path) -> tuple[str, ...]:
    """Return the files of variables that the command of the app in ``directory`` has read by a
    program or a package of its own, and that are not shipped."""
    options = node_arguments.parse(words[1:]).options if not program else ()
    loaded = {
        package_name(option.value) for option in options if option.name in node_arguments.LOADS
    }
    if not loaded.union((program,)).intersection(_READERS):
        return ()
    there = [
        path.name
        for path in sorted(directory.glob(".env*"))
        if is_secret(path.name) and path.suffix not in _EXAMPLES
    ]
    named = {re.split("[/=]", word)[-1] for word in words}
    return tuple(name for name in there if name in named) or tuple(there)
