#!/usr/bin/env python3
"""Compare a harvest with GNU tar of the same files, and with tools that find what programs load.

    benchmarks/harvest.py rootfs.builder/stack-node-build:KEY --peers VENV    # as root

Three trees, written to one directory: /usr/bin of the image with what it needs, a node_modules of
50,000 files (real ones: copies of MODULES, a directory of the image), and 1 GB in four files. All
runs are one after the other, each tool in turn, with everything in the page cache; the table has
the medians, and every ratio is of one round. Who takes twenty seconds runs once. What GNU tar does
not do at all is a row of its own: the digests of each file and of the archive, with sha256sum.

The image is a name that the engine knows, or a directory that holds its tree. lddtree is that of
pax-utils (`--lddtree PROGRAM`); VENV has `pip install exodus-bundler`. Peers that are not there are
left out. lddtree copies without digests; exodus compresses, and runs in the image. Neither does
more than programs and their libraries. The lddtree of auditwheel is not among them: it fails on
programs in another root. Memory is of the largest process; what is below that of this program
cannot be told.

Measured with stack-node-build (5 rounds; Python 3.11, x86-64 with SHA instructions) on two cores
that others kept busy: the seconds of the processor say more than those on the clock.

    tree             tool                   seconds  of tar  CPU s  of tar   MB
    /usr/bin         GNU tar                   0.52    1.00   0.26    1.00
    /usr/bin         rootfs-ansible            2.49    4.15   1.12    4.30   39
    /usr/bin         GNU tar and sha256sum     4.42    7.79   2.78   10.85
    /usr/bin         lddtree (pax-utils)       5.09    9.73   2.71   10.60
    /usr/bin         exodus                   87.41  167.12  29.14  116.64  167
    node_modules     GNU tar                   1.73    1.00   0.80    1.00
    node_modules     rootfs-ansible            7.93    4.66   3.87    4.76
    node_modules     GNU tar and sha256sum     5.09    2.57   2.90    3.58
    1 GB in 4 files  GNU tar                   4.20    1.00   1.07    1.00
    1 GB in 4 files  rootfs-ansible            7.31    1.84   2.35    2.05
    1 GB in 4 files  GNU tar and sha256sum    14.32    2.84   9.15    8.00

These are 2,608 paths in 236 MB, 59,013 in 207 MB (43 MB of memory, in another run), and 5 in
1,074 MB. What is left to GNU tar: it reads each file once and takes no digest, a harvest looks at
the head of each file and takes two digests of each byte. With large files that is nearly all it
costs, and a second core has half of it; with small ones it is the interpreter, some 50 µs for each,
of which the system's calls are about 12; and 0.25 s to start, as the archive of the exporter has no
byte code.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tracer import docker

from rootfs_ansible.exporter import zipapp

FILES, BIG, SLOW = 50_000, 1 << 28, 20
OURS, TAR = "rootfs-ansible", "GNU tar"


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree and what is declared of it; ``list`` are the paths to archive, ``programs`` the ELF
    files that tools for programs begin with."""

    name: str
    root: Path
    output: str
    list: Path
    programs: list[str]


@dataclass(slots=True)
class Row:
    """The runs of one tool: seconds on the clock and of the processor, each with how often the
    time of GNU tar in the same round that is; and the largest process in MB."""

    wall: list[tuple[float, float]] = field(default_factory=list)
    cpu: list[tuple[float, float]] = field(default_factory=list)
    memory: float = 0


def main() -> None:
    """Print the comparison as a table."""
    arguments = _arguments()
    with (
        tempfile.TemporaryDirectory(dir=arguments.directory) as name,
        _image(arguments.image, Path(name)) as image,
    ):
        scratch = Path(name)
        exporter = zipapp(scratch / "exporter.pyz")
        modules = scratch / "modules"
        _copies(image / arguments.modules.strip("/"), modules / "app/node_modules")
        big = scratch / "big"
        (big / "app").mkdir(parents=True)
        for number in range(4):
            with (big / f"app/{number}").open("wb") as stream:
                stream.writelines(os.urandom(1 << 20) for _ in range(BIG >> 20))
        print("| tree | tool | seconds | of GNU tar | CPU seconds | of GNU tar | MB of memory |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
        for title, root, output in (
            ("/usr/bin of the image", image, "/usr/bin"),
            ("node_modules", modules, "/app"),
            ("1 GB in 4 files", big, "/app"),
        ):
            tree = _tree(title, root, output, exporter, scratch)
            _print(tree, _measured(tree, exporter, scratch, arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("image", help="a build image that the engine knows, or a directory")
    parser.add_argument("--modules", default="/usr/share/nodejs", help="real modules of the image")
    parser.add_argument("--peers", type=Path, help="virtual environment of exodus")
    parser.add_argument("--lddtree", default="lddtree", help="the program of pax-utils")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (5)")
    parser.add_argument("--directory", type=Path, help="where to write: 5 GB")
    return parser.parse_args()


@contextmanager
def _image(name: str, scratch: Path) -> Iterator[Path]:
    """Give the tree of the image ``name``."""
    if Path(name).is_dir():
        yield Path(name).resolve()
        return
    root = scratch / "image"
    root.mkdir()
    container = docker("create", name, "true").decode().strip()
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as exporting:
            subprocess.run(["tar", "-xp", "-C", root], stdin=exporting.stdout, check=True)
    finally:
        docker("rm", container)
    yield root


def _copies(modules: Path, to: Path) -> None:
    """Copy what ``modules`` holds, one by one and again, until there are enough files."""
    number = files = 0
    while files < FILES:
        number += 1
        for module in sorted(modules.iterdir()):
            copy = to / f"copy{number}" / module.name
            if not module.is_dir() or module.is_symlink() or files >= FILES:
                continue
            shutil.copytree(module, copy, symlinks=True)
            files += sum(len(names) for _, _, names in os.walk(copy))
        if not files:
            raise SystemExit(f"{modules} holds no files")


def _tree(title: str, root: Path, output: str, exporter: Path, scratch: Path) -> Tree:
    """Harvest once, for the list of what is harvested."""
    subprocess.run(_ours(root, output, exporter, scratch), check=True)
    listing = scratch / "list"
    count = 0
    with tarfile.open(scratch / "ours/app.tar") as archive, listing.open("wb") as names:
        for member in archive:
            # All that it has read is what it would keep.
            archive.members = []
            # The records of packages are made.
            if os.path.lexists(root / member.name):
                names.write(os.fsencode(member.name) + b"\0")
                count += 1
    programs = []
    for path in sorted((root / output.strip("/")).iterdir()):
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
            with path.open("rb") as stream:
                if stream.read(4) == b"\x7fELF":
                    programs.append(str(path))
    size = (scratch / "ours/app.tar").stat().st_size
    return Tree(f"{title} ({count:,} paths, {size / 1e6:,.0f} MB)", root, output, listing, programs)


def _ours(root: Path, output: str, exporter: Path, scratch: Path) -> list[str | Path]:
    declared = {"layer": "app", "by": "benchmark", "path": output, "foreign": "omit"}
    (scratch / "request.json").write_text(json.dumps({"layers": ["app"], "outputs": [declared]}))
    return [
        sys.executable, "-I", exporter, f"--root={root}", f"--request={scratch}/request.json",
        f"--output={scratch}/ours",
    ]  # fmt: skip


def _tools(
    tree: Tree, exporter: Path, scratch: Path, arguments: argparse.Namespace
) -> dict[str, list[str | Path]]:
    tar = (
        f"tar -C '{tree.root}' --null --no-recursion --numeric-owner --format=pax"
        f" -T '{tree.list}' -cf"
    )
    archive = scratch / "theirs/tar"
    digests = f"cd '{tree.root}' && xargs -0 sha256sum < '{tree.list}' > '{archive}.digests'"
    tools: dict[str, list[str | Path]] = {
        TAR: ["sh", "-c", f"exec {tar} '{archive}'"],
        OURS: _ours(tree.root, tree.output, exporter, scratch),
        "GNU tar and sha256sum": [
            "sh", "-c",
            # Directories and dangling links have no digest.
            f"{tar} - | tee '{archive}' | sha256sum > '{archive}.sha256' & {digests} 2> /dev/null;"
            " wait",
        ],
    }  # fmt: skip
    if not tree.programs:
        return tools
    if shutil.which(arguments.lddtree):
        copy = f"--copy-to-tree={scratch}/theirs"
        tools["lddtree (pax-utils)"] = [
            arguments.lddtree, "-R", tree.root, "--no-auto-root", copy, *tree.programs
        ]  # fmt: skip
    if arguments.peers:
        # It runs the image's own loader, which works nowhere but in the image.
        place = tree.root / "tmp/exodus"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for found in arguments.peers.glob("lib/python*/site-packages/exodus_bundler"):
            shutil.copytree(found, place / "exodus_bundler")
        tools["exodus"] = [
            "chroot", tree.root, "env", "PYTHONPATH=/tmp/exodus", "python3", "-c",
            "from exodus_bundler.cli import main; main()",
            "-q", "-t", "--shell-launchers", "--output=/tmp/exodus/out.tgz",
            *(f"/{Path(program).relative_to(tree.root)}" for program in tree.programs),
        ]  # fmt: skip
    return tools


def _measured(
    tree: Tree, exporter: Path, scratch: Path, arguments: argparse.Namespace
) -> dict[str, Row]:
    tools = _tools(tree, exporter, scratch, arguments)
    rows = {name: Row() for name in tools}
    for _ in range(arguments.repeat):
        for name, command in tools.items():
            if rows[name].wall and rows[name].wall[-1][0] > SLOW:
                continue
            for directory in ("ours", "theirs"):
                shutil.rmtree(scratch / directory, ignore_errors=True)
            (scratch / "theirs").mkdir()
            # What the one before has written is not to be waited for by this one.
            os.sync()
            _run(name, command, rows)
    return rows


def _run(name: str, command: list[str | Path], rows: dict[str, Row]) -> None:
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            print(f"{name} ended with {process.returncode}:", said.read()[-300:], file=sys.stderr)
    row, cpu = rows[name], usage.ru_utime + usage.ru_stime
    row.wall.append((wall, wall / (rows[TAR].wall[-1][0] if name != TAR else wall)))
    row.cpu.append((cpu, cpu / (rows[TAR].cpu[-1][0] if name != TAR else cpu)))
    row.memory = max(row.memory, usage.ru_maxrss * 1024 / 1e6)


def _print(tree: Tree, rows: dict[str, Row]) -> None:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    for name, row in rows.items():
        memory = f"{row.memory:.0f}" if row.memory > own else ""
        times = " | ".join(
            f"{statistics.median(values):.2f}"
            for runs in (row.wall, row.cpu)
            for values in zip(*runs, strict=True)
        )
        print(f"| {tree.name} | {name} | {times} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
