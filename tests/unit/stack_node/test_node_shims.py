"""The scripts by which pnpm starts programs: one that node cannot read is started itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import node_shims

SHIM = """#!/bin/sh
basedir=$(dirname "$(echo "$0" | sed -e 's,\\\\,/,g')")
if [ -x "$basedir/node" ]; then
  exec "$basedir/node"  "$basedir/{0}" "$@"
else
  exec node  "$basedir/{0}" "$@"
fi
"""


@pytest.mark.parametrize("head", [b"\x7fELF\x02", b"#!/usr/bin/env node\n"])
@pytest.mark.parametrize("where", ["node_modules", "node_modules/.pnpm/a@1/node_modules/a/n"])
def test_a_program_that_became_a_binary_is_linked(tmp_path: Path, where: str, head: bytes) -> None:
    programs = tmp_path / where / ".bin"
    target = tmp_path / where / "esbuild" / "bin" / "esbuild"
    for path in (programs, target.parent):
        path.mkdir(parents=True)
    target.write_bytes(head)
    shim = programs / "esbuild"
    shim.write_text(SHIM.format("../esbuild/bin/esbuild"))
    (programs / "gone").write_text(SHIM.format("../gone/bin"))
    (programs / "other").write_text("#!/bin/sh\nexit 1\n")
    node_shims.relink([tmp_path])
    assert shim.is_symlink() == head.startswith(b"\x7fELF")
    assert shim.read_bytes() == head or not shim.is_symlink()
    assert not (programs / "gone").is_symlink()
