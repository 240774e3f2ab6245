"""Runs a program in what an export of a container's tree ships; it is put into that container.

``python3 in_rootfs.py EXPORTER`` reads a JSON object from standard input and writes one to standard
output. It exports ``request``, unpacks that, enters it by chroot and runs ``words`` (with
``environment`` and ``input``, as ``user``); then it takes away what the closure of the request
``lacking`` has not, and runs the same again. ``files`` by path are put beside what is shipped;
``shows`` is a path whose content counts as printed. The answers ``complete`` and ``lacking`` are
what was printed; ``error`` is that of an export.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

from rootfs_ansible.errors import RootfsError
from rootfs_ansible.exporter import export
from rootfs_ansible.exporter.closure import closure
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.outputs import claims
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.request import ExportRequest

TREE = Path("/")
SCRATCH = Path("/var/in-rootfs")
EXPORT = SCRATCH / "export"
ROOTFS = SCRATCH / "rootfs"
DONE = SCRATCH / "request.json"
DEVICES = {"null": 3, "zero": 5, "urandom": 9}


def answers(item: dict[str, Any]) -> dict[str, Any]:
    try:
        exported(item["request"])
        unpack()
        complete = printed(item)
        take_away(shipped(item["lacking"]))
    except RootfsError as error:
        return {"error": [str(error), *error.details]}
    return {"complete": complete, "lacking": printed(item)}


def exported(request: dict[str, Any]) -> None:
    """Write the layers, unless those of the last run are for the same request."""
    text = json.dumps(request, sort_keys=True)
    if DONE.exists() and DONE.read_text() == text:
        return
    DONE.unlink(missing_ok=True)
    shutil.rmtree(EXPORT, ignore_errors=True)
    export(TREE, ExportRequest.from_json(request), EXPORT)
    DONE.write_text(text)


def unpack() -> None:
    shutil.rmtree(ROOTFS, ignore_errors=True)
    ROOTFS.mkdir()
    for layer in EXPORT.glob("*.tar"):
        subprocess.run(["tar", "--extract", "--file", layer, "--directory", ROOTFS], check=True)


def shipped(request: dict[str, Any]) -> set[str]:
    """Return what an export of ``request`` would ship."""
    known = ExportRequest.from_json(request)
    root = Root(TREE)
    packages = PackageDatabase(root)
    found = closure(root, packages, claims(root, packages, known), known)
    return {path.text for path in found.entries}


def take_away(kept: set[str]) -> None:
    """Remove what is not in ``kept``, and with it all that the program left."""
    for place, directories, names in os.walk(ROOTFS):
        for name in (*names, *directories):
            path = Path(place, name)
            if f"/{path.relative_to(ROOTFS)}" not in kept and (path.is_symlink() or name in names):
                path.unlink()


def printed(item: dict[str, Any]) -> str:
    """Run the program and return what it printed, be it that it cannot run."""
    # What an engine gives every container.
    for directory in ("dev", "tmp"):
        (ROOTFS / directory).mkdir(exist_ok=True)
    for name, minor in DEVICES.items():
        os.mknod(ROOTFS / "dev" / name, 0o20666, os.makedev(1, minor))
    for path, content in item["files"].items():
        target = ROOTFS / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode())
    try:
        ended = subprocess.run(
            item["words"],
            env={"PATH": "/usr/bin", "HOME": "/tmp", **item["environment"]},
            input=item["input"].encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=partial(enter, item["user"]),
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = ended.stdout
    if (shown := ROOTFS / item["shows"].lstrip("/")).is_file():
        said += shown.read_bytes()
    return said.decode(errors="replace")


def enter(user: int) -> None:
    os.chroot(ROOTFS)
    os.chdir("/tmp")
    os.setuid(user)


if __name__ == "__main__":
    json.dump(answers(json.load(sys.stdin)), sys.stdout)
