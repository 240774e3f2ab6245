"""What the build of a system's loader fixes for each architecture of Linux."""

from __future__ import annotations

from dataclasses import dataclass

from rootfs_ansible.exporter.elf import Architecture


@dataclass(frozen=True, slots=True)
class Platform:
    """One architecture as the distributions have it.

    ``name`` is that of ``uname -m``, ``triplets`` Debian's library directories, ``library`` that
    of the other distributions, ``interpreters`` glibc's loaders, ``token`` the kernel's name of
    the baseline (AT_PLATFORM, ``$PLATFORM``), ``musl`` the names that musl's loader goes by.
    """

    architecture: Architecture
    name: str
    triplets: tuple[str, ...]
    library: str
    interpreters: tuple[str, ...]
    token: str
    musl: tuple[str, ...]


# Interpreters: https://sourceware.org/glibc/wiki/ABIList; triplets:
# https://wiki.debian.org/Multiarch/Tuples; e_machine: gABI chapter 4.
_ALL = (
    Platform(
        Architecture(64, "little", 62),
        "x86_64",
        ("x86_64-linux-gnu",),
        "lib64",
        ("/lib64/ld-linux-x86-64.so.2",),
        "x86_64",
        ("x86_64",),
    ),
    Platform(
        Architecture(32, "little", 62),
        "x32",
        ("x86_64-linux-gnux32",),
        "libx32",
        ("/libx32/ld-linux-x32.so.2",),
        "x86_64",
        ("x32",),
    ),
    Platform(
        Architecture(32, "little", 3),
        "i686",
        ("i386-linux-gnu",),
        "lib32",
        ("/lib/ld-linux.so.2",),
        "i686",
        ("i386",),
    ),
    Platform(
        Architecture(64, "little", 183),
        "aarch64",
        ("aarch64-linux-gnu",),
        "lib64",
        ("/lib/ld-linux-aarch64.so.1",),
        "aarch64",
        ("aarch64",),
    ),
    Platform(
        Architecture(32, "little", 40),
        "armv7l",
        ("arm-linux-gnueabihf", "arm-linux-gnueabi"),
        "lib",
        ("/lib/ld-linux-armhf.so.3", "/lib/ld-linux.so.3"),
        "v7l",
        ("armhf", "arm"),
    ),
    Platform(
        Architecture(64, "little", 21),
        "ppc64le",
        ("powerpc64le-linux-gnu",),
        "lib64",
        ("/lib64/ld64.so.2",),
        "power8",
        ("powerpc64le",),
    ),
    Platform(
        Architecture(64, "big", 22),
        "s390x",
        ("s390x-linux-gnu",),
        "lib64",
        ("/lib/ld64.so.1",),
        "z900",
        ("s390x",),
    ),
    Platform(
        Architecture(64, "little", 243),
        "riscv64",
        ("riscv64-linux-gnu",),
        "lib64",
        ("/lib/ld-linux-riscv64-lp64d.so.1",),
        "riscv64",
        ("riscv64",),
    ),
    Platform(
        Architecture(64, "little", 258),
        "loongarch64",
        ("loongarch64-linux-gnu",),
        "lib64",
        ("/lib64/ld-linux-loongarch-lp64d.so.1",),
        "loongarch64",
        ("loongarch64",),
    ),
    Platform(
        Architecture(64, "little", 8),
        "mips64",
        ("mips64el-linux-gnuabi64",),
        "lib64",
        ("/lib64/ld.so.1",),
        "mips",
        ("mips64el",),
    ),
)

PLATFORMS = {platform.architecture: platform for platform in _ALL}
