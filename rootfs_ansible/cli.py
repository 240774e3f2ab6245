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
from rootfs_ansible.model.manifest import Fragment
from rootfs_ansible.model.path import ImagePath

FORMATS = ("oci", "tar", "dir")
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failed command, 2 for wrong usage.

    A comparison ends as diff(1) does: with 1 for a difference, and 2 where there was none to make;
    so does a verification.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options))
    except (RootfsError, OSError) as caught:
        error = of_system(caught) if isinstance(caught, OSError) else caught
        print(f"rootfs-ansible: {error}", file=sys.stderr)
        return INTERRUPTED if error.what == "interrupted" else int(options.failed)


def _build(options: argparse.Namespace) -> int:
    if bool(options.format) != bool(options.output):
        options.parser.error("--format and --output go together")
    if options.check and options.json:
        options.parser.error("--json prints what was built, and --check builds nothing")
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


def _verify(options: argparse.Namespace) -> int:
    from rootfs_ansible.drive import playbook

    results = playbook.run(
        {"image": options.image, "rootfs_store": str(Path(options.store).expanduser().absolute())},
        inventory=options.inventory,
        arguments=[f"--extra-vars={shlex.quote(value)}" for value in options.extra_vars],
        progress=_Progress(quiet=options.json or options.verbose),
        warn=_warn,
        verbose=options.verbose and not options.json,
        playbook=playbook.VERIFY,
    )
    if not results:
        raise BuildError("the playbook verified no image", hint="run it with --verbose")
    result = next(iter(results.values()))
    print(json.dumps(result.image, indent=2) if options.json else result.summary)
    return 0 if result.image.get("proved") is True else 1


def _why(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack import reasons

    manifest = _manifest(options.image, options.store)
    print(
        reasons.why_package(manifest, options.package)
        if options.package
        else reasons.why_path(manifest, ImagePath(options.path))
    )
    return 0


def _diff(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.difference import difference

    found = difference(
        _manifest(options.before, options.store), _manifest(options.after, options.store)
    )
    print(found.to_text())
    return int(bool(found))


def _manifest(image: str, store: str) -> Fragment:
    """Return the manifest of an image: a file of one, or a name or digest that a store knows."""
    from rootfs_ansible.pack.image import read_manifest
    from rootfs_ansible.store.layout import Store

    return read_manifest(Store(Path(store).expanduser()), image)


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
    build.set_defaults(command=_build, failed=1, parser=build)
    build.add_argument("directory", metavar="DIR", help="the directory that holds the app")
    build.add_argument("--json", action="store_true", help="print the result as one JSON object")
    build.add_argument(
        "--format", choices=FORMATS, help="also write the rootfs: OCI archive, tar or directory"
    )
    build.add_argument("--output", metavar="PATH", help="where --format writes it")
    build.add_argument(
        "--check", action="store_true", help="say what would be done, and do nothing"
    )
    _add_ansible(build)
    verify = commands.add_parser(
        "verify",
        help="prove that an image works as it is shipped",
        description="Run an image as in production, traced, as rootfs.builder.verify does: say"
        " whether it does what rootfs_smoke says, what it misses that its build had, and the line"
        " that ships that. Ends with 0 where it is proved, with 1 where something is missing or the"
        " run failed, and with 2 where it could not be run.",
    )
    verify.set_defaults(command=_verify, failed=2)
    _add_image(verify, "image")
    verify.add_argument("--json", action="store_true", help="print the proof as one JSON object")
    _add_ansible(verify)
    why = commands.add_parser(
        "why",
        help="say why a path or a package is in an image",
        description="Say why a path is in an image, from a declared output edge by edge; or what a"
        " package costs, and what would leave with it. Reads the manifest alone, no engine.",
    )
    why.set_defaults(command=_why, failed=1)
    _add_image(why, "image")
    what = why.add_mutually_exclusive_group(required=True)
    what.add_argument("path", metavar="PATH", nargs="?", default="", help="a path of the image")
    what.add_argument("--package", metavar="NAME", default="", help="a distribution package")
    diff = commands.add_parser(
        "diff",
        help="compare two images",
        description="Compare two images by path, package, size, mode, owner and reason, from their"
        " manifests alone. Ends with 1 where they differ, and with 2 where one is not there.",
    )
    diff.set_defaults(command=_diff, failed=2)
    _add_image(diff, "before")
    _add_image(diff, "after")
    for command in (verify, why, diff):
        command.add_argument(
            "--store", metavar="DIR", default=_default_store(), help="the store (rootfs_store)"
        )
    return parser


def _add_ansible(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-i", "--inventory", default="", help="an inventory, as for ansible-playbook"
    )
    parser.add_argument(
        "-e",
        "--extra-vars",
        action="append",
        default=[],
        metavar="VARS",
        help="set variables, as for ansible-playbook",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show what Ansible prints")


def _add_image(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument(
        name,
        metavar=name.upper(),
        help="an image that was built: its name, its digest, or the file of its manifest",
    )


def _default_store() -> str:
    from rootfs_ansible.store.layout import default_directory

    return str(default_directory())
