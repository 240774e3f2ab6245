"""Outputs: what a declaration claims, for which layer, and what of it is left out."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from trees import Exported, exported, library, output, package, plant

from rootfs_ansible.errors import ClosureError, InputError
from rootfs_ansible.model.request import Prune


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def test_a_directory_stands_for_all_it_holds(root: Path) -> None:
    plant(
        root,
        """
        0750 1000:1001 /app/
        2770 1000:1001 /app/shared/
        0640 1000:1001 /app/.env SECRET=no
        0755 /app/bin/run x
        /app/empty/
        /app/link -> bin/run
        /app/nowhere -> gone
        /app/hard = /app/bin/run
        /etc/passwd not declared
        """,
    )
    assert exported(root, "/app").tree() == [
        "/app dir 0750 1000:1001",
        "/app/.env file 0640 1000:1001 SECRET=no",
        "/app/bin dir 0755",
        "/app/bin/run file 0755 x",
        "/app/empty dir 0755",
        "/app/hard = /app/bin/run",
        "/app/link -> bin/run",
        "/app/nowhere -> gone",
        "/app/shared dir 2770 1000:1001",
    ]


def test_the_first_output_that_matches_claims_a_path(root: Path) -> None:
    plant(
        root,
        """
        /app/node_modules/left/index.js left
        /app/node_modules/right/index.js right
        /app/index.js app
        """,
    )
    found = exported(
        root,
        output("/app/node_modules", "dependencies", excluding=("right",)),
        output("/app", "app"),
    )
    assert found.tree("dependencies") == [
        "/app dir 0755",
        "/app/node_modules dir 0755",
        "/app/node_modules/left dir 0755",
        "/app/node_modules/left/index.js file 0644 left",
    ]
    assert found.tree("app") == [
        "/app/index.js file 0644 app",
        "/app/node_modules/right dir 0755",
        "/app/node_modules/right/index.js file 0644 right",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/app/*.js", "a.js"),
        ("/app/**/*.js", "a.js d/b.js d/e/c.js"),
        ("/app/**", "[id].html a.js d/b.js d/e/c.js x.md"),
        ("/app/*/e", "d/e/c.js"),
        ("/app/d/**/c.js", "d/e/c.js"),
        ("/app/[id].html", "[id].html"),
        ("/app/*[id]*", "[id].html"),
        ("/ap*/x.*", "x.md"),
    ],
)
def test_globs(root: Path, pattern: str, expected: str) -> None:
    plant(
        root,
        """
        /app/a.js
        /app/d/b.js
        /app/d/e/c.js
        /app/[id].html
        /app/x.md
        """,
    )
    assert list(exported(root, pattern).paths) == [f"/app/{name}" for name in expected.split()]


class TestMounts:
    """What is in /run, /proc, /dev and /sys of a build is the engine's, or a secret."""

    @pytest.fixture
    def mounts(self, root: Path) -> Path:
        return plant(
            root,
            """
            /run/rootfs/npmrc SECRET
            /run/rootfs/ca.pem CA
            /var/run -> /run
            /srv/proc -> /proc
            /proc/1/environ SECRET=1
            /app/a.pem a
            """,
        )

    @pytest.mark.parametrize(
        "pattern",
        ["/**/*.pem", "/**", "/*/rootfs/*", "/*/rootfs/npmrc", "/*/*/environ", "/var/*/**", "/"],
    )
    def test_no_glob_and_no_directory_brings_them(self, mounts: Path, pattern: str) -> None:
        found = exported(mounts, "/app", output(pattern, optional=True))
        assert not [path for path in found.paths if path.startswith(("/run/", "/proc/"))]
        assert "/app/a.pem" in found.paths

    @pytest.mark.parametrize("path", ["/run/rootfs", "/var/run/rootfs/npmrc", "/proc/1/environ"])
    def test_one_that_is_named_is_refused(self, mounts: Path, path: str) -> None:
        where = "/proc" if path.startswith("/proc") else "/run"
        with pytest.raises(InputError, match=f"test declares {path}, which is in {where}: that"):
            exported(mounts, path)

    def test_no_edge_leads_there(self, mounts: Path) -> None:
        plant(mounts, r"0755 /app/x #!/run/rootfs/npmrc\n")
        with pytest.raises(ClosureError) as caught:
            exported(mounts, "/app/x")
        assert caught.value.details == (
            "/run/rootfs/npmrc (in what is mounted, not shipped), needed by /app/x",
        )

    def test_a_package_has_no_file_there(self, mounts: Path) -> None:
        package(mounts, "odd", "/run/rootfs/npmrc", "/app/a.pem")
        found = exported(mounts, output(package="odd"))
        assert [path for path in found.paths if "/dpkg/" not in path] == ["/app/a.pem"]


@pytest.mark.parametrize(
    ("excluding", "expected"),
    [
        ("*.map", "a.js d/b.js d/b.map"),
        ("**/*.map", "a.js d/b.js"),
        ("d", "a.js a.map"),
        ("d/**", "a.js a.map"),
        ("/app/d", "a.js a.map"),
    ],
)
def test_excluding(root: Path, excluding: str, expected: str) -> None:
    plant(root, "/app/a.js\n/app/a.map\n/app/d/b.js\n/app/d/b.map")
    found = exported(root, output("/app", excluding=(excluding,)))
    assert list(found.paths) == [f"/app/{name}" for name in expected.split()]
    emptied = {"d", "d/**", "/app/d"}
    assert ("/app/d dir 0755" in found.tree()) == (excluding not in emptied)


def test_a_link_into_what_is_excluded_is_not_followed(root: Path) -> None:
    plant(root, "/app/a/x\n/app/b -> a\n/app/c.js")
    assert exported(root, output("/app", excluding=("a",))).tree() == [
        "/app dir 0755",
        "/app/b -> a",
        "/app/c.js file 0644",
    ]


def test_links_on_the_way_to_an_output_are_shipped(root: Path) -> None:
    plant(root, "/srv/v2/x 2\n/srv/now -> v2\n/lib -> usr/lib\n/usr/lib/y y")
    assert exported(root, "/srv/now/x", "/lib/y").tree() == [
        "/lib -> usr/lib",
        "/srv dir 0755",
        "/srv/now -> v2",
        "/srv/v2 dir 0755",
        "/srv/v2/x file 0644 2",
        "/usr dir 0755",
        "/usr/lib dir 0755",
        "/usr/lib/y file 0644 y",
    ]


def test_everything_that_matches_nothing_is_one_error(root: Path) -> None:
    plant(root, "/app/x")
    with pytest.raises(ClosureError) as caught:
        exported(
            root,
            "/app",
            "/dist/**",
            output(package="git", by="web"),
            output(accounts=("app",)),
            output("/maybe", optional=True),
        )
    assert caught.value.details == (
        "/dist/** matches nothing (declared by test, layer app)",
        "no such account: app (declared by test, layer app)",
        "package git is not installed (declared by web, layer app)",
    )
    assert not root.with_name("tree.export").exists()


def test_what_no_image_can_hold_is_one_error(root: Path) -> None:
    plant(root, "/app/queue fifo\n/app/run/agent socket\n/app/x")
    with pytest.raises(ClosureError) as caught:
        exported(root, "/app")
    assert caught.value.details == (
        "/app/queue is a FIFO (declared by test, layer app)",
        "/app/run/agent is a socket (declared by test, layer app)",
    )
    assert exported(root, output("/app", excluding=("queue", "run"))).paths == {"/app/x": "app"}


def test_names_of_any_bytes(root: Path) -> None:
    """Of files, links, targets, hard links, directories, attributes and interpreters."""
    app = root / "app"
    (app / "empty\udcfc").mkdir(parents=True)
    (app / "a\udcff").write_bytes(b"#!/usr/bin/env no\xe9\n")
    (app / "a\udcff").chmod(0o755)
    (app / "hard\udcfd").hardlink_to(app / "a\udcff")
    (app / "link\udcfe").symlink_to("a\udcff")
    (app / "new\nline").symlink_to("/gone\udcff/\n")
    os.setxattr(app / "a\udcff", "user.note\udcff", b"v")
    found = exported(root, "/app")
    assert found.tree() == [
        "/app dir 0755",
        "/app/a\udcff file 0755 #!/usr/bin/env no\ufffd\\n",
        "/app/empty\udcfc dir 0755",
        "/app/hard\udcfd = /app/a\udcff",
        "/app/link\udcfe -> a\udcff",
        "/app/new\nline -> /gone\udcff/\n",
    ]
    by_path = {str(entry.path): entry for entry in found.fragment.entries}
    assert by_path["/app/a\udcff"].xattrs == (("user.note\udcff", "76"),)
    assert by_path["/app/a\udcff"] == dataclasses.replace(
        by_path["/app/hard\udcfd"], path=by_path["/app/a\udcff"].path, hardlink=None
    )
    assert "no\udce9 is not in the rootfs" in found.omitted["/app/hard\udcfd"]


def test_a_name_that_deletes_files_of_lower_layers_is_refused(root: Path) -> None:
    plant(root, "/app/.wh.x y\n/app/link -> ../lib/.wh..wh..opq\n/lib/.wh..wh..opq y")
    with pytest.raises(ClosureError, match=r"/app/\.wh\.x is a whiteout by its name"):
        exported(root, "/app")
    with pytest.raises(ClosureError, match=r"\.wh\.\.wh\.\.opq \(a whiteout by its name, which no"):
        exported(root, output("/app", excluding=(".wh.x",)))


def sparse(path: Path, size: int, content: bytes = b"x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.truncate(size)


def test_a_file_of_holes_is_refused(root: Path) -> None:
    """A layer has every byte of it: of a terabyte, too."""
    sparse(root / "app/disk", 3 << 30)
    library(root, "/app/x.node", ["libdisk.so"], runpath="$ORIGIN")
    library(root, "/app/libdisk.so")
    os.truncate(root / "app/libdisk.so", 3 << 30)
    with pytest.raises(ClosureError) as caught:
        exported(root, "/app")
    assert caught.value.details == (
        "/app/disk is a file of 3 GB of which 1 MB are there (declared by test, layer app)",
        "/app/libdisk.so is a file of 3 GB of which 1 MB are there (declared by test, layer app)",
    )
    (details,) = (error(root, "/app/x.node").details,)
    assert details == (
        "/app/libdisk.so (a file of 3 GB of which 1 MB are there, which no image holds),"
        " needed by /app/x.node",
    )


def error(root: Path, *outputs: str) -> ClosureError:
    with pytest.raises(ClosureError) as caught:
        exported(root, *outputs)
    return caught.value


def test_small_holes_are_the_zeros_that_they_read_as(root: Path) -> None:
    sparse(root / "app/data", 3 << 20)
    with (root / "app/data").open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"y")
    found = exported(root, "/app")
    content = (root / "app/data").read_bytes()
    assert _text(found, "app/data").encode() == content
    assert found.fragment.entries[1].size == 3 << 20


def test_a_directory_is_made_as_declared(root: Path) -> None:
    plant(root, "0700 /srv/data/\n/srv/data/not-this")
    found = exported(
        root,
        output(directory="/tmp", mode=0o1777),
        output(directory="/srv/data", uid=65532, gid=65532),
        output(directory="/var/lib/new", mode=0o700),
    )
    assert found.tree() == [
        "/srv dir 0755",
        "/srv/data dir 0755 65532:65532",
        "/tmp dir 1777",
        "/var dir 0755",
        "/var/lib dir 0755",
        "/var/lib/new dir 0700",
    ]


def test_a_directory_may_lie_behind_links(root: Path) -> None:
    plant(root, "/run/\n/var/run -> /run\n/bin -> usr/bin\n/usr/bin/\n/data -> srv/v2\n/srv/v2/")
    declared = ("/var/run/app/cache", "/bin/x", "/data/x")
    assert exported(root, *(output(directory=path) for path in declared)).tree() == [
        "/bin -> usr/bin",
        "/data -> srv/v2",
        "/run dir 0755",
        "/run/app dir 0755",
        "/run/app/cache dir 0755",
        "/srv dir 0755",
        "/srv/v2 dir 0755",
        "/srv/v2/x dir 0755",
        "/usr dir 0755",
        "/usr/bin dir 0755",
        "/usr/bin/x dir 0755",
        "/var dir 0755",
        "/var/run -> /run",
    ]


@pytest.mark.parametrize(
    ("tree", "what"), [("/data x", "a file"), ("/data -> gone", "a link that leads nowhere")]
)
def test_a_directory_in_what_is_none_is_refused(root: Path, tree: str, what: str) -> None:
    plant(root, tree)
    with pytest.raises(
        InputError, match=f"test declares the directory /data/x/y, but /data is {what}"
    ):
        exported(root, output(directory="/data/x/y"))


def test_a_directory_that_everybody_writes_is_refused(root: Path) -> None:
    plant(root, "/x")
    with pytest.raises(InputError, match=r"/data writable by everybody \(mode 0777\)"):
        exported(root, output(directory="/data", mode=0o777))


def test_accounts(root: Path) -> None:
    plant(
        root,
        r"""
        /etc/passwd root:x:0:0:root:/root:/bin/bash\nweb:x:900:901::/srv:/bin/sh\nnobody:*:65534:65534::/:/bin/sh\nold:$6$hash:5:5:::\nbroken line\n
        /etc/group root:x:0:\nadm:x:4:web,old\nwebs:x:901:web,old\nnogroup:x:65534:\nold:x:5:\n
        0640 /etc/shadow web:$6$hash
        """,  # noqa: E501
    )
    found = exported(root, output(accounts=("web", "root", "old")))
    assert (found.paths, found.omitted) == ({"/etc/group": "app", "/etc/passwd": "app"}, {})
    assert found.tree()[0] == "/etc dir 0755"
    assert _text(found, "etc/passwd") == (
        "root:x:0:0:root:/root:/bin/bash\nold:x:5:5:::\nweb:x:900:901::/srv:/bin/sh\n"
    )
    assert _text(found, "etc/group") == "root:x:0:\nold:x:5:\nwebs:x:901:web,old\n"


def test_accounts_with_ids_that_no_system_has_are_passed_over(root: Path) -> None:
    large = "9" * 5000
    plant(root, f"/etc/passwd web:x:900:901::/:\\nbig:x:{large}:0::/:\n/etc/group web:x:{large}:")
    with pytest.raises(ClosureError, match="no such account: big"):
        exported(root, output(accounts=("web", "big")))


def test_a_list_of_accounts_without_an_end_costs_little(root: Path) -> None:
    sparse(root / "etc/passwd", 1 << 40, b"web:x:900:901::/:\n")
    plant(root, "/etc/group web:x:901:")
    assert _text(exported(root, output(accounts=("web",))), "etc/passwd") == "web:x:900:901::/:\n"


def _text(found: Exported, name: str) -> str:
    with tarfile.open(found.directory / "app.tar") as tar:
        stream = tar.extractfile(name)
        assert stream is not None
        return stream.read().decode()


def test_accounts_that_own_what_is_declared_come_along(root: Path) -> None:
    """Once and in one place, whoever declares accounts, and whatever directory is declared."""
    plant(
        root,
        r"""
        /etc/passwd root:x:0:0:::\napp:x:65532:65532:::\nweb:x:900:901:::\nold:x:5:5:::\n
        /etc/group root:x:0:\napp:x:65532:\nwebs:x:901:\nlogs:x:7:web,old\nold:x:5:\n
        /etc/site.conf
        """,
    )
    found = exported(
        root,
        "/etc/site.conf",
        "/etc",
        output(accounts=("root",), by="stack"),
        output(directory="/srv", uid=900, gid=7, mode=0o750),
        output(accounts=("app",)),
    )
    assert _text(found, "etc/passwd") == "root:x:0:0:::\nweb:x:900:901:::\napp:x:65532:65532:::\n"
    assert _text(found, "etc/group") == "root:x:0:\nlogs:x:7:web\nwebs:x:901:\napp:x:65532:\n"
    assert found.why("/etc/passwd") == {"stack -declared-> root"}


def test_accounts_of_a_lower_layer_cannot_change(root: Path) -> None:
    plant(root, "/etc/passwd root:x:0:0:::")
    with pytest.raises(InputError, match="a lower layer has /etc/passwd already"):
        exported(root, output(accounts=("root",)), provided=["/etc/passwd"])


def test_a_named_file_of_a_lower_layer_cannot_change(root: Path) -> None:
    plant(root, "/etc/app.conf changed\n/etc/same.conf x\n/etc/link.conf -> app.conf")
    known = {
        "/etc/app.conf": hashlib.sha256(b"first").hexdigest(),
        "/etc/same.conf": hashlib.sha256(b"x").hexdigest(),
    }
    lower: dict[str, Any] = {
        "provided": [*known, "/etc/link.conf"],
        "digests": tuple(known.items()),
    }
    assert exported(root, "/etc/same.conf", "/etc/link.conf", "/etc/*.conf", **lower).paths == {}
    with pytest.raises(
        InputError,
        match=r"test declares /etc/app\.conf in layer app, but a lower layer has another",
    ):
        exported(root, "/etc/app.conf", **lower)


def test_modes_are_made_safe(root: Path) -> None:
    plant(
        root,
        """
        4755 /app/setuid x
        2755 /app/setgid x
        0666 /app/open x
        0777 /app/wide/
        0666 /app/wide/x
        1777 /app/sticky/
        2775 /app/group/
        """,
    )
    found = exported(root, "/app")
    assert found.tree() == [
        "/app dir 0755",
        "/app/group dir 2775",
        "/app/open file 0664 x",
        "/app/setgid file 0755 x",
        "/app/setuid file 0755 x",
        "/app/sticky dir 1777",
        "/app/wide dir 0775",
        "/app/wide/x file 0664",
    ]
    assert found.omitted == {
        "/app/open": "mode: mode 0666 is shipped as 0664",
        "/app/setgid": "mode: mode 2755 is shipped as 0755",
        "/app/setuid": "mode: mode 4755 is shipped as 0755",
        "/app/wide": "mode: mode 0777 is shipped as 0775",
        "/app/wide/x": "mode: mode 0666 is shipped as 0664",
    }


ADDON = Prune(
    "addon",
    "what compiling leaves",
    beside="binding.gyp",
    drop=("build/**", "deps", "src/*.cc"),
    keep=("build/Release/*.node",),
    finished="build/Release/*.node",
)


def test_prune_drops_what_lies_beside(root: Path) -> None:
    plant(
        root,
        """
        /app/m/a/binding.gyp
        /app/m/a/build/Release/a.node addon
        /app/m/a/build/Release/obj.target/a.o 12345
        /app/m/a/build/Makefile 1
        /app/m/a/deps/sqlite/sqlite3.c 1234567890
        /app/m/a/src/a.cc
        /app/m/a/src/a.js
        /app/m/unfinished/binding.gyp
        /app/m/unfinished/deps/x.c
        /app/m/other/deps/x.js
        """,
    )
    found = exported(root, "/app", prune=[ADDON])
    assert list(found.paths) == [
        "/app/m/a/binding.gyp",
        "/app/m/a/build/Release/a.node",
        "/app/m/a/src/a.js",
        "/app/m/other/deps/x.js",
        "/app/m/unfinished/binding.gyp",
        "/app/m/unfinished/deps/x.c",
    ]
    # What was left out is named once, at the top, with the size of all of it.
    assert sorted((o.path, o.size) for o in found.fragment.omitted) == [
        ("/app/m/a/build/Makefile", 1),
        ("/app/m/a/build/Release", 5),
        ("/app/m/a/deps", 10),
        ("/app/m/a/src/a.cc", 0),
    ]
    assert "/app/m/a/deps dir 0755" not in found.tree()
    assert "/app/m/a/build/Release dir 0755" in found.tree()


def test_prune_may_keep_to_one_layer(root: Path) -> None:
    plant(
        root,
        """
        /app/binding.gyp
        /app/build/Release/a.node addon
        /app/build/index.js
        /deps/a/binding.gyp
        /deps/a/build/Release/a.node addon
        /deps/a/build/index.js
        """,
    )
    rule = dataclasses.replace(ADDON, layer="dependencies")
    found = exported(root, output("/deps", layer="dependencies"), "/app", prune=[rule])
    assert sorted(found.paths) == [
        "/app/binding.gyp",
        "/app/build/Release/a.node",
        "/app/build/index.js",
        "/deps/a/binding.gyp",
        "/deps/a/build/Release/a.node",
    ]


def test_a_package_without_its_documentation(root: Path) -> None:
    plant(
        root,
        """
        0755 /usr/bin/tool x
        /etc/tool.conf conf
        /usr/share/doc/tool/README
        /usr/share/doc/tool/copyright MIT
        /usr/share/man/man1/tool.1
        /usr/share/locale/de/LC_MESSAGES/tool.mo
        /usr/share/bash-completion/completions/tool
        /usr/share/tool/data
        0750 7:7 /var/lib/tool/
        /var/lib/tool/state made later
        """,
    )
    package(
        root,
        "tool",
        "/usr/bin/tool",
        "/etc/tool.conf",
        "/usr/share/doc/tool/README",
        "/usr/share/doc/tool/copyright",
        "/usr/share/man/man1/tool.1",
        "/usr/share/locale/de/LC_MESSAGES/tool.mo",
        "/usr/share/bash-completion/completions/tool",
        "/usr/share/tool/data",
        "/usr/share/tool/removed-by-hand",
        "/var/lib/tool",
    )
    found = exported(root, output(package="tool"))
    assert [path for path in found.paths if "/dpkg/" not in path] == [
        "/etc/tool.conf",
        "/usr/bin/tool",
        "/usr/share/doc/tool/copyright",
        "/usr/share/tool/data",
    ]
    assert "/var/lib/tool dir 0750 7:7" in found.tree()


def test_a_link_that_a_package_has_and_goes_through_is_declared_once(root: Path) -> None:
    plant(root, "/opt/real/x\n/opt/link -> real")
    package(root, "through", "/opt/link", "/opt/link/x")
    edges = exported(root, output(package="through")).fragment.edges
    assert [edge.source for edge in edges if edge.target == "/opt/link"] == ["test"]
    assert len(set(edges)) == len(edges)


def test_a_package_brings_the_alternatives_that_lead_into_it(root: Path) -> None:
    plant(
        root,
        r"""
        0755 /usr/bin/tool.v2 x
        0755 /usr/bin/other x
        /usr/share/man/man1/tool.v2.1
        /usr/bin/tool -> /etc/alternatives/tool
        /etc/alternatives/tool -> /usr/bin/tool.v2
        /usr/share/man/man1/tool.1 -> /etc/alternatives/tool.1
        /etc/alternatives/tool.1 -> /usr/share/man/man1/tool.v2.1
        /usr/bin/pick -> /etc/alternatives/pick
        /etc/alternatives/pick -> /usr/bin/other
        /var/lib/dpkg/alternatives/tool auto\n/usr/bin/tool\ntool.1\n/usr/share/man/man1/tool.1\n\n/usr/bin/tool.v2\n50\n/usr/share/man/man1/tool.v2.1\n\n
        /var/lib/dpkg/alternatives/pick auto\n/usr/bin/pick\n\n/usr/bin/other\n10\n/usr/bin/tool.v2\n5\n\n
        """,  # noqa: E501
    )
    package(root, "tool-v2", "/usr/bin/tool.v2", "/usr/share/man/man1/tool.v2.1")
    package(root, "other", "/usr/bin/other")
    found = exported(root, output(package="tool-v2"))
    assert [path for path in found.paths if "/dpkg/" not in path] == [
        "/etc/alternatives/tool",
        "/usr/bin/tool",
        "/usr/bin/tool.v2",
    ]
    assert {entry.package for entry in found.fragment.entries} == {"", "tool-v2"}


def test_a_metapackage_stands_for_what_it_depends_on(root: Path) -> None:
    plant(root, "/usr/bin/real\n/usr/bin/second\n/usr/bin/not\n/usr/share/doc/meta/copyright")
    package(root, "meta", "/usr/share/doc/meta/copyright", Depends="gone | real (>= 1), virtual")
    package(root, "real", "/usr/bin/real", Depends="not")
    package(root, "second", "/usr/bin/second", Provides="other, virtual (= 1)")
    package(root, "not", "/usr/bin/not")
    found = exported(root, output(package="meta"))
    assert [path for path in found.paths if "bin" in path] == ["/usr/bin/real", "/usr/bin/second"]


def test_metapackages_may_stand_for_each_other_without_end(root: Path) -> None:
    for number in range(1100):
        package(root, f"meta{number}", Depends=f"meta{number + 1}")
    package(root, "meta1100", "/usr/bin/real", Depends="meta0")
    plant(root, "/usr/bin/real")
    assert "/usr/bin/real" in exported(root, output(package="meta0")).paths


class TestWhatAPackageNeeds:
    """Of what a package depends on: data, scripts and parts of its own, not every program."""

    @pytest.fixture
    def tool(self, root: Path) -> Path:
        """Package tool, which depends on one package of every kind."""
        for name in ("tool", "tool-data", "tool-core", "fonts", "deep", "sh", "cron", "debconf"):
            plant(root, f"/usr/share/{name}/file")
        plant(root, "/usr/lib/libtool.so.1\n/usr/lib/libother.so.2\n/usr/share/drivers/file")
        needs = "tool-core (= 1), libtool1, sh, cron, debconf (>= 0.5) | debconf-2.0"
        package(root, "tool", "/usr/share/tool/file", Depends=needs)
        package(root, "tool-core", "/usr/share/tool-core/file", Source="tool (1)")
        package(
            root,
            "libtool1",
            "/usr/lib/libtool.so.1",
            Depends="tool-data, libother2, drivers",
            Multi_Arch="same",
            Source="libtool",
        )
        # A library's drivers are no part of the tool: Mesa's bring a compiler.
        package(root, "drivers", "/usr/share/drivers/file", Source="libtool")
        package(root, "libother2", "/usr/lib/libother.so.2", Depends="fonts", Multi_Arch="same")
        package(root, "tool-data", "/usr/share/tool-data/file", Architecture="all")
        package(root, "fonts", "/usr/share/fonts/file", Architecture="all", Depends="deep")
        package(root, "deep", "/usr/share/deep/file", Architecture="all", Depends="tool, cron")
        package(root, "sh", "/usr/share/sh/file", Architecture="all", Essential="yes")
        package(root, "cron", "/usr/share/cron/file")
        package(root, "debconf", "/usr/share/debconf/file", Architecture="all")
        return root

    def test_comes_with_it(self, tool: Path) -> None:
        found = exported(tool, output(package="tool"))
        assert [path for path in found.paths if path.startswith("/usr/")] == [
            "/usr/share/deep/file",
            "/usr/share/fonts/file",
            "/usr/share/tool/file",
            "/usr/share/tool-core/file",
            "/usr/share/tool-data/file",
        ]
        assert found.why("/usr/share/deep/file") == {"test -declared-> tool"}

    def test_comes_as_a_whole_on_request(self, tool: Path) -> None:
        """But for what every system has, and what only installs packages."""
        found = exported(tool, output(package="tool", dependencies=True))
        assert [path for path in found.paths if path.startswith("/usr/")] == [
            "/usr/lib/libother.so.2",
            "/usr/lib/libtool.so.1",
            "/usr/share/cron/file",
            "/usr/share/deep/file",
            "/usr/share/drivers/file",
            "/usr/share/fonts/file",
            "/usr/share/tool/file",
            "/usr/share/tool-core/file",
            "/usr/share/tool-data/file",
        ]

    def test_is_asked_of_a_package_alone(self) -> None:
        with pytest.raises(InputError, match="which only a package has"):
            output("/srv", dependencies=True)

    def test_can_be_left_out(self, tool: Path) -> None:
        found = exported(tool, output(package="tool", excluding=("/usr/share/fonts",)))
        assert "/usr/share/fonts/file" not in found.paths
        assert "/usr/share/deep/file" in found.paths

    def test_may_hold_nothing_but_documentation(self, root: Path) -> None:
        plant(root, "/usr/bin/git\n/usr/share/doc/git-man/copyright")
        package(root, "git", "/usr/bin/git", Depends="git-man, gone")
        package(root, "git-man", "/usr/share/doc/git-man/copyright", Architecture="all")
        found = exported(root, output(package="git"))
        assert [path for path in found.paths if "/dpkg/" not in path] == ["/usr/bin/git"]


class TestProgramsOfAPackage:
    @pytest.fixture
    def tool(self, root: Path) -> Path:
        plant(
            root,
            r"""
            0755 /usr/bin/tool #!/usr/bin/perl\n
            0755 /usr/share/more/run #!/usr/bin/env perl\n
            /usr/bin/more -> ../share/more/run
            0755 /usr/sbin/tool-admin x
            0755 /usr/bin/perl x
            """,
        )
        names = ("bin/tool", "bin/more", "share/more/run", "sbin/tool-admin")
        package(root, "tool", *(f"/usr/{name}" for name in names))
        package(root, "perl-base", "/usr/bin/perl")
        return root

    def test_none_of_which_can_run(self, tool: Path) -> None:
        lack = "perl (package perl-base) is not in the rootfs; declare it to run"
        assert {
            path: why
            for path, why in exported(tool, output(package="tool")).omitted.items()
            if "/doc/" not in path
        } == {
            "/usr/bin/tool": f"interpreter: /usr/bin/{lack} this script",
            "/usr/share/more/run": f"interpreter: {lack} this script",
            "/usr/bin/more": f"program: {lack} any program of package tool",
        }

    @pytest.mark.parametrize("kind", ["no", "same"])
    def test_may_be_those_of_what_it_needs(self, tool: Path, kind: str) -> None:
        # The programs of postgresql-client are links to a script of postgresql-client-common.
        plant(tool, "/usr/lib/tool/data\n0755 /usr/bin/wrapped #!/usr/bin/perl")
        package(tool, "wrapper", "/usr/bin/wrapped", Architecture="all")
        package(tool, "client", "/usr/lib/tool/data", Depends="wrapper", Multi_Arch=kind)
        found = exported(tool, output(package="client"))
        kinds = sorted(item.kind for item in found.fragment.omitted if "/doc/" not in item.path)
        assert kinds == (["interpreter", "program"] if kind == "no" else ["interpreter"])

    @pytest.mark.parametrize("more", ["", "/usr/bin/compiled x"])
    def test_of_which_one_runs(self, tool: Path, more: str) -> None:
        outputs = [output(package="tool")]
        if more:
            plant(tool, f"0755 {more}")
            package(tool, "tool2", "/usr/bin/tool", more.split()[0])
            outputs = [output(package="tool2")]
        else:
            outputs.append(output(package="perl-base"))
        found = exported(tool, *outputs)
        assert not [why for why in found.omitted.values() if why.startswith("program")]


def test_a_package_that_holds_only_documentation_is_an_error(root: Path) -> None:
    plant(root, "/usr/share/doc/x-doc/copyright")
    package(root, "x-doc", "/usr/share/doc/x-doc/copyright")
    with pytest.raises(ClosureError, match="package x-doc holds nothing but documentation"):
        exported(root, output(package="x-doc"))


def test_an_output_for_an_unknown_layer_is_refused(root: Path) -> None:
    plant(root, "/x")
    with pytest.raises(InputError, match="layer 'top', which is none of app"):
        exported(root, output("/x", layer="top"), layers=["app"])
