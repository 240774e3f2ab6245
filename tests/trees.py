"""Trees as text, real ELF files and small dpkg databases, for the tests of the exporter."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rootfs_ansible.exporter import FRAGMENT, export
from rootfs_ansible.model.manifest import Fragment
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import (
    Companion,
    ExportRequest,
    Foreign,
    Output,
    Prune,
    Scope,
)


def plant(root: Path, text: str) -> Path:
    """Make the tree that ``text`` lists, one path a line, parents as needed (mode 0755).

    A line is ``PATH/``, ``PATH CONTENT…``, ``PATH -> TARGET``, ``PATH = EARLIER`` (a hard link),
    ``PATH fifo`` or ``PATH socket``; a mode and an owner may come before the path
    (``4755 1000:1000 /usr/bin/x``). ``\\n`` in a content is a line's end.
    """
    for line in filter(None, map(str.strip, text.splitlines())):
        mode, owner = None, None
        while not line.startswith("/"):
            word, _, line = line.partition(" ")
            if ":" in word:
                owner = tuple(map(int, word.split(":")))
            else:
                mode = int(word, 8)
        name, _, rest = line.partition(" ")
        path = root / name.strip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif rest.startswith("-> "):
            path.symlink_to(rest[3:])
        elif rest.startswith("= "):
            path.hardlink_to(root / rest[2:].strip("/"))
        elif rest == "fifo":
            os.mkfifo(path)
        elif rest == "socket":
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(os.fspath(path))
        else:
            path.write_text(rest.replace("\\n", "\n"))
        if owner is not None:
            os.chown(path, *owner, follow_symlinks=False)
        if not path.is_symlink():
            default = 0o755 if path.is_dir() else 0o644
            if mode is not None or name.endswith("/") or " = " not in line:
                path.chmod(mode if mode is not None else default)
    return root


def library(
    root: Path,
    path: str,
    needed: Iterable[str] = (),
    *,
    soname: str = "",
    runpath: str = "",
    rpath: str = "",
    program: bool = False,
    machine: int = 0,
    linking: Iterable[str] = (),
) -> Path:
    """Put an ELF file at ``path`` in ``root``, made by the compiler, without a C library.

    ``needed`` are the sonames it needs, ``machine`` is another ``e_machine`` than the compiler's,
    ``linking`` more options of gcc.
    A shared object has its file name as soname by default.
    """
    name = soname or path.rpartition("/")[2]
    data = bytearray(_elf(name, tuple(needed), runpath, rpath, program, tuple(linking)))
    if machine:
        data[18:20] = machine.to_bytes(2, "little")
    file = root / path.strip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(0o755)
    return file


@cache
def _elf(
    name: str,
    needed: tuple[str, ...],
    runpath: str,
    rpath: str,
    program: bool,
    linking: tuple[str, ...],
) -> bytes:
    with TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "x.c").write_text("int x; int _start(void) { return x; }")
        stubs = []
        for number, soname in enumerate(needed):
            stub = directory / f"stub{number}.so"
            _compile(directory, "-shared", f"-Wl,-soname,{soname}", "-o", stub, *linking)
            stubs.append(stub)
        kind = ["-pie", "-fPIE"] if program else ["-shared", f"-Wl,-soname,{name}"]
        path = []
        if runpath:
            path = ["-Wl,--enable-new-dtags", f"-Wl,-rpath,{runpath}"]
        elif rpath:
            path = ["-Wl,--disable-new-dtags", f"-Wl,-rpath,{rpath}"]
        options = [*kind, *path, *linking, "-Wl,--no-as-needed"]
        _compile(directory, *options, "-o", directory / "out", *stubs)
        return (directory / "out").read_bytes()


def _compile(directory: Path, *arguments: str | Path) -> None:
    subprocess.run(
        ["gcc", "-nostdlib", "-fPIC", "-Wl,--build-id=none", directory / "x.c", *arguments],
        check=True,
        capture_output=True,
    )


def compiled(directory: Path, source: str, *words: str | Path) -> Path:
    """Return what gcc makes of ``source``, without a C library."""
    directory.mkdir(parents=True, exist_ok=True)
    code, out = directory / "x.c", directory / "out"
    code.write_text(source)
    subprocess.run(
        ["gcc", "-nostdlib", "-fPIC", code, "-o", out, *words], check=True, capture_output=True
    )
    return out


def written(
    bits: int,
    order: str,
    machine: int = 62,
    entries: str = "",
    strings: bytes = b"\0libone.so.1\0$ORIGIN\0",
) -> bytes:
    """Return the smallest shared object of a word size and byte order, with its dynamic section.

    ``entries`` are lines ``TAG VALUE``. Of its ``strings``, "libone.so.1" is at 1, "$ORIGIN" at 13.
    """
    sign, wide = "<" if order == "little" else ">", bits == 64
    header, segment = (64, 56) if wide else (52, 32)
    word = "qQ" if wide else "iI"
    at = header + 2 * segment
    pairs = [tuple(int(number, 0) for number in line.split()) for line in entries.splitlines()]
    size = struct.calcsize(sign + word) * (len(pairs) + 3)
    pairs += [(5, at + size), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack(sign + word, *pair) for pair in pairs)
    end = at + size + len(strings)
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "little" else 2, 1, 0]) + bytes(8)
    layout = "HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"
    data = ident + struct.pack(
        sign + layout, 3, machine, 1, 0, header, 0, 0, header, segment, 2, 0, 0, 0
    )
    for kind, offset, length in ((1, 0, end), (2, at, size)):
        if wide:
            data += struct.pack(sign + "IIQQQQQQ", kind, 4, offset, offset, 0, length, length, 8)
        else:
            data += struct.pack(sign + "IIIIIIII", kind, offset, offset, 0, length, length, 4, 4)
    return data + dynamic + strings


LOADER = "/lib64/ld-linux-x86-64.so.2"


def package(root: Path, name: str, *paths: str, **fields: str) -> None:
    """Record in the dpkg database of ``root`` that package ``name`` owns ``paths``."""
    database = root / "var/lib/dpkg"
    (database / "info").mkdir(parents=True, exist_ok=True)
    known = {
        "Package": name.partition(":")[0],
        "Status": "install ok installed",
        "Architecture": "amd64",
        "Version": "1.0-1",
        "Description": f"{name} for tests\n more of it",
    } | {key.replace("_", "-"): value for key, value in fields.items()}
    with (database / "status").open("a") as status:
        status.writelines(f"{key}: {value}\n" for key, value in known.items())
        status.write("\n")
    above = {str(parent) for path in paths for parent in Path(path).parents}
    listed = sorted({"/.", *above, *paths} - {"/"})
    (database / "info" / f"{name}.list").write_text("\n".join(listed) + "\n")


def output(path: str = "", layer: str = "app", by: str = "test", **more: Any) -> Output:
    """Return an output; ``foreign="omit"`` as in JSON."""
    if "foreign" in more:
        more["foreign"] = Foreign(more["foreign"])
    return Output(layer=layer, by=by, path=path, **more)


@dataclass(frozen=True)
class Exported:
    """What an export wrote, to be compared with text."""

    fragment: Fragment
    directory: Path

    @property
    def paths(self) -> dict[str, str]:
        """Every path but directories → its layer."""
        return {
            str(entry.path): entry.layer
            for entry in self.fragment.entries
            if entry.kind != "directory"
        }

    @property
    def edges(self) -> set[str]:
        return {
            f"{edge.source} -{edge.kind}-> {edge.target}"
            for edge in self.fragment.edges
            if edge.kind not in ("declared", "parent")
        }

    @property
    def needs(self) -> dict[str, str]:
        return {
            str(need.path): f"{need.package} {need.version} {need.kind}"
            + ("" if need.direct else " indirect")
            for need in self.fragment.needs
        }

    @property
    def omitted(self) -> dict[str, str]:
        return {item.path: f"{item.kind}: {item.reason}" for item in self.fragment.omitted}

    def why(self, path: str) -> set[str]:
        return {
            f"{edge.source} -{edge.kind}-> {edge.detail}"
            for edge in self.fragment.edges
            if edge.target == path
        }

    def tree(self, layer: str = "app") -> list[str]:
        """The layer's tar as sorted text."""
        return listed(self.directory / f"{layer}.tar")


def listed(path: Path) -> list[str]:
    """Return the members of a tar as text, in the order of the archive."""
    found = []
    with tarfile.open(path, errorlevel=2) as tar:
        for member in tar:
            line = f"/{member.name} "
            owner = f" {member.uid}:{member.gid}" if member.uid or member.gid else ""
            if member.isdir():
                line += f"dir {member.mode:04o}{owner}"
            elif member.issym():
                line += f"-> {member.linkname}"
            elif member.islnk():
                line += f"= /{member.linkname}"
            else:
                stream = tar.extractfile(member)
                assert stream is not None
                content = stream.read()
                shown = (
                    content.decode(errors="replace")
                    if len(content) < 60
                    else f"({len(content)} bytes)"
                )
                line += f"file {member.mode:04o}{owner} {shown}".replace("\n", "\\n").rstrip()
            found.append(line)
    return found


def exported(
    root: Path,
    *outputs: Output | str,
    layers: Iterable[str] = (),
    build: bool = False,
    scope: Scope | None = None,
    prune: Iterable[Prune] = (),
    companions: Iterable[Companion] = (),
    provided: Iterable[str] = (),
    into: Path | None = None,
    **more: Any,
) -> Exported:
    """Export ``outputs`` (paths go to layer app) of the tree ``root``."""
    declared = tuple(output(item) if isinstance(item, str) else item for item in outputs)
    known = tuple(dict.fromkeys(item.layer for item in declared)) or ("app",)
    request = ExportRequest(
        layers=tuple(layers) or known,
        outputs=declared,
        scope=scope or (Scope.BUILD if build else Scope.ALL),
        prune=tuple(prune),
        companions=tuple(companions),
        provided=tuple(map(ImagePath, provided)),
        **more,
    )
    # What crosses the connection is JSON: every test goes through it.
    request = ExportRequest.from_json(request.to_json())
    directory = into or root.with_name(f"{root.name}.export")
    export(root, request, directory)
    fragment = Fragment.from_json(json.loads((directory / FRAGMENT).read_bytes()))
    return Exported(fragment, directory)


def xattrs(values: Mapping[str, bytes], path: Path) -> None:
    for name, value in values.items():
        os.setxattr(path, name, value)
