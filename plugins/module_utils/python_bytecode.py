"""Byte code that is the same wherever and whenever it is compiled.

It is checked against nothing (PEP 552, unchecked-hash): a source never changes beside it, and its
time, which the usual kind holds, decides nothing. Standard library alone: this runs in containers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils.step import Run, StepError

PYTHON = "/usr/bin/python3"
CACHE = "__pycache__"

# -I takes nothing else of the environment that would concern Python.
_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}


def compile_all(run: Run, directories: Iterable[Path]) -> bool:
    """Compile all sources below ``directories``, and say whether that changed anything.

    What cannot be compiled (templates, sources for another Python) has no byte code, as when pip
    installs it. One process compiles all of a directory in the order of their names: how Python
    writes a constant depends on what else it holds.
    """
    changed = False
    for directory in directories:
        before = digests(directory)
        command = [
            PYTHON, "-I", "-X", "pycache_prefix=", "-m", "compileall", "-q", "-f", "-j1",
            "--invalidation-mode=unchecked-hash", str(directory),
        ]  # fmt: skip
        code, output, errors = run(command, "/", _ENVIRONMENT)
        after = digests(directory)
        if code and not after:
            lines = [*output.splitlines(), *errors.splitlines()]
            raise StepError("nothing of it compiles to byte code", str(directory), lines[-20:])
        changed |= before != after
    return changed


def digests(directory: Path) -> Mapping[Path, str]:
    """Return the digest of every file of byte code below a directory."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob(f"{CACHE}/*.pyc"))
        if path.is_file()
    }
