"""Shebangs: what the kernel and env make of a script's first line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootfs_ansible.exporter.scripts import candidates, shebang


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
        (b"#!/usr/bin/env -S -i A=1 B=2 -u C python3 -u\n", "#!/usr/bin/env python3"),
        (b"#!/usr/bin/env\n", "#!/usr/bin/env"),
        (b"#!/usr/bin/env -S\n", "#!/usr/bin/env"),
        (b"#!node\n", None),
        (b"#!\n", None),
        (b"#! \t\n", None),
        (b" #!/bin/sh\n", None),
        (b"", None),
        (b"#!/bin/s\0h\n", None),
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


@settings(max_examples=300, deadline=None)
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
