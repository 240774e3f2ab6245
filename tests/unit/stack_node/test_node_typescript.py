"""TypeScript: commands that read it, whose sources stay though a build compiled others."""

from __future__ import annotations

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import Command
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_typescript import (
    reads_typescript,
)


def command(line: str, program: str = "", options: str = "") -> Command:
    environment = (("NODE_OPTIONS", options),) if options else ()
    return Command(tuple(line.split()), environment, program)


@pytest.mark.parametrize(
    "read",
    [
        command("/usr/bin/node src/index.ts"),
        command("/usr/bin/node --import tsx src/main.mts"),
        command("/usr/bin/node --import tsx src/main"),
        command("/usr/bin/node --import=tsx/esm src/main"),
        command("/usr/bin/node -r ts-node/register/transpile-only src"),
        command("/usr/bin/node --require @swc-node/register src"),
        command("/usr/bin/node --loader ts-node/esm src"),
        command("/usr/bin/node src", options="--no-warnings --import tsx"),
        command("tsx src", program="tsx"),
        command("ts-node-dev src", program="ts-node-dev"),
        command("node_modules/.bin/ts-node-esm src"),
        command("tool --config app.config.ts", program="tool"),
    ],
)
def test_a_command_that_names_typescript_or_what_runs_it_reads_it(read: Command) -> None:
    assert reads_typescript(read)


@pytest.mark.parametrize(
    "unread",
    [
        Command(),
        command("/usr/bin/node dist/index.js"),
        command("/usr/bin/node -r tsconfig-paths/register dist/index.js"),
        command("/usr/bin/node -r ./tsx.js dist/index.js"),
        command("/usr/bin/node tsx"),
        command("next start", program="next"),
    ],
)
def test_any_other_command_runs_what_was_compiled(unread: Command) -> None:
    assert not reads_typescript(unread)
