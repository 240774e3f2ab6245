"""The loader's cache: made for libraries that ld.so.conf alone leads to, read by the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from trees import exported, library, output, package, plant

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.elf import Architecture
from rootfs_ansible.exporter.ldcache import Cached, cache
from rootfs_ansible.model.path import ImagePath

X86_64 = Architecture(64, "little", 62)


def compile_(source: str, *arguments: str | Path) -> None:
    command = ["gcc", "-xc", "-", *arguments]
    subprocess.run(command, input=source, text=True, check=True, capture_output=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with the C library of this machine, and programs whose libraries lie elsewhere."""
    root = plant(
        tmp_path / "tree",
        r"/etc/ld.so.conf include /etc/ld.so.conf.d/*.conf\n"
        "\n"
        r"/etc/ld.so.conf.d/local.conf /usr/local/lib\n",
    )
    (root / "usr/local/lib").mkdir(parents=True)
    for number in (2, 9, 10):
        compile_(
            f"int number{number}(void) {{ return {number}; }}",
            "-shared",
            f"-Wl,-soname,libnumber.so.{number}",
            "-o",
            root / f"usr/local/lib/libnumber.so.{number}",
        )
        compile_(
            f"#include <stdio.h>\nint number{number}(void);"
            f'int main(void) {{ printf("%d", number{number}()); return 0; }}',
            "-o",
            root / f"number{number}",
            "-Wl,--no-as-needed",
            "-x",
            "none",
            root / f"usr/local/lib/libnumber.so.{number}",
        )
    listed = subprocess.run(["ldd", root / "number9"], capture_output=True, text=True).stdout
    for word in listed.split():
        if word.startswith("/") and Path(word).exists():
            target = root / word.strip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(word, target)
    return root


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot(2) needs root")
def test_the_real_loader_finds_what_the_cache_leads_to(root: Path) -> None:
    programs = [f"/number{number}" for number in (2, 9, 10)]
    found = exported(root, *programs)
    assert found.why("/etc/ld.so.cache") == {
        f"/usr/local/lib/libnumber.so.{number} -elf-> libnumber.so.{number}"
        for number in (2, 9, 10)
    }
    tree = found.directory / "tree"
    tree.mkdir()
    subprocess.run(["tar", "-xf", found.directory / "app.tar", "-C", tree], check=True)
    for program in programs:
        done = subprocess.run(["chroot", tree, program], capture_output=True, text=True)
        assert done.stdout == program.removeprefix("/number"), done.stderr
    (tree / "etc/ld.so.cache").unlink()
    assert subprocess.run(["chroot", tree, "/number9"], capture_output=True).returncode != 0


def test_ldconfig_reads_the_cache(tmp_path: Path) -> None:
    names = ["libz.so.1", "libnumber.so.10", "libnumber.so.9", "liba.so", "lib.so.10a"]
    content = cache(Cached(name, ImagePath(f"/opt/{name}"), X86_64) for name in names)
    assert content == cache(
        Cached(name, ImagePath(f"/opt/{name}"), X86_64) for name in reversed(names)
    )
    (tmp_path / "cache").write_bytes(content)
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin")
    if ldconfig is None:
        pytest.skip("there is no ldconfig")
    shown = subprocess.run(
        [ldconfig, "-p", "-C", tmp_path / "cache"], capture_output=True, text=True, check=True
    )
    assert [line.strip() for line in shown.stdout.splitlines()[1:] if "=>" in line] == [
        f"{name} (libc6,x86-64) => /opt/{name}"
        for name in ("libz.so.1", "libnumber.so.10", "libnumber.so.9", "liba.so", "lib.so.10a")
    ]


def test_default_directories_need_no_cache(root: Path) -> None:
    (root / "usr/local/lib/libnumber.so.9").rename(root / "lib/libnumber.so.9")
    assert "/etc/ld.so.cache" not in exported(root, "/number9").paths


def test_two_caches_do_not_fit(root: Path) -> None:
    with pytest.raises(ClosureError) as caught:
        exported(root, "/number9", provided=["/etc/ld.so.cache"])
    assert caught.value.details == (
        "/etc/ld.so.cache (the only way to libnumber.so.9, and it cannot be made; give a RUNPATH),"
        " needed by /number9",
    )


def test_what_staging_ships_is_cached_there(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree", r"/etc/ld.so.conf /opt/lib\n")
    library(root, "/opt/lib/libx.so.1")
    library(root, "/app/a.node", ["libx.so.1"])
    package(root, "libx1", "/opt/lib/libx.so.1")
    built = exported(root, output("/app"), build=True)
    assert list(built.paths) == ["/app/a.node"]
    staged = exported(
        root,
        layers=["system"],
        seeds=built.fragment.needs,
        seed_layer="system",
        into=tmp_path / "staged",
    )
    assert "/etc/ld.so.cache" in staged.paths
