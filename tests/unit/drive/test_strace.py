"""Logs of strace: who named which path, for what, and whether it was there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootfs_ansible.drive.strace import Access, Wish, accesses

# Of a Python program that starts threads and processes, by strace 6.13.
LOG = Path(__file__).with_name("traces") / "python.log"
TOP = b'/tmp/w\xff\n"d\xc3\xbc'.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def found() -> tuple[Access, ...]:
    return traced(LOG.read_bytes().decode("latin-1").splitlines())


def traced(lines: Iterable[str]) -> tuple[Access, ...]:
    return tuple(accesses(lines, "/srv", "first"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/made.txt", Access(17, "python3", Wish.MAKE, f"{TOP}/made.txt")),
        ("/wörds.txt", Access(17, "python3", Wish.READ, f"{TOP}/data/wörds.txt", "ENOENT")),
        # A thread is its process, also where its calls are cut in two.
        ("/thread-0-0", Access(17, "python3", Wish.READ, "/srv/thread-0-0", "ENOENT")),
        ("/thread-2-0", Access(17, "python3", Wish.READ, "/srv/thread-2-0", "ENOENT")),
        # A child, which is heard of before its parent knows it.
        (
            "/opt/none/no-such-program",
            Access(21, "python3", Wish.RUN, "/opt/none/no-such-program", "ENOENT"),
        ),
        # After fchdir, and after chdir by what runs then.
        ("/missing.conf", Access(22, "python3", Wish.ASK, "/etc/missing.conf", "ENOENT")),
        ("/opt/./run-me", Access(23, "sh", Wish.RUN, "/opt/./run-me", "ENOENT")),
        ("/opt/logs/app.log", Access(22, "python3", Wish.MAKE, "/opt/logs/app.log", "ENOENT")),
        ("/usr/bin/cat", Access(24, "cat", Wish.RUN, "/usr/bin/cat")),
        ("/C.utf8/LC_CTYPE", Access(24, "cat", Wish.READ, "/usr/lib/locale/C.utf8/LC_CTYPE")),
    ],
)
def test_every_path_is_told_with_its_process(
    found: tuple[Access, ...], name: str, expected: Access
) -> None:
    assert expected in {access for access in found if access.path.endswith(name)}


def test_a_directory_is_listed_and_a_relative_name_is_of_the_directory_of_its_process(
    found: tuple[Access, ...],
) -> None:
    listed = {(access.path, access.error) for access in found if access.wish is Wish.LIST}
    assert listed == {("/etc", ""), ("/opt/missing", "ENOENT")}
    (own, cat) = [access for access in found if access.path in (f"{TOP}/missing", "/opt/missing")]
    assert (own.program, cat.program, cat.path) == ("python3", "cat", "/opt/missing")


def test_what_answers_is_no_path_that_was_named() -> None:
    lines = [
        '7     readlink("/proc/self/exe", "/usr/bin/x", 4096) = 10',
        '7     getcwd("/srv", 4096) = 5',
        '7     rename("old", "/new") = 0',
    ]
    assert [access.path for access in traced(lines)] == ["/proc/self/exe", "/srv/old", "/new"]


def test_a_call_that_ended_with_its_process_says_nothing() -> None:
    assert traced(['7     openat(AT_FDCWD</srv>, "x", O_RDONLY) = ?']) == ()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "7",
        "7     <... openat resumed>) = 3",
        '7     openat(12<pipe:[33]>, "x", O_RDONLY) = 3',
        "7     +++ exited with 0 +++",
        "9" * 5000 + '  chdir("/") = 0',
        "7     clone(child_stack=NULL, flags=SIGCHLD) = 7",
        '7     openat(AT_FDCWD</srv>, "x',
    ],
)
def test_what_makes_no_sense_is_passed_over(line: str) -> None:
    assert traced([line]) == ()


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.text('0123456789 ()<>"\\=-,/.ENOTabcdeflnoprsu?\x00\xff\n', max_size=80), max_size=8
    )
)
def test_a_log_may_be_anything(lines: list[str]) -> None:
    for access in traced(lines):
        assert access.path.startswith("/")
