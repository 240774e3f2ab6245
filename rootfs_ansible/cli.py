"""The command line: the same playbook, with progress and a structured result."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rootfs_ansible import __version__
from rootfs_ansible.errors import BuildError, RootfsError, of_system

FORMATS = ("oci", "tar", "dir")
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failed build, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.format) != bool(options.output):
        parser.error("--format and --output go together")
    if options.check and options.json:
        parser.error("--json prints what was built, and --check builds nothing")
    try:
        return int(options.command(options))
    except (RootfsError, OSError) as caught:
        error = of_system(caught) if isinstance(caught, OSError) else caught
        print(f"rootfs-ansible: {error}", file=sys.stderr)
        return INTERRUPTED if error.what == "interrupted" else 1


def _build(options: argparse.Namespace) -> int:
    # Imported here: --help and --version need no ansible-runner.
    from rootfs_ansible.drive import playbook

    extra: dict[str, Any] = {"app": str(Path(options.directory).absolute())}
    if options.format:
        extra["rootfs_format"] = [options.format]
        extra["rootfs_output"] = str(Path(options.output).absolute())
    arguments = [f"--extra-vars={shlex.quote(value)}" for value in options.extra_vars]
    if options.check:
        arguments.append("--check")
    results = playbook.run(
        extra,
        inventory=options.inventory,
        arguments=arguments,
        progress=_Progress(quiet=options.json or options.verbose),
        warn=_warn,
        verbose=options.verbose and not options.json,
    )
    if options.check:
        for result in results.values():
            print(result.summary)
        return 0
    if not results:
        raise BuildError("the playbook built no image", hint="run it with --verbose")
    result = next(iter(results.values()))
    print(json.dumps(result.image, indent=2) if options.json else result.summary)
    return 0


def _warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)


class _Progress:
    """One line for each play as it starts, with the seconds since the beginning."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = time.monotonic()

    def __call__(self, play: str) -> None:
        if not self._quiet:
            seconds = time.monotonic() - self._began
            print(f"[{seconds:6.1f} s] {play}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rootfs-ansible",
        description="Clean, layered root filesystems for production, built by Ansible roles.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="build the app of a directory",
        description="Build the app of a directory, as ansible-playbook rootfs.builder.build does.",
    )
    build.set_defaults(command=_build)
    build.add_argument("directory", metavar="DIR", help="the directory that holds the app")
    build.add_argument("--json", action="store_true", help="print the result as one JSON object")
    build.add_argument(
        "--format", choices=FORMATS, help="also write the rootfs: OCI archive, tar or directory"
    )
    build.add_argument("--output", metavar="PATH", help="where --format writes it")
    build.add_argument(
        "-i", "--inventory", default="", help="an inventory, as for ansible-playbook"
    )
    build.add_argument(
        "-e",
        "--extra-vars",
        action="append",
        default=[],
        metavar="VARS",
        help="set variables, as for ansible-playbook",
    )
    build.add_argument(
        "--check", action="store_true", help="say what would be done, and do nothing"
    )
    build.add_argument("-v", "--verbose", action="store_true", help="show what Ansible prints")
    return parser
