"""Real files, damaged: a typed error at most, nothing from outside, and little time and memory.

And trees of libraries at random, for which the real loader has the same answer.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fuzzing import damaged, fuzzed, rewritten, tables
from hypothesis import given
from hypothesis import strategies as st
from resolutions import Comparison
from trees import LOADER, compiled, exported, output, plant, written

from rootfs_ansible.errors import RootfsError
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.elf import BrokenElfError, read_elf
from rootfs_ansible.exporter.ldconfig import configured_directories
from rootfs_ansible.exporter.loader import Loader
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ImagePath

LIB = "/usr/lib/x86_64-linux-gnu"
LDCONFIG = shutil.which("ldconfig", path="/sbin:/usr/sbin") or ""
LARGEST = 4 << 20


class Counted(io.BytesIO):
    """A file that says how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self.taken += len(found)
        return found


@contextmanager
def memory(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def elfs(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A program and a library of the compiler's with all tables, and real ones of the machine."""
    directory = tmp_path_factory.mktemp("elfs")
    (directory / "versions").write_text("V_1 { one; }; V_2 { two; } V_1;")
    source = "void one(void) {} void two(void) {}"
    words = ["-shared", "-Wl,-soname,libv.so.1", f"-Wl,--version-script={directory / 'versions'}"]
    words += ["-Wl,-rpath,$ORIGIN:/opt/${LIB}", "-Wl,-f,libaux.so,-F,libfilter.so"]
    provider = compiled(directory / "provider", source, *words)
    source = "void one(void); void two(void); int main(void) { one(); two(); return 0; }"
    (directory / "x.c").write_text(source)
    subprocess.run(["gcc", directory / "x.c", provider, "-o", directory / "out"], check=True)
    real = [Path(sys.executable), Path(LOADER), *Path("/usr/lib").glob("*/libssl.so.*")]
    files = [provider, directory / "out", *(path for path in real if path.exists())]
    return [path.read_bytes() for path in files if path.stat().st_size < LARGEST * 4]


@fuzzed(250)
@given(data=st.data())
def test_any_damage_to_a_real_elf_file_is_read_or_refused(
    elfs: list[bytes], data: st.DataObject
) -> None:
    content = data.draw(st.sampled_from(elfs))
    handle = Counted(data.draw(damaged(content, tables(content))))
    with memory(32 << 20):
        try:
            elf = read_elf(handle)
        except BrokenElfError:
            elf = None
    # The budget, and a page that began within it.
    assert handle.taken <= LARGEST + 4096
    if elf is not None:
        assert len(elf.version_needs) + len(elf.version_definitions) + len(elf.needed) < 1 << 15
        assert elf.libc is not None


@fuzzed(40)
@given(data=st.data())
def test_any_damage_to_real_files_is_exported_or_refused(
    elfs: list[bytes], data: st.DataObject
) -> None:
    """A program, its library and all that says where that is, each damaged now and then."""
    with TemporaryDirectory() as scratch:
        outside = plant(Path(scratch), "/secret SECRET-OUTSIDE\n/tree/")
        root = plant(outside / "tree", f"/lib -> usr/lib\n/lib64 -> usr/lib64\n{LIB}/\n/usr/lib64/")
        shutil.copy(LOADER, root / f"usr{LOADER}")
        texts = {
            "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n/opt/lib\n",
            "etc/ld.so.conf.d/a.conf": b"# Multiarch\n/usr/local/lib\n" + LIB.encode() + b"\n",
            "etc/ld.so.preload": b"/opt/lib/libv.so.1 # always\n",
            "app/script": b"#!/usr/bin/env -S node --flag\nx\n",
        }
        files = {"app/program": elfs[1], "opt/lib/libv.so.1": elfs[0]}
        for place, content in (texts | files).items():
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if place in texts:
                made = data.draw(st.just(content) | rewritten(content))
            else:
                made = data.draw(st.just(content) | damaged(content, tables(content)))
            path.write_bytes(made)
            path.chmod(0o755)
        declared = ["/app", *(["/etc/ld.so.preload"] if data.draw(st.booleans()) else [])]
        foreign = data.draw(st.sampled_from(["keep", "omit"]))
        with memory(96 << 20):
            try:
                found = exported(root, *(output(path, foreign=foreign) for path in declared))
            except RootfsError:
                return
        assert b"SECRET-OUTSIDE" not in (found.directory / "app.tar").read_bytes()
        for entry in found.fragment.entries:
            assert entry.sha256 or entry.kind != "file"


STATUS = b"""Package: base-files
Essential: yes
Status: install ok installed
Priority: required
Architecture: amd64
Version: 13
Provides: base
Description: a system

Package: libz1
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: zlib (1:1.3)
Version: 1:1.3-1
Depends: libc6 (>= 2.34), base | gone
Conffiles:
 /etc/z.conf 0123456789abcdef0123456789abcdef
Description: compression
 more of it
 .
 and more
"""
DATABASE = {
    "status": STATUS,
    "info/base-files.list": b"/.\n/bin\n/usr\n/usr/bin\n/usr/bin/which\n",
    "info/libz1:amd64.list": b"/.\n/usr\n/usr/lib\n/usr/lib/libz.so.1.3\n/usr/bin/which\n",
    "diversions": b"/usr/bin/which\n/usr/bin/which.old\nlibz1\n/lib/x\n/lib/x.usr-is-merged\n:\n",
    "alternatives/awk": b"auto\n/usr/bin/awk\nnawk\n/usr/bin/nawk\n\n/usr/bin/mawk\n5\n\n\n",
}


def database() -> dict[str, bytes]:
    """The machine's own, cut to some packages; a small one where it has none."""
    top = Path("/var/lib/dpkg")
    try:
        found = {"status": b"\n\n".join((top / "status").read_bytes().split(b"\n\n")[:12])}
        for name in ("dpkg", "base-files", "bash", "coreutils"):
            found[f"info/{name}.list"] = (top / f"info/{name}.list").read_bytes()[:8000]
        found["diversions"] = (top / "diversions").read_bytes()
        found["alternatives/awk"] = (top / "alternatives/awk").read_bytes()
    except OSError:
        return DATABASE
    return found


@pytest.mark.parametrize("files", [DATABASE, database()], ids=["small", "real"])
@fuzzed(30)
@given(data=st.data())
def test_any_damage_to_a_package_database_is_read(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    with TemporaryDirectory() as scratch:
        root = plant(Path(scratch), "/lib -> usr/lib\n/usr/lib/libz.so.1.3\n/usr/bin/which")
        plant(root, "/usr/bin/awk -> /etc/alternatives/awk\n/etc/alternatives/awk -> /../../../x")
        for name, content in files.items():
            path = root / "var/lib/dpkg" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.draw(st.just(content) | rewritten(content)))
        with memory(64 << 20):
            found = PackageDatabase(Root(root))
            for name in ("/usr/bin/which", "/usr/lib/libz.so.1.3", "/usr/bin/awk", "/usr"):
                found.owner(ImagePath(name))
                found.is_shared(ImagePath(name))
            found.alternatives()
            for name in ("libz1", "base-files", "dpkg", "bash"):
                package = found.find(name)
                if package is None:
                    continue
                found.parts(package)
                found.needed(package)
                for path in found.files(package):
                    assert path.text.startswith("/")
                    assert ".." not in path.parts


@fuzzed(40)
@given(data=st.data())
def test_any_configuration_of_directories_is_read(data: st.DataObject) -> None:
    """Files that include each other and themselves, by names and by patterns."""
    lines = st.sampled_from(
        [
            "/a", "/b/../c", "include *", "include /etc/*/*", "include a b c", "include ../*/?",
            "include [a-c]", "include /**", "hwcap 0 x", "/x=libc6", "# x", "relative", "include",
        ]
    )  # fmt: skip
    with TemporaryDirectory() as scratch:
        root = plant(Path(scratch), "/etc/d/\n/etc/d/link -> ..\n/etc/c -> ../../../etc/d/a")
        for name in ("ld.so.conf", "a", "b", "d/a", "d/b"):
            text = "\n".join(data.draw(st.lists(lines, max_size=6)))
            content = data.draw(st.just(text.encode()) | rewritten(text.encode()))
            (root / "etc" / name).write_bytes(content)
        with memory(32 << 20):
            try:
                found = configured_directories(Root(root))
            except RootfsError:
                return
        assert all(path.text.startswith("/") for path in found)


# --- trees of libraries, for which the real loader has the same answer ---

# Two differences are known, and kept out. A machine's cache has the default directories, too: of
# two that have a file of one name, the one that says so of itself comes first. An image has no
# such cache, so here is but one of them. And a link in circles ends the real search for its name.
NAMES = ["liba.so.1", "libb.so.1", "libc1.so.1", "d.so", "liba.so"]
PLACES = [
    "/opt/a", "/opt/b", "/app", "/app/lib", LIB, "/opt/lib/x86_64-linux-gnu",
    "/opt/a/glibc-hwcaps/x86-64-v2", f"{LIB}/glibc-hwcaps/x86-64-v3", "/opt/x86_64",
]  # fmt: skip
PATHS = st.lists(
    st.sampled_from(
        [
            "/opt/a", "/opt/b", "$ORIGIN", "${ORIGIN}/lib", "$ORIGIN/../app", "/opt/$LIB", "/link",
            "/opt/${PLATFORM}", "/link/../b", "/none", "", "/opt/$ORIGIN", "/opt//a/", "/opt/./b",
        ]
    ),
    max_size=3,
).map(":".join)  # fmt: skip


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """An object as the link editor could make it, of the tables that a search depends on."""
    strings, entries = b"\0", []

    def name(text: str) -> int:
        nonlocal strings
        strings += text.encode() + b"\0"
        return len(strings) - len(text.encode()) - 1

    if draw(st.integers(0, 3)):
        entries.append((14, name(draw(st.sampled_from(NAMES)))))
    for needed in draw(st.lists(st.sampled_from([*NAMES, "/opt/a/liba.so.1"]), max_size=3)):
        entries.append((1, name(needed)))
    for tag in draw(st.sampled_from([(), (15,), (29,), (29,), (15, 29)])):
        entries.append((tag, name(draw(PATHS))))
    if not draw(st.integers(0, 5)):
        entries.append((0x6FFFFFFB, 0x800))
    machine = draw(st.sampled_from([62] * 9 + [183]))
    text = "\n".join(f"{tag} {value}" for tag, value in entries)
    data = bytearray(written(64, "little", machine, text, strings))
    # The real loader maps whole pages.
    data[64 + 48 : 64 + 56] = (4096).to_bytes(8, "little")
    return bytes(data)


@pytest.mark.skipif(
    not LDCONFIG or not Path(LOADER).exists() or os.geteuid() != 0,
    reason="the real loader is asked in a root of its own",
)
@fuzzed(40)
@given(
    places=st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(NAMES), objects()),
        min_size=1, max_size=7, unique_by=lambda item: item[:2],
    ),
    links=st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        max_size=2,
    ),
    top=objects(),
    configured=st.lists(st.sampled_from(["/opt/a", "/opt/b", LIB, "/link", "/app"]), max_size=3),
    preload=st.lists(st.sampled_from([*NAMES, "/opt/a/liba.so.1", "/none"]), max_size=2),
)  # fmt: skip
def test_the_real_loader_has_the_same_answer(
    places: list[tuple[str, str, bytes]],
    links: list[tuple[str, str, str]],
    top: bytes,
    configured: list[str],
    preload: list[str],
) -> None:
    if top[18] != 62:
        return
    with TemporaryDirectory() as scratch:
        root = plant(
            Path(scratch), f"/lib -> usr/lib\n{LIB}/\n/link -> opt/a\n/opt/a/\n/app/\n/etc/"
        )
        plant(root, "\n".join(f"{place}/{name} x" for place, name, _ in places))
        for place, name, content in [*places, ("/app", "top", top)]:
            (root / place.lstrip("/") / name).write_bytes(content)
        for place, name, target in links:
            path = root / place.lstrip("/") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            is_circle = target == name or path.with_name(target).is_symlink()
            if not os.path.lexists(path) and not is_circle:
                path.symlink_to(target)
        (root / "etc/ld.so.preload").write_text("\n".join(preload))
        (root / "etc/ld.so.conf").write_text("\n".join(configured))
        shutil.copy(LOADER, root / "ld.so")
        subprocess.run([LDCONFIG, "-X", "-r", root], check=True, capture_output=True)
        comparison = Comparison(root, "/ld.so")
        path = ImagePath("/app/top")
        loading = Loader(Root(root)).load(path, preload=True)
        # The real one is told to take none of those for newer processors.
        if not any("glibc-hwcaps" in item.found.text for item in loading.objects):
            assert comparison.difference(path, comparison.theirs(path)) == ""
