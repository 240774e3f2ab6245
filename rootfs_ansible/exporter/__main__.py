"""The exporter's command line, as it runs in a container."""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rootfs_ansible.errors import InputError, RootfsError
from rootfs_ansible.exporter.export import export
from rootfs_ansible.model.request import ExportRequest

# What the caller can act on; any other failure is a mistake of ours and shows its traceback.
FAILED = 3


def run() -> int:
    """Do what ``main`` does, as a program of its own."""
    # An export keeps what it makes: looking for garbage in it costs a fifth of the time.
    gc.disable()
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Export as the arguments say; return 0, or 3 with the error as JSON on standard output."""
    parser = argparse.ArgumentParser(
        prog="exporter", description="Write the layers that a request asks for of a tree."
    )
    parser.add_argument("--root", type=Path, required=True, help="the tree")
    parser.add_argument("--request", type=Path, required=True, help="the request, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="the directory to write to")
    options = parser.parse_args(arguments)
    try:
        export(options.root, _request(options.request), options.output)
    except RootfsError as error:
        json.dump({"error": error.to_json()}, sys.stdout)
        sys.stdout.write("\n")
        return FAILED
    return 0


def _request(path: Path) -> ExportRequest:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the request: {error}", where=str(path)) from error
    return ExportRequest.from_json(data)


if __name__ == "__main__":
    raise SystemExit(run())
