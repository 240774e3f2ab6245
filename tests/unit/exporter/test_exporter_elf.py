"""Reading ELF files: what the compiler wrote is found, and what harm wrote is refused."""

from __future__ import annotations

import io
import struct
import subprocess
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st
from trees import compiled, library, written

from rootfs_ansible.exporter.elf import (
    BinaryFormat,
    BrokenElfError,
    ElfFile,
    ElfType,
    Libc,
    VersionNeed,
    binary_format,
    read_elf,
)


def read(path: Path) -> ElfFile:
    with path.open("rb") as handle:
        elf = read_elf(handle)
    assert elf is not None
    return elf


def parsed(data: bytes) -> ElfFile | None:
    return read_elf(io.BytesIO(data))


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A program with all tables, as the compiler makes it."""
    directory = tmp_path_factory.mktemp("program")
    source = "int main(void) { return 0; }"
    (directory / "x.c").write_text(source)
    subprocess.run(["gcc", directory / "x.c", "-o", directory / "out"], check=True)
    return (directory / "out").read_bytes()


class TestReading:
    @pytest.mark.parametrize("bits", [32, 64])
    @pytest.mark.parametrize("order", ["little", "big"])
    def test_every_word_size_and_byte_order(self, bits: int, order: str) -> None:
        elf = parsed(written(bits, order, 22, "1 1\n29 13\n0x6ffffffb 0x800"))
        assert elf is not None
        assert elf.architecture == (bits, order, 22)
        assert (elf.type, elf.needed, elf.runpath) == (3, ("libone.so.1",), "$ORIGIN")
        assert elf.skips_default_directories

    def test_a_library(self, tmp_path: Path) -> None:
        path = library(tmp_path, "/libx.so.1", ["liba.so.1", "libb.so.2"], runpath="$ORIGIN/../x")
        elf = read(path)
        assert (elf.soname, elf.needed) == ("libx.so.1", ("liba.so.1", "libb.so.2"))
        assert (elf.runpath, elf.rpath) == ("$ORIGIN/../x", "")
        assert elf.is_dynamic
        assert elf.is_loadable
        assert not elf.is_static
        assert not elf.is_pie

    def test_the_older_search_path(self, tmp_path: Path) -> None:
        elf = read(library(tmp_path, "/libx.so.1", rpath="/opt/a:/opt/b"))
        assert (elf.rpath, elf.runpath) == ("/opt/a:/opt/b", "")

    def test_a_program_and_its_interpreter(self, tmp_path: Path) -> None:
        words = ["-pie", "-Wl,--dynamic-linker=/lib/ld-own.so.9"]
        elf = read(compiled(tmp_path, "void _start(void) {}", *words))
        assert elf.interpreter == "/lib/ld-own.so.9"
        assert elf.is_pie
        assert not elf.is_static

    @pytest.mark.parametrize("words", [["-static"], ["-static-pie"]])
    def test_static_programs(self, tmp_path: Path, words: list[str]) -> None:
        elf = read(compiled(tmp_path, "void _start(void) {}", *words))
        assert elf.is_static
        assert not elf.interpreter

    def test_an_object_file_is_data_to_a_loader(self, tmp_path: Path) -> None:
        elf = read(compiled(tmp_path, "int x;", "-c"))
        assert not elf.is_loadable

    def test_filters_and_flags(self, tmp_path: Path) -> None:
        words = ["-shared", "-Wl,-f,libaux.so,-F,libreal.so,-z,nodefaultlib"]
        elf = read(compiled(tmp_path, "int x;", *words))
        assert (elf.auxiliary, elf.filters) == (("libaux.so",), ("libreal.so",))
        assert elf.skips_default_directories

    def test_symbol_versions(self, tmp_path: Path) -> None:
        versions = tmp_path / "versions"
        versions.write_text("V_1 { one; }; V_2 { two; } V_1;")
        words = ["-shared", "-Wl,-soname,libv.so.1", f"-Wl,--version-script={versions}"]
        provider = compiled(tmp_path / "provider", "void one(void) {} void two(void) {}", *words)
        assert read(provider).version_definitions == ("libv.so.1", "V_1", "V_2")
        source = "void one(void); void two(void); void x(void) { one(); two(); }"
        user = read(compiled(tmp_path / "user", source, "-shared", provider))
        assert set(user.version_needs) == {
            VersionNeed("libv.so.1", "V_1", weak=False),
            VersionNeed("libv.so.1", "V_2", weak=False),
        }

    def test_a_weak_version(self, tmp_path: Path) -> None:
        versions = tmp_path / "versions"
        versions.write_text("V_1 { one; };")
        words = ["-shared", "-Wl,-soname,libv.so.1", f"-Wl,--version-script={versions}"]
        provider = compiled(tmp_path / "provider", "void one(void) {}", *words)
        user = compiled(
            tmp_path / "user", "void one(void); void x(void) { one(); }", "-shared", provider
        )
        data = bytearray(user.read_bytes())
        # An entry: the hash of V_1, no flags yet, the index, the name.
        entry = data.index(struct.pack("<IHH", 0x5C21, 0, 2))
        data[entry + 4] = 2
        elf = parsed(bytes(data))
        assert elf is not None
        assert elf.version_needs == (VersionNeed("libv.so.1", "V_1", weak=True),)

    def test_names_that_are_not_utf_8(self) -> None:
        data = written(64, "little", entries="1 1").replace(b"libone", b"lib\xe9ne")
        elf = parsed(data)
        assert elf is not None
        assert elf.needed == ("lib\udce9ne.so.1",)

    def test_what_is_no_elf_file(self) -> None:
        assert parsed(b"") is None
        assert parsed(b"#!/bin/sh\n") is None


class TestLibc:
    @pytest.mark.parametrize(
        ("needed", "interpreter", "libc"),
        [
            (["libc.so.6"], "", Libc.GLIBC),
            (["libm.so.6"], "/lib64/ld-linux-x86-64.so.2", Libc.GLIBC),
            (["libc.musl-x86_64.so.1"], "", Libc.MUSL),
            (["libc.so"], "", Libc.MUSL),
            ([], "/lib/ld-musl-aarch64.so.1", Libc.MUSL),
            (["libc.so"], "/system/bin/linker64", Libc.BIONIC),
            (["libother.so.1"], "", Libc.NONE),
            ([], "", Libc.NONE),
        ],
    )
    def test_is_told_by_names(self, needed: list[str], interpreter: str, libc: Libc) -> None:
        architecture = read_architecture()
        elf = ElfFile(
            architecture, ElfType.SHARED, 0, interpreter=interpreter, needed=tuple(needed)
        )
        assert elf.libc is libc

    def test_androids_has_versions(self) -> None:
        needs = (VersionNeed("libc.so", "LIBC", weak=False),)
        elf = ElfFile(
            read_architecture(), ElfType.SHARED, 0, needed=("libc.so",), version_needs=needs
        )
        assert elf.libc is Libc.BIONIC


def read_architecture() -> tuple[int, str, int]:
    elf = parsed(written(64, "little"))
    assert elf is not None
    return elf.architecture


class TestBroken:
    def test_a_header_that_ends_early(self) -> None:
        whole = written(64, "little", entries="1 1")
        for size in range(4, len(whole) - 10):
            with pytest.raises(BrokenElfError):
                parsed(whole[:size])

    @pytest.mark.parametrize(
        ("offset", "value", "message"),
        [
            (32, (1 << 64) - 64, "outside the file"),  # e_phoff
            (54, 1, "too short"),  # e_phentsize
            (64 + 56 + 16, 1 << 40, "outside every loaded segment"),  # p_vaddr of PT_DYNAMIC
        ],
    )
    def test_tables_that_are_elsewhere(self, offset: int, value: int, message: str) -> None:
        data = bytearray(written(64, "little", entries="1 1"))
        width = 2 if offset == 54 else 8
        data[offset : offset + width] = value.to_bytes(width, "little")
        with pytest.raises(BrokenElfError, match=message):
            parsed(bytes(data))

    def test_a_name_outside_its_table(self) -> None:
        with pytest.raises(BrokenElfError, match="outside its string table"):
            parsed(written(64, "little", entries="1 4000"))

    def test_a_name_without_an_end(self) -> None:
        data = written(64, "little", entries="1 1")[:-9]
        with pytest.raises(BrokenElfError, match="does not end"):
            parsed(data + b"x" * 9)

    def test_versions_without_an_end(self) -> None:
        """Each of the table's entries says that one more follows."""
        entries = "0x6ffffffe 4096\n0x6fffffff 0x7fffffff\n0x6ffffffc 4096\n0x6ffffffd 0x7fffffff"
        data = bytearray(written(64, "little", entries=entries).ljust(4096, b"\0"))
        data[64 + 32 : 64 + 40] = (1 << 30).to_bytes(8, "little")
        with pytest.raises(BrokenElfError, match="unreasonably"):
            parsed(bytes(data) + struct.pack("<HHIII", 1, 0, 1, 0, 16) * 100_000)

    def test_long_names_without_an_end(self) -> None:
        """Thousands of entries that name the same long text."""
        data = bytearray(written(64, "little", entries="1 13\n" * 8000))
        for field in (32, 40):
            data[64 + field : 64 + field + 8] = (1 << 30).to_bytes(8, "little")
        size = data.rindex(struct.pack("<qQ", 10, 21))
        data[size : size + 16] = struct.pack("<qQ", 10, 1 << 20)
        long = bytes(data[:-1]) + b"x" * 60_000 + b"\0"
        tracemalloc.start()
        with pytest.raises(BrokenElfError, match="unreasonably"):
            parsed(long)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
        tracemalloc.stop()

    def test_tables_without_an_end_cost_little(self) -> None:
        """A dynamic section of a gigabyte, in a file with holes."""
        data = bytearray(written(64, "little", entries="1 1"))
        for header in (64, 64 + 56):
            for field in (32, 40):
                data[header + field : header + field + 8] = (1 << 30).to_bytes(8, "little")
        at = struct.unpack_from("<Q", data, 64 + 56 + 8)[0]
        endless = bytes(data[:at]) + struct.pack("<qQ", 1, 0) * 200_000
        tracemalloc.start()
        with pytest.raises(BrokenElfError, match="unreasonably"):
            parsed(endless)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
        tracemalloc.stop()

    @fuzzed(600)
    @given(
        bits=st.sampled_from([32, 64]),
        order=st.sampled_from(["little", "big"]),
        changes=st.lists(
            st.tuples(
                st.integers(0, 400),
                st.one_of(
                    st.binary(min_size=1, max_size=8),
                    st.sampled_from([b"\xff" * 8, b"\xff" * 4, b"\0" * 8, b"\x7f" + b"\xff" * 7]),
                ),
            ),
            max_size=8,
        ),
        cut=st.integers(0, 500),
    )
    def test_a_damaged_file_is_read_or_refused(
        self, bits: int, order: str, changes: list[tuple[int, bytes]], cut: int
    ) -> None:
        entries = "1 1\n15 13\n14 1\n0x6ffffffe 200\n0x6fffffff 3\n0x6ffffffc 210\n0x6ffffffd 3"
        data = bytearray(written(bits, order, entries=entries))
        for offset, change in changes:
            data[offset : offset + len(change)] = change
        with suppress(BrokenElfError):
            parsed(bytes(data[: len(data) - cut] if cut < 400 else data))

    @fuzzed(300)
    @given(data=st.data())
    def test_a_damaged_program_is_read_or_refused(
        self, program: bytes, data: st.DataObject
    ) -> None:
        damaged = bytearray(program)
        for _ in range(data.draw(st.integers(1, 6))):
            offset = data.draw(st.integers(0, min(len(program), 4096) - 9))
            change = data.draw(st.binary(min_size=1, max_size=8))
            damaged[offset : offset + len(change)] = change
        with suppress(BrokenElfError):
            parsed(bytes(damaged))


class TestFormats:
    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            (b"\x7fELF\x02", BinaryFormat.ELF),
            (b"\xcf\xfa\xed\xfe" + bytes(8), BinaryFormat.MACH_O),
            (b"\xce\xfa\xed\xfe" + bytes(8), BinaryFormat.MACH_O),
            (b"\xca\xfe\xba\xbe\0\0\0\x02", BinaryFormat.MACH_O),
            (b"\xca\xfe\xba\xbe\0\0\0\x37", None),  # a class of Java 11
            (b"MZ" + bytes(58) + b"\x80\0\0\0" + bytes(64) + b"PE\0\0", BinaryFormat.PE),
            (b"MZ" + bytes(58) + b"\xff\xff\xff\xff" + bytes(64), None),
            (b"MZ is how this text starts", None),
            (b"#!/bin/sh", None),
            (b"", None),
        ],
    )
    def test_are_told_by_the_first_bytes(self, head: bytes, expected: BinaryFormat | None) -> None:
        assert binary_format(head) is expected
