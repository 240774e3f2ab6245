"""The command line: the same playbook, with progress and a structured result."""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rootfs_ansible import __version__
from rootfs_ansible.errors import BuildError, RootfsError, of_system
from rootfs_ansible.model.manifest import Fragment
from rootfs_ansible.model.path import ImagePath

if TYPE_CHECKING:
    from rootfs_ansible.store.layout import Store
    from rootfs_ansible.store.upkeep import Removed

FORMATS = ("oci", "tar", "dir")
BILLS = ("spdx", "cyclonedx")
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failed command, 2 for wrong usage.

    What compares or judges ends as diff(1) does: with 1 for what it found, with 2 where it failed.
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
    arguments = _extra_vars(options.extra_vars)
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


def _reproduce(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.difference import difference
    from rootfs_ansible.store.layout import default_directory

    first = _built(options, "first", {})
    # Beside the usual store, where there is room for images.
    beside = default_directory().parent
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reproduce-", dir=beside) as empty:
        again = _built(
            options,
            "again",
            {
                "rootfs_store": empty,
                "rootfs_load": False,
                "rootfs_format": [],
                "rootfs_verify": False,
            },
        )
    found = difference(first, again)
    print(found.to_text() if found else "the same, bit for bit")
    return int(bool(found))


def _built(options: argparse.Namespace, which: str, extra: dict[str, Any]) -> Fragment:
    """Build the app of a directory and return its manifest; ``extra`` goes over all variables."""
    from rootfs_ansible.drive import playbook
    from rootfs_ansible.pack.image import read_manifest
    from rootfs_ansible.store.layout import Store

    def progress(play: str) -> None:
        print(f"[{which}] {play}", file=sys.stderr, flush=True)

    results = playbook.run(
        {"app": str(Path(options.directory).absolute())},
        inventory=options.inventory,
        # Of several values of a variable the last one counts.
        arguments=_extra_vars([*options.extra_vars, json.dumps(extra)]),
        progress=progress,
        warn=_warn,
        verbose=options.verbose,
    )
    if not results:
        raise BuildError("the playbook built no image", hint="run `rootfs-ansible build` first")
    image = next(iter(results.values())).image
    return read_manifest(Store(Path(image["layout"])), image["manifest"])


def _extra_vars(values: Sequence[str]) -> list[str]:
    """Return the words that give ansible-playbook the variables that a user gave."""
    return [f"--extra-vars={shlex.quote(value)}" for value in values]


def _verify(options: argparse.Namespace) -> int:
    from rootfs_ansible.drive import playbook

    results = playbook.run(
        {"image": options.image, "rootfs_store": str(_store(options).directory.absolute())},
        inventory=options.inventory,
        arguments=_extra_vars(options.extra_vars),
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

    manifest = _manifest(options, options.image)
    print(
        reasons.why_package(manifest, options.package)
        if options.package
        else reasons.why_path(manifest, ImagePath(options.path))
    )
    return 0


def _candidates(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.candidates import table

    manifest = _manifest(options, options.image)
    if options.json:
        print(json.dumps([item.to_json() for item in manifest.candidates], indent=2))
    elif manifest.candidates:
        print(table(manifest.candidates))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.difference import difference

    found = difference(_manifest(options, options.before), _manifest(options, options.after))
    print(found.to_text())
    return int(bool(found))


def _sbom(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.documents import FORMATS as WRITERS
    from rootfs_ansible.pack.image import read_bill
    from rootfs_ansible.store.layout import canonical

    bill = read_bill(_store(options), options.image)
    _put(canonical(WRITERS[options.format](bill)), options.output)
    return 0


def _provenance(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.documents import provenance_of
    from rootfs_ansible.pack.image import read_bill

    store = _store(options)
    _put(provenance_of(store, read_bill(store, options.image).digest), options.output)
    return 0


def _put(content: bytes, output: str) -> None:
    """Write a document where it is wanted: to a file, at once when it is whole, or the output."""
    if not output:
        print(content.decode("ascii"))
        return
    from rootfs_ansible.pack.output import written_output

    with written_output(Path(output)) as file:
        file.write(content + b"\n")


def _store(options: argparse.Namespace) -> Store:
    # Imported here: no option that a user names needs the store before a command runs.
    from rootfs_ansible.store.layout import Store, default_directory

    return Store(Path(options.store).expanduser() if options.store else default_directory())


def _policy(options: argparse.Namespace) -> int:
    from rootfs_ansible.model.policy import Policy
    from rootfs_ansible.pack.policy import evaluate, read_policy, table

    policy = read_policy(Path(options.policy)) if options.policy else Policy()
    manifest = _manifest(options, options.image)
    verdict = evaluate(manifest, policy, _store(options))
    if options.json:
        print(json.dumps(verdict.to_json(), indent=2))
    else:
        print("\n".join(table(verdict.findings)) or "nothing is refused")
    for layer in verdict.unread:
        _warn(f"layer {layer} is not in the store: what its files hold was not looked at")
    for stale in verdict.stale:
        _warn(f"{stale} fits nothing that is in the image")
    return int(bool(verdict.findings))


def _store_ls(options: argparse.Namespace) -> int:
    from rootfs_ansible.pack.usage import usage

    found = usage(_store(options))
    print(json.dumps(found.to_json(), indent=2) if options.json else found.to_text())
    return 0


def _store_prune(options: argparse.Namespace) -> int:
    from rootfs_ansible.store.upkeep import DAY, prune

    keep, grace = options.keep_days * DAY, options.grace * DAY / 24
    removed = prune(_store(options), keep=keep, grace=grace, dry=options.dry_run)
    _print_removed(options, removed, "would be removed" if options.dry_run else "removed")
    return 0


def _store_check(options: argparse.Namespace) -> int:
    from rootfs_ansible.store.upkeep import check

    removed = check(_store(options))
    _print_removed(options, removed, "damaged or without what they rely on, and removed")
    return int(bool(removed))


def _print_removed(options: argparse.Namespace, removed: Sequence[Removed], said: str) -> None:
    from rootfs_ansible.pack.usage import removed_text

    if options.json:
        print(json.dumps([one.to_json() for one in removed], indent=2))
    else:
        print(removed_text(removed, said))


def _manifest(options: argparse.Namespace, image: str) -> Fragment:
    """Return the manifest of an image: a file of one, or a name or digest that a store knows."""
    from rootfs_ansible.pack.image import read_manifest

    return read_manifest(_store(options), image)


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
    _add_app(build)
    build.add_argument("--json", action="store_true", help="print the result as one JSON object")
    build.add_argument(
        "--format", choices=FORMATS, help="also write the rootfs: OCI archive, tar or directory"
    )
    build.add_argument("--output", metavar="PATH", help="where --format writes it")
    build.add_argument(
        "--check", action="store_true", help="say what would be done, and do nothing"
    )
    reproduce = commands.add_parser(
        "reproduce",
        help="build an app twice, and say what differs",
        description="Build the app of a directory, then once more in an empty store, and name what"
        " its build gave otherwise: times, random names, orders. Nothing of the second build is"
        " delivered. Ends with 1 where the images differ, and with 2 where one was not built.",
    )
    reproduce.set_defaults(command=_reproduce, failed=2)
    _add_app(reproduce)
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
    candidates = commands.add_parser(
        "candidates",
        help="list what the binaries of an image name and it has not",
        description="List the files that stand as texts in the binaries of an image, that the tree"
        " it was taken from has, and that are not in the image: what a program may open by name."
        " Reads the manifest alone, no engine.",
    )
    candidates.set_defaults(command=_candidates, failed=1)
    _add_image(candidates, "image")
    candidates.add_argument("--json", action="store_true", help="print them as one JSON list")
    sbom = commands.add_parser(
        "sbom",
        help="list what an image is made of, for scanners and lawyers",
        description="Print the bill of materials of an image: SPDX 2.3 or CycloneDX 1.6, as JSON."
        " Same image, same text. Reads the manifest alone, no engine.",
    )
    sbom.set_defaults(command=_sbom, failed=1)
    _add_image(sbom, "image")
    sbom.add_argument("--format", choices=BILLS, default=BILLS[0], help="by default %(default)s")
    provenance = commands.add_parser(
        "provenance",
        help="say what an image was made from",
        description="Print the provenance of an image: SLSA's version 1, an in-toto statement of"
        " every input by its digest. Reads the store alone, no engine.",
    )
    provenance.set_defaults(command=_provenance, failed=1)
    _add_image(provenance, "image")
    for command in (sbom, provenance):
        command.add_argument("--output", metavar="FILE", default="", help="write it to a file")
    policy = commands.add_parser(
        "policy",
        help="look for what production has no use for",
        description="Look in an image for what its policy refuses, and print all of it. Reads the"
        " manifest and the layers, no engine. Ends with 1 where anything is found, and with 2 where"
        " it could not look.",
    )
    policy.set_defaults(command=_policy, failed=2)
    _add_image(policy, "image")
    policy.add_argument(
        "--policy", metavar="FILE", default="", help="a YAML file, as the option rootfs_policy"
    )
    policy.add_argument("--json", action="store_true", help="print one JSON object")
    kept = commands.add_parser("store", help="see what the store takes, clean it up, mend it")
    upkeep = kept.add_subparsers(required=True, metavar="COMMAND")
    ls = upkeep.add_parser(
        "ls",
        help="list what it takes",
        description="List what the store takes on disk: by image, and by stage, where what images"
        " share is counted once. Images of the engine are none of it.",
    )
    ls.set_defaults(command=_store_ls, failed=1)
    prune = upkeep.add_parser(
        "prune",
        help="remove what nobody needs",
        description="Remove what no image with a name is made of, and no build has used lately."
        " Builds may run meanwhile. Images of the engine are none of it.",
    )
    prune.set_defaults(command=_store_prune, failed=1)
    prune.add_argument(
        "--keep-days",
        type=_amount,
        default=30,
        metavar="DAYS",
        help="keep what was used in that time, by default %(default)s",
    )
    prune.add_argument(
        "--grace",
        type=_amount,
        default=24,
        metavar="HOURS",
        help="keep all that is younger, by default %(default)s: longer than any build takes",
    )
    prune.add_argument("--dry-run", action="store_true", help="say what would go, and keep it")
    check = upkeep.add_parser(
        "check",
        help="remove what is damaged",
        description="Hash all of the store anew, and remove what is damaged and what relies on it:"
        " the next build makes it again. Ends with 1 where anything is found, and with 2 where it"
        " could not look.",
    )
    check.set_defaults(command=_store_check, failed=2)
    for command in (ls, prune, check):
        command.add_argument("--json", action="store_true", help="print it as JSON")
    with_store = (verify, why, diff, candidates, sbom, provenance, policy, ls, prune, check)
    for command in with_store:
        command.add_argument("--store", metavar="DIR", default="", help="the store (rootfs_store)")
    return parser


def _amount(text: str) -> float:
    amount = float(text)
    if not 0 <= amount < math.inf:
        raise ValueError
    return amount


def _add_app(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the directory that holds the app")
    _add_ansible(parser)


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
