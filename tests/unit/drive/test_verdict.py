"""Judging a trace: what was missed that the build had, what is ordinary, what was not touched."""

from __future__ import annotations

from dataclasses import replace

import pytest
from exports import export

from rootfs_ansible.drive.strace import Access, Wish
from rootfs_ansible.drive.verdict import BUILD, STAGING, Finding, Verdict, judge
from rootfs_ansible.model.manifest import Edge, EdgeKind, Fragment, Kind, Omission
from rootfs_ansible.model.paths import Known, Paths

SHIPPED = """
runtime /usr dir 0755
runtime /usr/bin dir 0755
runtime /usr/bin/node file 0755 nnnnnnnn
runtime /usr/bin/env file 0755 ee
runtime /usr/lib dir 0755
runtime /usr/lib/libz.so.1 -> libz.so.1.3
runtime /usr/lib/libz.so.1.3 file 0644 zzzz
runtime /usr/lib/python3 dir 0755
runtime /usr/lib/python3/deep dir 0755
runtime /usr/lib/python3/deep/x.pyc file 0644 ppp
runtime /usr/share dir 0755
runtime /usr/share/big file 0644 bbbbbbbbbbbbbbbb
app /app dir 0755
app /app/main.js file 0644 mmm
app /app/node_modules dir 0755
app /app/node_modules/@a dir 0755
app /app/node_modules/@a/b dir 0755
app /app/node_modules/@a/b/x.js file 0644 xxxxx
app /app/node_modules/@a/b/y.js file 0644 yyyyy
"""
WORDS = "rootfs_outputs: [{path: /app/data/words.txt}]"
FILE, DIRECTORY = Known(Kind.FILE), Known(Kind.DIRECTORY)
BUILT = Paths(
    {
        "/app": DIRECTORY,
        "/app/data": DIRECTORY,
        "/app/data/words.txt": FILE,
        "/app/data/a name.txt": FILE,
        "/app/empty": DIRECTORY,
        "/app/logs": DIRECTORY,
        "/app/logs/old": FILE,
        "/app/.env": FILE,
        "/app/node_modules": DIRECTORY,
        "/app/node_modules/prebuilt.node": FILE,
        "/etc": DIRECTORY,
        "/etc/gai.conf": Known(Kind.FILE, "libc-bin"),
        "/lib": Known(Kind.SYMLINK, "base-files", "usr/lib"),
        "/usr": DIRECTORY,
        "/usr/bin": DIRECTORY,
        "/usr/bin/git": Known(Kind.FILE, "git"),
        "/usr/bin/editor": Known(Kind.SYMLINK, "", "/etc/alternatives/editor"),
        "/etc/alternatives": DIRECTORY,
        "/etc/alternatives/editor": Known(Kind.SYMLINK, "", "/usr/bin/nano"),
        "/usr/bin/nano": Known(Kind.FILE, "nano"),
        "/usr/lib": DIRECTORY,
        "/usr/lib/libq.so.1": Known(Kind.FILE, "libq1"),
        "/usr/share": DIRECTORY,
        "/usr/share/doc": DIRECTORY,
        "/usr/share/doc/git": Known(Kind.FILE, "git"),
        "/usr/share/nodejs": DIRECTORY,
        "/usr/share/nodejs/semver": Known(Kind.DIRECTORY, "node-semver"),
        "/usr/share/nodejs/semver/index.js": Known(Kind.FILE, "node-semver"),
    }
)
STAGED = Paths({"/srv": DIRECTORY, "/srv/made": FILE})


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Fragment:
    directory = tmp_path_factory.mktemp("export")
    return export(directory, SHIPPED, owners={"/usr/share/big": "big"}).fragment


@pytest.fixture
def judged(manifest: Fragment) -> Judged:
    return Judged(manifest)


class Judged:
    """Judges a run of the image: ``missed`` are its accesses, each as (wish, path)."""

    def __init__(self, manifest: Fragment) -> None:
        self.manifest = manifest

    def __call__(self, *accesses: Access, **options: object) -> Verdict:
        containers = [(BUILD, BUILT), (STAGING, STAGED)]
        return judge(accesses, self.manifest, containers, **options)  # type: ignore[arg-type]

    def one(self, *accesses: Access, **options: object) -> Finding:
        (finding,) = self(*accesses, **options).findings
        return finding


def missed(path: str, wish: Wish = Wish.READ, error: str = "ENOENT", process: int = 1) -> Access:
    return Access(process, "node", wish, path, error)


def had(path: str, wish: Wish = Wish.READ, process: int = 1) -> Access:
    return Access(process, "node", wish, path)


@pytest.mark.parametrize(
    ("access", "package", "declare"),
    [
        (missed("/app/data/words.txt"), "", WORDS),
        (missed("/app/data/a name.txt"), "", 'rootfs_outputs: [{path: "/app/data/a name.txt"}]'),
        (missed("/app/x/../data/words.txt"), "", None),
        (missed("/app/data/../data/words.txt"), "", WORDS),
        # Its directory is there in the build, and the path was missed as a whole.
        (missed("/app/data/words.txt", Wish.ASK), "", WORDS),
        (missed("/app/data", Wish.LIST), "", "rootfs_outputs: [{path: /app/data}]"),
        (missed("/usr/bin/git", Wish.RUN), "git", "rootfs_packages: [git]"),
        (missed("/lib/libq.so.1"), "libq1", "rootfs_packages: [libq1]"),
        (missed("/usr/bin/editor", Wish.RUN), "nano", "rootfs_packages: [nano]"),
        (missed("/app/logs/app.log", Wish.MAKE), "", "rootfs_volumes: [/app/logs]"),
        (missed("/srv/made"), "", "rootfs_outputs: [{path: /srv/made, layer: system}]"),
        (missed("/app/data/words.txt", error="ENOTDIR"), "", WORDS),
    ],
)  # fmt: skip
def test_what_the_build_had_and_the_run_missed_is_found_with_the_line_that_ships_it(
    judged: Judged, access: Access, package: str, declare: str | None
) -> None:
    if declare is None:
        assert judged(access).findings == ()
        return
    found = judged.one(access)
    assert (found.program, found.package, found.declare) == ("node", package, (declare,))
    assert found.certain


def test_what_a_package_output_leaves_out_is_declared_by_its_path_as_well(judged: Judged) -> None:
    assert judged.one(missed("/usr/share/doc/git")).declare == (
        "rootfs_packages: [git]",
        "rootfs_outputs: [{path: /usr/share/doc/git, layer: system}]",
    )


def test_without_a_build_container_the_app_itself_is_of_the_staging_container(
    judged: Judged,
) -> None:
    found = judged.one(missed("/srv/made"), compiled=False)
    assert found.declare == ("rootfs_outputs: [{path: /srv/made}]",)


@pytest.mark.parametrize(
    "accesses",
    [
        [missed("/nowhere")],
        [had("/app/main.js")],
        # It is shipped by now, or was made by the run.
        [missed("/app/main.js")],
        [
            missed("/app/data/words.txt", Wish.ASK),
            *[had(f"/app/{number}") for number in range(9)],
            had("/app/data/words.txt", Wish.MAKE),
        ],
        # Neither can a run write what is missing, nor is its end a finding.
        [missed("/app/data/words.txt", error="EACCES")],
    ],
)
def test_what_no_container_had_or_what_is_there_is_no_finding(
    judged: Judged, accesses: list[Access]
) -> None:
    verdict = judged(*accesses)
    assert verdict.findings == ()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc/gai.conf", "names are resolved"),
        ("/app/.env", "settings of one machine"),
        ("/app/data/words.txt", "rootfs_smoke.ignore"),
        ("/app/logs/old", "in a volume"),
        ("/app/node_modules/prebuilt.node", "for another machine"),
    ],
)
def test_what_is_ordinary_is_passed_over_and_says_why(
    judged: Judged, path: str, reason: str
) -> None:
    judged.manifest = replace(
        judged.manifest,
        omitted=(Omission("/app/node_modules/prebuilt.node", "foreign", "for another machine"),),
    )
    verdict = judged(missed(path), ignore=["/app/**/words.*"], volumes=["/app/logs"])
    assert verdict.findings == ()
    assert [(item.path, reason in item.reason) for item in verdict.passed_over] == [(path, True)]


def test_a_search_that_finds_the_name_elsewhere_is_ordinary(judged: Judged) -> None:
    search = (
        missed("/usr/lib/libq.so.1"),
        missed("/usr/lib/", Wish.ASK),
        missed("/opt/libq.so.1"),
        had("/app/meanwhile"),
        had("/usr/local/lib/libq.so.1"),
    )
    assert judged(*search).findings == ()
    assert judged(*search[:-1]).findings != ()


@pytest.mark.parametrize(
    "between",
    [
        # It went on with something else, or another process has the name.
        [had(f"/app/{number}") for number in range(9)],
        [had("/app/words.txt", process=2), *[had(f"/app/{number}") for number in range(9)]],
    ],
)
def test_the_same_name_much_later_is_no_search(judged: Judged, between: list[Access]) -> None:
    accesses = [missed("/app/data/words.txt"), *between, had("/app/words.txt")]
    assert [found.path for found in judged(*accesses).findings] == ["/app/data/words.txt"]


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("/usr/share/nodejs/semver", Wish.ASK),
        # An interpreter that looks for a module.
        ("/usr/share/nodejs/semver/index.js", Wish.READ),
        ("/usr/bin/git", Wish.ASK),
        ("/app/data", Wish.ASK),
        ("/app/empty", Wish.LIST),
    ],
)
def test_who_only_asks_goes_on_without_it_or_the_run_fails(
    judged: Judged, path: str, wish: Wish
) -> None:
    assert not judged.one(missed(path, wish)).certain
    # What it wants for certain counts, whatever it asked before.
    assert judged.one(missed("/usr/bin/git", Wish.ASK), missed("/usr/bin/git", Wish.RUN)).certain


def test_a_file_that_is_missed_by_two_names_is_one_finding(judged: Judged) -> None:
    found = judged.one(missed("/usr/lib/libq.so.1"), missed("/lib/libq.so.1"))
    assert found.path == "/usr/lib/libq.so.1"


def test_a_shell_that_asks_for_a_program_wants_it(judged: Judged) -> None:
    assert judged.one(replace(missed("/usr/bin/git", Wish.ASK), program="sh")).certain


def test_what_could_not_be_written_is_a_suspect(judged: Judged) -> None:
    found = judged.one(missed("/app/cache/x", Wish.MAKE, "EROFS"))
    assert (found.declare, found.certain) == (("rootfs_volumes: [/app/cache]",), False)


def test_a_rule_that_left_it_out_is_told(judged: Judged) -> None:
    judged.manifest = replace(
        judged.manifest, omitted=(Omission("/app/data", "prune", "no run reads it"),)
    )
    assert judged.one(missed("/app/data/words.txt")).note == "left out: no run reads it"


def test_what_was_not_touched_is_told_by_package_or_place_the_largest_first(
    judged: Judged,
) -> None:
    judged.manifest = replace(
        judged.manifest,
        edges=(*judged.manifest.edges, Edge("/app/main.js", "/usr/bin/env", EdgeKind.SHEBANG)),
    )
    verdict = judged(
        had("/usr/bin/node", Wish.RUN), had("/app/main.js", Wish.RUN), had("/usr/lib/libz.so.1"),
        had("/app/node_modules/@a/b/x.js"),
    )  # fmt: skip
    assert [(item.name, item.files, item.size) for item in verdict.untouched] == [
        ("big", 1, 16),
        ("/app/node_modules/@a/b", 1, 5),
        ("/usr/lib/python3", 1, 3),
    ]
    assert verdict.processes == 1
