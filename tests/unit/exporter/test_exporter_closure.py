"""The closure: which files come with the outputs, along which edges, and what is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from trees import LOADER, exported, library, output, package, plant

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.model.manifest import EdgeKind, Need
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import Companion, Prune


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


@pytest.fixture
def system(root: Path) -> Path:
    """A tree with a loader, usrmerge, and libz and libssl as Debian has them."""
    plant(root, "/lib64 -> usr/lib64\n/lib -> usr/lib")
    library(root, "/usr/lib64/ld-linux-x86-64.so.2")
    library(root, "/usr/lib/x86_64-linux-gnu/libz.so.1.3", soname="libz.so.1")
    library(root, "/usr/lib/x86_64-linux-gnu/libssl.so.3", ["libz.so.1"])
    plant(root, "/usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.3")
    package(root, "base-files", "/lib", "/lib64", "/usr/lib")
    package(root, "libc6", "/usr/lib64/ld-linux-x86-64.so.2")
    package(
        root,
        "zlib1g",
        "/usr/lib/x86_64-linux-gnu/libz.so.1",
        "/usr/lib/x86_64-linux-gnu/libz.so.1.3",
        Source="zlib (1:1.3)",
    )
    package(root, "libssl3", "/usr/lib/x86_64-linux-gnu/libssl.so.3")
    return root


LIB = "/usr/lib/x86_64-linux-gnu"
SEARCHED = f"searched in /lib/x86_64-linux-gnu, {LIB}, /lib, /usr/lib"


def shipped(paths: dict[str, str]) -> list[str]:
    """The paths without the records of packages, which have tests of their own."""
    return [path for path in paths if not path.startswith("/var/lib/dpkg/")]


class TestLinks:
    def test_a_link_brings_what_it_leads_to(self, root: Path) -> None:
        plant(root, "/app/x -> /opt/a\n/opt/a -> v/b\n/opt/v -> v2\n/opt/v2/b content")
        found = exported(root, "/app")
        assert found.tree() == [
            "/app dir 0755",
            "/app/x -> /opt/a",
            "/opt dir 0755",
            "/opt/a -> v/b",
            "/opt/v -> v2",
            "/opt/v2 dir 0755",
            "/opt/v2/b file 0644 content",
        ]
        assert found.edges == {
            "/app/x -symlink-> /opt/a",
            "/app/x -symlink-> /opt/v",
            "/opt/a -symlink-> /opt/v",
            "/opt/a -symlink-> /opt/v2/b",
            "/opt/v -symlink-> /opt/v2",
        }

    @pytest.mark.parametrize("target", ["/dev/stdout", "/proc/self/fd/1", "../run/x.sock", "/sys"])
    def test_a_link_to_the_running_system_stays_alone(self, root: Path, target: str) -> None:
        plant(root, f"/app/log -> {target}\n/dev/stdout x\n/proc/self/fd/1 x\n/run/x.sock x\n/sys/")
        assert list(exported(root, "/app").paths) == ["/app/log"]

    def test_a_link_to_a_build_directory_brings_all_of_it(self, root: Path) -> None:
        plant(root, "/app/lib -> /build/out\n/build/out/a/x.js\n/build/out/b\n/build/src/x.ts")
        assert list(exported(root, "/app").paths) == [
            "/app/lib",
            "/build/out/a/x.js",
            "/build/out/b",
        ]

    def test_a_link_to_a_common_directory_brings_nothing_of_it(self, root: Path) -> None:
        plant(root, "/app/share -> /usr/share\n/usr/share/a\n/usr/share/b\n/app/up -> ..")
        package(root, "a", "/usr/share/a")
        package(root, "b", "/usr/share/b")
        found = exported(root, "/app")
        assert list(found.paths) == ["/app/share", "/app/up"]
        assert found.omitted == {
            "/app/share": "link: /usr/share is shared by packages; declare what is needed of it"
        }
        assert "/usr/share dir 0755" in found.tree()

    def test_a_link_to_a_packages_directory_brings_what_the_package_has(self, root: Path) -> None:
        plant(root, "/app/www -> /usr/share/js/q\n/usr/share/js/q/q.js\n/usr/share/js/q/made.cache")
        package(root, "libjs-q", "/usr/share/js/q/q.js")
        package(root, "libjs-r", "/usr/share/js/r/r.js")
        assert shipped(exported(root, "/app").paths) == ["/app/www", "/usr/share/js/q/q.js"]

    def test_a_named_link_brings_what_packages_have_there(self, root: Path) -> None:
        plant(root, "/app/fonts -> /usr/share/fonts\n/usr/share/fonts/a\n/usr/share/fonts/b")
        plant(root, "/usr/share/fonts/made.cache")
        package(root, "fonts-a", "/usr/share/fonts/a")
        package(root, "fonts-b", "/usr/share/fonts/b")
        assert shipped(exported(root, "/app/fonts").paths) == [
            "/app/fonts",
            "/usr/share/fonts/a",
            "/usr/share/fonts/b",
        ]

    def test_a_link_to_a_directory_of_which_an_output_has_part(self, root: Path) -> None:
        plant(
            root,
            """
            /app/node_modules/api -> ../apps/api
            /app/apps/api/dist/index.js
            /app/apps/api/src/index.ts
            """,
        )
        assert list(exported(root, "/app/node_modules", "/app/apps/api/dist").paths) == [
            "/app/apps/api/dist/index.js",
            "/app/node_modules/api",
        ]

    def test_a_link_to_a_pruned_directory_brings_it_back(self, root: Path) -> None:
        plant(
            root,
            """
            /app/m/binding.gyp
            /app/m/lib -> deps/js
            /app/m/deps/js/index.js
            /app/m/deps/js/more/x.js
            /app/m/deps/src/x.c
            """,
        )
        rule = Prune("vendored", "sources", "binding.gyp", ("deps/**",))
        found = exported(root, "/app", prune=[rule])
        assert list(found.paths) == [
            "/app/m/binding.gyp",
            "/app/m/deps/js/index.js",
            "/app/m/deps/js/more/x.js",
            "/app/m/lib",
        ]
        assert list(found.omitted) == ["/app/m/deps/src"]
        assert found.why("/app/m/deps/js/more/x.js") >= {"/app/m/lib -symlink-> /app/m/deps/js"}

    def test_a_named_link_must_lead_somewhere(self, root: Path) -> None:
        plant(root, "/usr/bin/x -> y")
        with pytest.raises(ClosureError) as caught:
            exported(root, "/usr/bin/x")
        assert caught.value.details == ("y (the target of the link), needed by /usr/bin/x",)

    def test_a_link_in_circles_is_shipped_as_it_is(self, root: Path) -> None:
        plant(root, "/app/a -> b\n/app/b -> a\n/app/c -> c/c\n/app/here -> .")
        assert list(exported(root, "/app").paths) == ["/app/a", "/app/b", "/app/c", "/app/here"]

    def test_a_link_to_a_fifo_that_is_pruned_is_an_error(self, root: Path) -> None:
        plant(root, "/app/binding.gyp x\n/app/build/f fifo\n/app/link -> build/f")
        prune = [Prune("addon", "x", "binding.gyp", ("build/**",))]
        with pytest.raises(ClosureError, match=r"/app/build/f \(a FIFO, which no image holds\)"):
            exported(root, "/app", prune=prune)

    def test_a_link_to_a_fifo_is_an_error(self, root: Path) -> None:
        plant(root, "/app/x -> /srv/queue\n/srv/queue fifo")
        with pytest.raises(
            ClosureError, match=r"/srv/queue \(a FIFO, which no image holds.*/app/x"
        ):
            exported(root, "/app")


class TestLibraries:
    def test_a_program_brings_its_libraries(self, system: Path) -> None:
        library(system, "/app/run", ["libssl.so.3"], program=True)
        found = exported(system, "/app/run")
        assert shipped(found.paths) == [
            "/app/run",
            "/lib",
            "/lib64",
            f"{LIB}/libssl.so.3",
            f"{LIB}/libz.so.1",
            f"{LIB}/libz.so.1.3",
            "/usr/lib64/ld-linux-x86-64.so.2",
        ]
        assert found.edges >= {
            "/app/run -elf-> /usr/lib64/ld-linux-x86-64.so.2",
            f"/app/run -elf-> {LIB}/libssl.so.3",
            f"{LIB}/libssl.so.3 -elf-> {LIB}/libz.so.1",
            f"{LIB}/libz.so.1 -symlink-> {LIB}/libz.so.1.3",
            "/app/run -symlink-> /lib64",
        }
        assert found.why(f"{LIB}/libssl.so.3") == {"/app/run -elf-> libssl.so.3"}

    def test_every_elf_file_of_a_tree_is_resolved(self, system: Path) -> None:
        library(system, "/app/node_modules/a/build/a.node", ["libz.so.1"])
        library(system, "/app/node_modules/b/plugin", ["libssl.so.3"])
        found = exported(system, "/app")
        assert {f"{LIB}/libz.so.1.3", f"{LIB}/libssl.so.3"} <= set(found.paths)

    def test_all_missing_libraries_are_one_error(self, system: Path) -> None:
        library(system, "/app/a.node", ["libone.so.1", "libz.so.1"])
        library(system, "/app/b.node", ["libtwo.so.2", "libone.so.1"])
        with pytest.raises(ClosureError) as caught:
            exported(system, "/app", "/dist")
        assert caught.value.details == (
            "/dist matches nothing (declared by test, layer app)",
            f"libone.so.1 (a library, {SEARCHED}), needed by /app/a.node",
            f"libone.so.1 (a library, {SEARCHED}), needed by /app/b.node",
            f"libtwo.so.2 (a library, {SEARCHED}), needed by /app/b.node",
        )

    def test_what_is_preloaded_comes_with_the_file_that_names_it(self, system: Path) -> None:
        library(system, "/opt/libpre.so", ["libz.so.1"])
        library(system, "/app/run", program=True)
        plant(system, "/etc/ld.so.preload /opt/libpre.so")
        assert "/opt/libpre.so" not in exported(system, "/app").paths
        for outputs in (["/app", "/etc/ld.so.preload"], ["/etc/ld.so.preload"]):
            found = exported(system, *outputs)
            assert found.edges >= {
                "/etc/ld.so.preload -elf-> /opt/libpre.so",
                f"/opt/libpre.so -elf-> {LIB}/libz.so.1",
            }
            assert {"/opt/libpre.so", f"{LIB}/libz.so.1.3"} <= set(found.paths)

    def test_what_is_preloaded_comes_with_a_link_to_the_file_that_names_it(
        self, system: Path
    ) -> None:
        library(system, "/opt/libpre.so", ["libz.so.1"])
        plant(system, "/opt/preload /opt/libpre.so\n/etc/ld.so.preload -> /opt/preload")
        found = exported(system, "/etc/ld.so.preload")
        assert found.edges >= {
            "/etc/ld.so.preload -symlink-> /opt/preload",
            "/opt/preload -elf-> /opt/libpre.so",
        }
        assert {"/opt/libpre.so", f"{LIB}/libz.so.1.3"} <= set(found.paths)
        (system / "opt/preload").unlink()
        with pytest.raises(ClosureError, match=r"/opt/preload \(the target of the link\)"):
            exported(system, "/etc/ld.so.preload")

    def test_what_is_preloaded_may_come_from_a_lower_layer(self, system: Path) -> None:
        library(system, "/opt/libpre.so", ["libz.so.1"])
        library(system, "/app/run", ["libz.so.1"], program=True)
        plant(system, "/etc/ld.so.preload /opt/libpre.so")
        provided = ["/etc/ld.so.preload", "/opt/libpre.so", f"{LIB}/libz.so.1.3"]
        found = exported(system, "/app", provided=provided)
        assert "/opt/libpre.so" not in found.paths

    def test_what_cannot_be_preloaded_is_an_error(self, system: Path) -> None:
        library(system, "/app/run", program=True)
        plant(system, "/etc/ld.so.preload /opt/libgone.so")
        with pytest.raises(ClosureError, match=r"/opt/libgone.so .* needed by /etc/ld.so.preload"):
            exported(system, "/app", "/etc/ld.so.preload")

    def test_a_missing_interpreter_is_an_error(self, root: Path) -> None:
        library(root, "/app/run", ["libz.so.1"], program=True)
        library(root, "/usr/lib/libz.so.1")
        with pytest.raises(ClosureError, match=f"{LOADER} .*, needed by /app/run"):
            exported(root, "/app/run")

    def test_a_library_that_another_shipped_file_has_loaded(self, system: Path) -> None:
        # A JVM's libjava.so needs libjvm.so, which its launcher loads from another directory.
        library(system, "/app/lib/libjava.so", ["libjvm.so"], runpath="$ORIGIN")
        library(system, "/app/lib/server/libjvm.so")
        found = exported(system, "/app")
        assert "/app/lib/libjava.so -elf-> /app/lib/server/libjvm.so" in found.edges

    def test_a_program_says_where_the_libraries_of_its_libraries_are(self, system: Path) -> None:
        library(
            system,
            "/app/bin/run",
            ["liba.so"],
            rpath="$ORIGIN/../lib:$ORIGIN/../more",
            program=True,
        )
        library(system, "/app/lib/liba.so", ["libb.so"])
        library(system, "/app/more/libb.so")
        library(system, "/opt/more/libb.so")
        found = exported(
            system, output("/app/lib", "low"), output("/app/bin", "high"), layers=["low", "high"]
        )
        assert found.paths["/app/more/libb.so"] == "low"
        assert "/app/lib/liba.so -elf-> /app/more/libb.so" in found.edges

    def test_what_keeps_a_program_from_starting_is_an_error(self, system: Path) -> None:
        # The one program says where libb.so is, the other does not.
        library(system, "/app/one", ["liba.so"], rpath="$ORIGIN/lib", program=True)
        library(system, "/app/two", ["liba.so"], runpath="$ORIGIN/lib", program=True)
        library(system, "/app/lib/liba.so", ["libb.so"])
        library(system, "/app/lib/libb.so")
        with pytest.raises(ClosureError) as caught:
            exported(system, "/app")
        assert caught.value.details == (
            f"libb.so (a library, {SEARCHED}), needed by /app/lib/liba.so",
        )
        (system / "app/two").unlink()
        assert "/app/lib/liba.so -elf-> /app/lib/libb.so" in exported(system, "/app").edges

    def test_a_dropped_library_comes_back(self, system: Path) -> None:
        plant(system, "/app/m/binding.gyp\n/app/m/build/Release/obj/x.o big")
        library(system, "/app/m/build/Release/a.node", ["libv.so"], runpath="$ORIGIN/lib.target")
        library(system, "/app/m/build/Release/lib.target/libv.so", ["libz.so.1"])
        library(system, "/app/m/build/Release/lib.target/libunused.so", ["libnowhere.so"])
        rule = Prune(
            "addon", "objects", "binding.gyp", ("build/**",), ("build/Release/*.node",), "**/*.node"
        )
        found = exported(system, "/app", prune=[rule])
        assert [path for path in found.paths if path.startswith("/app")] == [
            "/app/m/binding.gyp",
            "/app/m/build/Release/a.node",
            "/app/m/build/Release/lib.target/libv.so",
        ]
        assert f"{LIB}/libz.so.1.3" in found.paths
        # What was dropped is there because of this alone, declared or not.
        assert found.why("/app/m/build/Release/lib.target/libv.so") == {
            "/app/m/build/Release/a.node -elf-> libv.so"
        }

    def test_a_library_that_an_addon_names_comes_too(self, system: Path) -> None:
        # kerberos.node opens libgssapi_krb5.so.2 by name; no edge of ELF shows it.
        library(system, f"{LIB}/libgss.so.2", ["libz.so.1"])
        package(system, "libgss2", f"{LIB}/libgss.so.2")
        addon = library(system, "/app/a.node", ["libssl.so.3"])
        text = b"\0libgss.so.2\0libnowhere.so.1\0libssl.so.3\0not-libz.so.1x\0"
        addon.write_bytes(addon.read_bytes() + bytes((1 << 20) - 5 - addon.stat().st_size) + text)
        found = exported(system, "/app")
        assert found.why(f"{LIB}/libgss.so.2") == {
            "/app/a.node -elf-> libgss.so.2 (opened by name)"
        }
        assert found.why(f"{LIB}/libssl.so.3") == {"/app/a.node -elf-> libssl.so.3"}
        built = exported(system, "/app", build=True, into=system.with_name("built"))
        assert built.needs[f"{LIB}/libgss.so.2"] == "libgss2 1.0-1 elf"

    @pytest.mark.parametrize("names", [("a.node", "libb.so"), ("b.node", "liba.so")])
    def test_a_library_that_comes_with_an_addon_names_libraries_too(
        self, system: Path, names: tuple[str, str]
    ) -> None:
        # Which of the two is looked at first must not matter: their names decide that.
        addon, bundled = names
        library(system, f"{LIB}/libgss.so.2")
        file = library(system, f"/app/{bundled}")
        file.write_bytes(file.read_bytes() + b"\0libgss.so.2\0")
        library(system, f"/app/{addon}", [bundled], runpath="$ORIGIN")
        assert exported(system, "/app").why(f"{LIB}/libgss.so.2") == {
            f"/app/{bundled} -elf-> libgss.so.2 (opened by name)"
        }

    def test_what_a_lower_layer_names_came_with_it(self, system: Path) -> None:
        library(system, f"{LIB}/libgss.so.2", ["libz.so.1"])
        file = library(system, "/opt/libb.so")
        file.write_bytes(file.read_bytes() + b"\0libgss.so.2\0")
        library(system, "/app/a.node", ["libb.so"], runpath="/opt")
        found = exported(system, "/app", provided=["/opt/libb.so"])
        assert list(found.paths) == ["/app/a.node"]

    def test_what_a_packages_library_names_is_for_the_package_to_declare(
        self, system: Path
    ) -> None:
        library(system, f"{LIB}/libcursor.so.1")
        file = system / f"{LIB}/libssl.so.3".strip("/")
        file.write_bytes(file.read_bytes() + b"\0libcursor.so.1\0")
        library(system, "/app/a.node", ["libssl.so.3"])
        assert f"{LIB}/libcursor.so.1" not in exported(system, "/app").paths

    def test_object_files_and_broken_ones_are_data(self, system: Path) -> None:
        library(system, "/app/whole.so")
        content = (system / "app/whole.so").read_bytes()
        (system / "app/cut.so").write_bytes(content[:200])
        (system / "app/object.o").write_bytes(content[:16] + b"\1\0" + content[18:])
        assert list(exported(system, "/app").paths) == [
            "/app/cut.so",
            "/app/object.o",
            "/app/whole.so",
        ]


class TestForeign:
    def test_what_this_machine_cannot_load_is_left_out(self, system: Path) -> None:
        prebuilds = "/app/m/prebuilds"
        library(system, f"{prebuilds}/linux-x64/glibc.node", ["libz.so.1"])
        library(system, f"{prebuilds}/linux-x64/musl.node", ["libc.musl-x86_64.so.1"])
        library(system, f"{prebuilds}/linux-arm64/x.node", ["libnowhere.so"], machine=183)
        for name, head in (
            ("darwin/x.node", bytes.fromhex("cffaedfe")),
            ("darwin/fat.node", bytes.fromhex("cafebabe00000002")),
            ("win32/x.node", b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0"),
            ("java/X.class", bytes.fromhex("cafebabe00000041")),
        ):
            path = system / f"{prebuilds}/{name}".strip("/")
            path.parent.mkdir(parents=True) if not path.parent.exists() else None
            path.write_bytes(head + bytes(100))
        plant(system, f"{prebuilds}/linux-arm64/link.node -> x.node")
        found = exported(system, output("/app", foreign="omit"))
        assert [path for path in found.paths if path.startswith("/app")] == [
            f"{prebuilds}/java/X.class",
            f"{prebuilds}/linux-x64/glibc.node",
        ]
        assert {path: why for path, why in found.omitted.items() if "doc" not in path} == {
            f"{prebuilds}/darwin/fat.node": "foreign: a Mach-O file, which Linux does not load",
            f"{prebuilds}/darwin/x.node": "foreign: a Mach-O file, which Linux does not load",
            f"{prebuilds}/linux-arm64/link.node": "foreign: leads to"
            f" {prebuilds}/linux-arm64/x.node: made for aarch64",
            f"{prebuilds}/linux-arm64/x.node": "foreign: made for aarch64",
            f"{prebuilds}/linux-x64/musl.node": "foreign: linked to musl, whose loader is not"
            " there",
            f"{prebuilds}/win32/x.node": "foreign: a PE file, which Linux does not load",
        }
        assert f"{prebuilds}/darwin dir 0755" not in found.tree()

    def test_kept_ones_are_data(self, system: Path) -> None:
        library(system, "/app/firmware.elf", ["libnowhere.so"], machine=183)
        assert list(exported(system, "/app").paths) == ["/app/firmware.elf"]

    def test_a_named_program_must_run_here(self, system: Path) -> None:
        library(system, "/app/arm", machine=183, program=True)
        library(system, "/app/alpine", ["libc.musl-x86_64.so.1"], program=True)
        plant(system, "/usr/bin/tool -> /app/arm")
        with pytest.raises(ClosureError) as caught:
            exported(system, "/app/alpine", "/usr/bin/tool")
        assert caught.value.details == (
            "/app/alpine (linked to musl, whose loader is not there), needed by test",
            "/app/arm (made for aarch64), needed by /usr/bin/tool",
        )
        (system / "app/arm").chmod(0o644)
        assert list(exported(system, "/app/arm").paths) == ["/app/arm"]

    def test_ours_with_a_library_that_is_nowhere_is_an_error(self, system: Path) -> None:
        library(system, "/app/x.node", ["libnowhere.so"])
        with pytest.raises(ClosureError, match=r"libnowhere\.so"):
            exported(system, output("/app", foreign="omit"))


class TestScripts:
    def test_a_named_script_brings_its_interpreter(self, system: Path) -> None:
        plant(system, r"0755 /usr/bin/tool #!/usr/bin/env -S X=1 lang -x\n" + "\n/bin -> usr/bin")
        library(system, "/usr/bin/env", program=True)
        library(system, "/usr/bin/lang", ["libz.so.1"], program=True)
        found = exported(system, "/usr/bin/tool")
        assert {"/usr/bin/env", "/usr/bin/lang", f"{LIB}/libz.so.1.3"} <= set(found.paths)
        assert found.why("/usr/bin/lang") == {"/usr/bin/tool -shebang-> #!/usr/bin/env lang"}

    def test_a_named_script_without_interpreter_is_an_error(self, root: Path) -> None:
        plant(root, r"0755 /a #!/usr/bin/env lang\n" + "\n" + r"0755 /b #!/bin/lang\n")
        plant(root, "0755 /usr/bin/env x")
        with pytest.raises(ClosureError) as caught:
            exported(root, "/a", "/b")
        assert caught.value.details == (
            "/bin/lang (an interpreter), needed by /b",
            "lang (an interpreter), needed by /a",
        )

    def test_a_script_whose_lines_end_in_cr_does_not_run(self, root: Path) -> None:
        plant(root, "0755 /usr/bin/node x\n0755 /usr/bin/env x")
        (root / "app").mkdir()
        for name, line in (("a", "#!/usr/bin/node\r\n"), ("b", "#!/usr/bin/env node\r\n")):
            (root / "app" / name).write_bytes(line.encode())
            (root / "app" / name).chmod(0o755)
        with pytest.raises(ClosureError) as caught:
            exported(root, "/app/a", "/app/b")
        assert caught.value.details == (
            "/usr/bin/node\\r (an interpreter: the first line ends in CR LF), needed by /app/a",
            "node\\r (an interpreter: the first line ends in CR LF), needed by /app/b",
        )
        found = exported(root, "/app", "/usr/bin/node")
        assert found.omitted == {
            f"/app/{name}": f"interpreter: {what}\\r is nowhere: end the first line in LF, without"
            " CR, to run this script"
            for name, what in (("a", "/usr/bin/node"), ("b", "node"))
        }

    def test_no_shell_comes_with_a_stray_script(self, root: Path) -> None:
        plant(
            root,
            r"""
            0755 /app/m/x.sh #!/bin/sh\n
            0755 /app/m/y.py #!/usr/bin/env python3\n
            0644 /app/m/z.sh #!/bin/bash\n
            0755 /bin/sh x
            0755 /usr/bin/env x
            0755 /usr/bin/python3 x
            """,
        )
        found = exported(root, "/app")
        assert list(found.paths) == ["/app/m/x.sh", "/app/m/y.py", "/app/m/z.sh"]
        assert found.omitted == {
            "/app/m/x.sh": "interpreter: /bin/sh is not in the rootfs; declare it to run this"
            " script",
            "/app/m/y.py": "interpreter: python3 is not in the rootfs; declare it to run this"
            " script",
        }

    def test_an_interpreter_that_is_there_is_followed(self, root: Path) -> None:
        plant(
            root,
            r"""
            0755 /app/m/cli.js #!/usr/bin/env node\n
            0755 /app/m/x.pl #!/usr/bin/perl -w\n
            0755 /usr/bin/env x
            0755 /usr/bin/perl x
            0755 /usr/local/bin/node x
            /bin -> usr/bin
            """,
        )
        found = exported(
            root,
            "/app",
            output("/usr/bin/perl", "base"),
            provided=["/usr/local/bin/node"],
        )
        assert list(found.paths) == [
            "/app/m/cli.js",
            "/app/m/x.pl",
            "/usr/bin/env",
            "/usr/bin/perl",
        ]
        assert found.omitted == {}
        assert found.edges == {
            "/app/m/cli.js -shebang-> /usr/bin/env",
            "/app/m/cli.js -shebang-> /usr/local/bin/node",
            "/app/m/x.pl -shebang-> /usr/bin/perl",
        }

    def test_the_interpreter_of_another_layer_need_not_be_in_this_tree(self, root: Path) -> None:
        plant(root, r"0755 /app/x #!/opt/node/bin/node\n")
        found = exported(root, "/app", provided=["/opt/node/bin/node"])
        assert found.edges == {"/app/x -shebang-> /opt/node/bin/node"}


class TestLayers:
    def test_what_two_layers_need_goes_to_the_lower(self, system: Path) -> None:
        library(system, "/opt/low", ["libz.so.1"])
        library(system, "/opt/high", ["libssl.so.3"])
        found = exported(
            system, output("/opt/high", "high"), output("/opt/low", "low"), layers=["low", "high"]
        )
        assert (found.paths[f"{LIB}/libz.so.1.3"], found.paths[f"{LIB}/libssl.so.3"]) == (
            "low",
            "high",
        )
        # The directory is in the lower layer alone.
        assert f"{LIB} dir 0755" in found.tree("low")
        assert f"{LIB} dir 0755" not in found.tree("high")

    def test_a_declared_path_stays_in_its_layer(self, system: Path) -> None:
        library(system, "/opt/low", ["libz.so.1"])
        found = exported(
            system,
            output("/opt/low", "low"),
            output(f"{LIB}/libz.so*", "high"),
            layers=["low", "high"],
        )
        assert found.paths[f"{LIB}/libz.so.1.3"] == "high"

    def test_a_hard_link_across_layers_is_a_copy(self, root: Path) -> None:
        plant(root, "/a/x content\n/a/y = /a/x\n/b/z = /a/x")
        found = exported(root, output("/a", "low"), output("/b", "high"))
        assert found.tree("low")[1:] == ["/a/x file 0644 content", "/a/y = /a/x"]
        assert found.tree("high")[1:] == ["/b/z file 0644 content"]

    def test_what_lower_fragments_provide_is_an_edge(self, system: Path) -> None:
        library(system, "/app/run", ["libssl.so.3"], program=True)
        provided = [
            "/usr",
            "/lib64",
            "/usr/lib64/ld-linux-x86-64.so.2",
            f"{LIB}/libssl.so.3",
            "/lib",
        ]
        found = exported(system, "/app/run", provided=provided)
        assert found.tree() == [
            "/app dir 0755",
            f"/app/run file 0755 ({(system / 'app/run').stat().st_size} bytes)",
        ]
        assert f"/app/run -elf-> {LIB}/libssl.so.3" in found.edges
        # Who provides a file provides what it needs.
        assert not any("libz" in edge for edge in found.edges)

    def test_every_entry_has_a_reason(self, system: Path) -> None:
        library(system, "/app/bin/run", ["libssl.so.3"], program=True)
        plant(
            system,
            """
            /usr/share/doc/zlib1g/copyright zlib
            /etc/os-release -> ../usr/lib/os-release
            /usr/lib/os-release Debian
            """,
        )
        found = exported(system, "/app/bin/run", output(directory="/srv/x"))
        reasons = {edge.target for edge in found.fragment.edges}
        assert {str(entry.path) for entry in found.fragment.entries} - reasons == set()
        assert {edge.target for edge in found.fragment.edges} - {
            str(entry.path) for entry in found.fragment.entries
        } == set()
        assert found.why("/app") == {"/app/bin -parent-> "}


class TestBuildScope:
    def test_what_packages_own_is_needed_and_not_shipped(self, system: Path) -> None:
        library(system, "/app/a.node", ["libssl.so.3"])
        found = exported(system, "/app", build=True)
        assert list(found.paths) == ["/app/a.node"]
        assert found.needs == {
            "/lib": "base-files 1.0-1 symlink",
            f"{LIB}/libssl.so.3": "libssl3 1.0-1 elf",
            f"{LIB}/libz.so.1": "zlib1g 1.0-1 elf indirect",
            f"{LIB}/libz.so.1.3": "zlib1g 1.0-1 symlink indirect",
        }
        assert found.why(f"{LIB}/libssl.so.3") == {"/app/a.node -elf-> libssl.so.3"}
        assert found.why(f"{LIB}/libz.so.1") == set()
        assert {need.source for need in found.fragment.needs} == {
            "/app/a.node",
            f"{LIB}/libssl.so.3",
            f"{LIB}/libz.so.1",
        }

    def test_a_need_that_is_also_direct_says_so(self, system: Path) -> None:
        library(system, "/app/a.node", ["libssl.so.3"])
        library(system, "/app/b.node", ["libz.so.1"])
        found = exported(system, "/app", build=True)
        assert found.needs[f"{LIB}/libz.so.1"] == "zlib1g 1.0-1 elf"

    def test_what_no_package_owns_is_shipped(self, system: Path) -> None:
        library(system, "/app/a.node", ["libmine.so"], runpath="/opt/mine/lib")
        library(system, "/opt/mine/lib/libmine.so", ["libz.so.1"])
        found = exported(system, "/app", build=True)
        assert found.paths["/opt/mine/lib/libmine.so"] == "app"
        assert found.needs[f"{LIB}/libz.so.1"] == "zlib1g 1.0-1 elf"

    def test_provided_libraries_are_no_needs(self, system: Path) -> None:
        library(system, "/app/a.node", ["libssl.so.3"])
        found = exported(system, "/app", build=True, provided=["/lib", f"{LIB}/libssl.so.3"])
        assert found.needs == {}
        assert found.edges == {
            f"/app/a.node -elf-> {LIB}/libssl.so.3",
            "/app/a.node -symlink-> /lib",
        }

    def test_an_alternative_belongs_to_the_package_it_leads_into(self, system: Path) -> None:
        library(system, "/app/a.node", ["libblas.so.3"])
        library(system, f"{LIB}/blas/libblas.so.3")
        package(system, "libblas3", f"{LIB}/blas/libblas.so.3")
        plant(
            system,
            rf"""
            {LIB}/libblas.so.3 -> /etc/alternatives/libblas.so.3-x
            /etc/alternatives/libblas.so.3-x -> {LIB}/blas/libblas.so.3
            /var/lib/dpkg/alternatives/libblas.so.3-x auto\n{LIB}/libblas.so.3\n\n{LIB}/blas/libblas.so.3\n10\n\n
            """,  # noqa: E501
        )
        found = exported(system, "/app", build=True)
        assert {path: need.split()[0] for path, need in found.needs.items()} == {
            "/lib": "base-files",
            f"{LIB}/libblas.so.3": "libblas3",
            "/etc/alternatives/libblas.so.3-x": "libblas3",
            f"{LIB}/blas/libblas.so.3": "libblas3",
        }

    def test_a_library_missing_behind_a_package_is_for_staging_to_find(self, system: Path) -> None:
        library(system, f"{LIB}/libssl.so.3", ["libnowhere.so"])
        library(system, "/app/a.node", ["libssl.so.3"])
        assert f"{LIB}/libssl.so.3" in exported(system, "/app", build=True).needs

    def test_seeds_bring_what_a_build_needs(self, system: Path) -> None:
        library(system, "/app/a.node", ["libssl.so.3"])
        built = exported(system, "/app", build=True)
        found = exported(
            system,
            layers=["system"],
            seeds=built.fragment.needs,
            seed_layer="system",
            provided=["/usr/lib64/ld-linux-x86-64.so.2"],
            into=system.with_name("staged"),
        )
        assert shipped(found.paths)[-3:] == [
            f"{LIB}/libssl.so.3",
            f"{LIB}/libz.so.1",
            f"{LIB}/libz.so.1.3",
        ]
        assert f"/app/a.node -elf-> {LIB}/libssl.so.3" in found.edges

    def test_a_seed_that_is_not_there_is_an_error(self, root: Path) -> None:
        plant(root, "/x")
        need = Need(ImagePath("/lib/libq.so"), "libq1", "2-1", "amd64", "/app/a.node", EdgeKind.ELF)
        with pytest.raises(ClosureError) as caught:
            exported(root, layers=["system"], seeds=(need,), seed_layer="system")
        assert caught.value.details == (
            "/lib/libq.so of package libq1 (2-1), needed by /app/a.node",
        )


FONTS = Companion(
    "fonts", "no text without", ("libfont.so.1",), ("/etc/fonts", "/usr/share/fonts/**")
)


class TestCompanions:
    @pytest.fixture
    def fonts(self, system: Path) -> Path:
        library(system, f"{LIB}/libfont.so.1")
        plant(
            system, "/etc/fonts/fonts.conf\n/etc/fonts/conf.d/10.conf -> /usr/share/avail/10.conf"
        )
        plant(
            system,
            "/usr/share/avail/10.conf\n/usr/share/fonts/sans.ttf\n/usr/share/fonts/.uuid made",
        )
        package(system, "libfont1", f"{LIB}/libfont.so.1")
        package(system, "font-config", "/etc/fonts/fonts.conf", "/usr/share/avail/10.conf")
        package(system, "fonts-sans", "/usr/share/fonts/sans.ttf")
        return system

    def test_a_soname_brings_its_companions(self, fonts: Path) -> None:
        library(fonts, "/app/a.node", ["libfont.so.1"])
        found = exported(fonts, "/app", companions=[FONTS])
        assert {
            "/etc/fonts/conf.d/10.conf",
            "/etc/fonts/fonts.conf",
            "/usr/share/avail/10.conf",
            "/usr/share/fonts/.uuid",
            "/usr/share/fonts/sans.ttf",
        } <= set(found.paths)
        assert found.why("/usr/share/fonts/sans.ttf") == {f"{LIB}/libfont.so.1 -companion-> fonts"}

    def test_without_the_trigger_nothing_comes(self, fonts: Path) -> None:
        library(fonts, "/app/a.node", ["libz.so.1"])
        assert "/etc/fonts/fonts.conf" not in exported(fonts, "/app", companions=[FONTS]).paths

    def test_a_path_fires_a_rule_too(self, root: Path) -> None:
        plant(root, "/usr/bin/node x\n/usr/share/nodejs/undici/index.js")
        rule = Companion("builtins", "aborts without", ("/usr/bin/nod*",), ("/usr/share/nodejs",))
        assert (
            "/usr/share/nodejs/undici/index.js"
            in exported(root, "/usr/bin/node", companions=[rule]).paths
        )

    def test_a_shell_can_be_run_by_its_path(self, system: Path) -> None:
        # system(3) runs /bin/sh, and the package of the shell has it in /usr/bin.
        plant(system, "/bin -> usr/bin\n/usr/bin/sh -> dash")
        library(system, "/usr/bin/dash", program=True)
        package(system, "dash", "/usr/bin/dash", "/usr/bin/sh")
        found = exported(system, output(package="dash"))
        assert "/bin -> usr/bin" in found.tree()
        assert found.why("/bin") == {"/usr/bin/sh -symlink-> /bin/sh"}

    def test_bash_can_be_run_by_its_path(self, system: Path) -> None:
        plant(system, "/bin -> usr/bin")
        library(system, "/usr/bin/bash", program=True)
        found = exported(system, "/usr/bin/bash")
        assert found.why("/bin") == {"/usr/bin/bash -symlink-> /bin/bash"}

    def test_a_companion_brings_its_own_libraries(self, system: Path) -> None:
        library(system, "/usr/lib/plugins/one.so", ["libz.so.1"])
        library(system, "/app/run")
        rule = Companion("plugins", "opened by name", ("/app/run",), ("/usr/lib/plugins/*.so",))
        assert f"{LIB}/libz.so.1.3" in exported(system, "/app", companions=[rule]).paths

    def test_a_companion_that_is_missing_is_an_error(self, system: Path) -> None:
        library(system, "/app/libfont.so.1")
        with pytest.raises(ClosureError) as caught:
            exported(system, "/app", companions=[FONTS])
        assert caught.value.details == (
            "/etc/fonts (companion fonts: no text without), needed by /app/libfont.so.1",
            "/usr/share/fonts/** (companion fonts: no text without), needed by /app/libfont.so.1",
        )
        found = exported(
            system, "/app", companions=[FONTS], provided=["/etc/fonts", "/usr/share/fonts/a.ttf"]
        )
        assert "/app/libfont.so.1" in found.paths

    def test_a_companion_that_leads_nowhere_is_an_error(self, root: Path) -> None:
        plant(root, "/app/x\n/usr/share/x.conf -> gone")
        rule = Companion("x", "reads it", ("/app/x",), ("/usr/share/x.conf",))
        with pytest.raises(ClosureError) as caught:
            exported(root, "/app", companions=[rule])
        assert caught.value.details == (
            "/usr/share/x.conf (companion x: reads it), needed by /app/x",
        )
        again = exported(root, "/app", companions=[replace(rule, optional=True)])
        assert list(again.paths) == ["/app/x"]

    def test_a_companion_missing_in_the_build_is_for_staging_to_find(self, system: Path) -> None:
        library(system, f"{LIB}/libfont.so.1")
        package(system, "libfont1", f"{LIB}/libfont.so.1")
        library(system, "/app/a.node", ["libfont.so.1"])
        needs = exported(system, "/app", build=True, companions=[FONTS]).needs
        assert needs[f"{LIB}/libfont.so.1"] == "libfont1 1.0-1 elf"
        with pytest.raises(ClosureError, match=r"/etc/fonts \(companion fonts"):
            exported(system, "/app", companions=[FONTS])

    def test_a_provided_trigger_fires_where_it_is_reached(self, fonts: Path) -> None:
        library(fonts, "/app/a.node", ["libfont.so.1"])
        provided = ["/lib", f"{LIB}/libfont.so.1"]
        assert (
            "/etc/fonts/fonts.conf"
            in exported(fonts, "/app", companions=[FONTS], provided=provided).paths
        )
        plant(fonts, "/other")
        assert (
            "/etc/fonts/fonts.conf"
            not in exported(
                fonts, "/other", companions=[FONTS], provided=provided, into=fonts.with_name("2")
            ).paths
        )

    def test_packages_of_companions_are_needed(self, fonts: Path) -> None:
        library(fonts, "/app/a.node", ["libfont.so.1"])
        found = exported(fonts, "/app", build=True, companions=[FONTS])
        assert found.needs == {
            "/lib": "base-files 1.0-1 symlink",
            f"{LIB}/libfont.so.1": "libfont1 1.0-1 elf",
            "/etc/fonts/fonts.conf": "font-config 1.0-1 companion",
            "/usr/share/avail/10.conf": "font-config 1.0-1 symlink indirect",
            "/usr/share/fonts/sans.ttf": "fonts-sans 1.0-1 companion",
        }
        # What no package owns (made by a trigger) comes from the staging container, too.
        staged = exported(
            fonts,
            layers=["system"],
            companions=[FONTS],
            seeds=found.fragment.needs,
            seed_layer="system",
            into=fonts.with_name("2"),
        )
        assert {"/usr/share/fonts/.uuid", "/etc/fonts/conf.d/10.conf"} <= set(staged.paths)
        assert not set(staged.paths) & set(found.paths)

    def test_a_companion_of_a_bundled_library_fires_in_staging(self, fonts: Path) -> None:
        library(fonts, "/app/libfont.so.1")
        found = exported(fonts, "/app", build=True, companions=[FONTS])
        assert list(found.paths) == ["/app/libfont.so.1"]
        staged = exported(
            fonts,
            layers=["system"],
            companions=[FONTS],
            seeds=found.fragment.needs,
            seed_layer="system",
            into=fonts.with_name("2"),
        )
        assert {
            "/usr/share/fonts/.uuid",
            "/etc/fonts/conf.d/10.conf",
            "/etc/fonts/fonts.conf",
        } <= set(staged.paths)
