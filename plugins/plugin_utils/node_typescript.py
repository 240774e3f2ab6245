"""Whether the command of a Node project reads TypeScript when it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ansible_collections.rootfs.builder.plugins.module_utils.node_arguments import LOADS
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import Command
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import package_name

_SUFFIXES = (".ts", ".tsx", ".mts", ".cts")
_PROGRAMS = re.compile(r"tsx|tsm|tsnd|ts-node(-[\w-]+)?|swc-node|babel-node|sucrase-node|esno|jiti")
"""Programs that run what they are given without its being compiled before, in any language."""

_LOADERS = {
    "@babel/register", "@esbuild-kit/cjs-loader", "@esbuild-kit/esm-loader", "@oxc-node/core",
    "@swc-node/register", "esbuild-register", "jiti", "sucrase", "ts-node", "tsm", "tsx",
}  # fmt: skip
"""Packages that teach node to read TypeScript."""


def reads_typescript(command: Command) -> bool:
    """Say whether a command reads TypeScript: it names such a file, or starts what compiles it.

    node itself reads it from 22.18 on, and a program may be given it as its configuration.
    """
    words = list(command.arguments)
    options = dict(command.environment).get("NODE_OPTIONS", "").split()
    program = (command.program or words[0]).rpartition("/")[2] if words else ""
    return (
        any(word.endswith(_SUFFIXES) for word in words)
        or bool(_PROGRAMS.fullmatch(program))
        or any(package_name(name) in _LOADERS for name in _loaded([*words, "", *options]))
    )


def _loaded(words: Sequence[str]) -> Iterator[str]:
    """Yield what options of node load before the program."""
    for option, following in zip(words, [*words[1:], ""], strict=True):
        name, _, joined = option.partition("=")
        if name in LOADS:
            yield joined or following
