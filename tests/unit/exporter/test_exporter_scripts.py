"""Shebangs: what the kernel and env make of a script's first line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fuzzing import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from rootfs_ansible.exporter.scripts import candidates, shebang
from rootfs_ansible.model.path import ImagePath

ENV = shutil.which("env") or ""
if b"GNU" not in subprocess.run([ENV or "true", "--version"], capture_output=True).stdout:
    ENV = ""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"#!/bin/sh\n", "#!/bin/sh"),
        (b"#! /usr/bin/perl -w\n", "#!/usr/bin/perl"),
        (b"#!/bin/sh", "#!/bin/sh"),
        (b"#!/bin//../bin/sh\n", "#!/bin/sh"),
        (b"#!/usr/bin/env node\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env  node \n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env node\r\n", "#!/usr/bin/env node\r"),
        (b"#!/bin/sh\r\n", "#!/bin/sh\r"),
        (b"#!/bin/sh\t-e\r\n", "#!/bin/sh"),
        (b"#!/usr/bin/env -S node\r\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env -S node --flag\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env -Snode --flag\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env --split-string=node x\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env -S -i -u C A=1 B=2 python3 -u\n", "#!/usr/bin/env python3"),
        (b"#!/usr/bin/env -S A=1 -u C python3\n", "#!/usr/bin/env -u"),
        (b"#!/usr/bin/env -vS 'my node' --x\n", "#!/usr/bin/env my node"),
        (b"#!/usr/bin/env -iSnode\\_--x\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env --split=-C/x${NONE}node\n", "#!/usr/bin/env"),
        (b"#!/usr/bin/env --split=-C /x ${NONE}node\n", "#!/usr/bin/env node"),
        (b"#!/usr/bin/env -S # node\n", "#!/usr/bin/env"),
        (b"#!/usr/bin/env -0 node\n", "#!/usr/bin/env"),
        (b"#!/usr/bin/env -S 'node\n", "#!/usr/bin/env"),
        (b"#!/usr/bin/env node --flag\n", "#!/usr/bin/env node --flag"),
        (b"#!/usr/bin/env\n", "#!/usr/bin/env"),
        (b"#!/usr/bin/env -S\n", "#!/usr/bin/env"),
        (b"#!node\n", None),
        (b"#!\n", None),
        (b"#! \t\n", None),
        (b" #!/bin/sh\n", None),
        (b"", None),
        (b"#!/bin/s\0h\n", "#!/bin/s"),
        (b"#!/bin/sh/\n", None),
        (b"#!/bin/sh\t" + b"x" * 300 + b"\n", "#!/bin/sh"),
        (b"#!" + b" " * 300 + b"/bin/sh\n", None),
        (b"#!/" + b"x" * 300 + b"\n", None),
        (b"#!/bin/\xff\n", "#!/bin/\udcff"),
    ],
)
def test_reads_the_first_line(line: bytes, expected: str | None) -> None:
    found = shebang(line)
    assert (str(found) if found else None) == expected


def test_env_looks_a_program_up() -> None:
    assert [str(path) for path in candidates("node")][:2] == [
        "/usr/local/sbin/node",
        "/usr/local/bin/node",
    ]
    assert [str(path) for path in candidates("/opt/node")] == ["/opt/node"]
    assert candidates("bin/node") == ()
    assert candidates("") == ()


WORDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *"-iv0uCS #_cntv$\"'\\=/",
            "-S",
            "--",
            "node",
            "X=1",
            "${X}",
            "${X",
            "\\_",
            "\\c",
            "--split",
        ]
    ),
)


@pytest.mark.skipif(not ENV, reason="env is not that of GNU")
@fuzzed(60)
@given(st.lists(WORDS, min_size=1, max_size=9).map("".join).filter(lambda text: text.strip("\0 ")))
def test_env_runs_what_the_real_one_runs(text: str) -> None:
    argument = text.replace("\0", "").replace("\n", "").strip(" \t").encode("utf-8", "replace")
    if len(argument) > 200 or not argument:
        return
    found = shebang(b"#!/usr/bin/env " + argument + b"\n")
    assert found is not None
    environment = {"PATH": "/nonexistent", "LC_ALL": "C"}
    done = subprocess.run([ENV, b"-v", argument], env=environment, capture_output=True)
    said = re.search(rb"^executing: (.*)\n +arg\[0\]=", done.stderr, re.MULTILINE | re.DOTALL)
    if b"cannot change directory" not in done.stderr:
        assert found.program.encode("utf-8", "surrogateescape") == (said[1] if said else b"")


@pytest.fixture(scope="module")
def echo() -> Iterator[Path]:
    """A program called env that says by what name and with what arguments it runs."""
    source = """
        #include <stdio.h>
        int main(int count, char **words) {
            for (int at = 0; at < count; at++) printf("%s%c", words[at], 0);
            return 0;
        }
    """
    with TemporaryDirectory(dir="/tmp") as directory:
        (Path(directory) / "x.c").write_text(source)
        made = Path(directory) / "env"
        subprocess.run(["gcc", Path(directory) / "x.c", "-o", made], check=True)
        yield made


@fuzzed(60)
@given(
    before=st.sampled_from([b"", b" ", b"\t ", b" " * 230, b" " * 250]),
    after=st.lists(
        st.sampled_from([b" ", b"\t", b"\0", b"a", b"=x", b"/", b"\r", b"\xff", b"b" * 120]),
        max_size=5,
    ).map(b"".join),
    end=st.sampled_from([b"\n", b"", b"\nmore\n"]),
)
def test_the_kernel_runs_what_the_first_line_says(
    echo: Path, before: bytes, after: bytes, end: bytes
) -> None:
    script = echo.with_name("script")
    line = b"#!" + before + os.fsencode(echo) + after + end
    script.write_bytes(line)
    script.chmod(0o755)
    try:
        words = subprocess.run([script], capture_output=True).stdout.split(b"\0")[:-1]
    except OSError:
        words = []
    found = shebang(line)
    is_ours = found is not None and found.interpreter == ImagePath(str(echo))
    assert is_ours == bool(words)
    # Env alone is asked for its argument, of which this one is the program as it is.
    if found is not None and len(words) > 2 and b"=" not in words[1]:
        assert found.program.encode("utf-8", "surrogateescape") == words[1]


@fuzzed(300)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda rest: b"#!/usr/bin/env " + rest),
        st.lists(st.sampled_from([b"-S", b"-u", b"-", b"--", b"A=1", b"-Sx", b" ", b"\\", b'"']))
        .map(b" ".join)
        .map(lambda rest: b"#!/usr/bin/env " + rest),
    )
)
def test_any_first_bytes_are_read_without_a_crash(head: bytes) -> None:
    found = shebang(head)
    if found is not None:
        assert found.interpreter.text.startswith("/")
        candidates(found.program)
