"""The arguments of node: what it runs, and which files it does not start without."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import node_arguments

NODE = "/usr/bin/node"


@pytest.mark.parametrize(
    ("line", "script"),
    [
        ("server.js", "server.js"),
        ("--inspect server.js --port 80", "server.js"),
        ("-r dotenv/config server.js", "server.js"),
        ("--require=dotenv/config server.js", "server.js"),
        ("--unhandled-rejections strict server.js", "server.js"),
        ("--unhandled_rejections strict server.js", "server.js"),
        ("--max-http-header-size 80000 server.js", "server.js"),
        ("--dns-result-order=ipv4first server.js", "server.js"),
        ("--max-old-space-size=512 server.js", "server.js"),
        ("-- server.js --port 80", "server.js"),
        ("-e 1+1", ""),
        ("--trace-warnings", None),
        ("-r dotenv/config", None),
        ("--", None),
    ],
)
def test_the_script_is_the_first_word_that_no_option_takes(line: str, script: str | None) -> None:
    arguments = node_arguments.parse(line.split())
    assert arguments.script == script
    assert " ".join(arguments.words) == line


@pytest.mark.parametrize(
    ("line", "files"),
    [
        (f"{NODE} server.js", ("server.js",)),
        (f"{NODE} -r dotenv/config --import ./trace.mjs .", ("./trace.mjs", ".")),
        (f"{NODE} --env-file=conf/env server.js", ("conf/env", "server.js")),
        (f"{NODE} --env-file-if-exists=conf/env server.js", ("server.js",)),
        (f"{NODE} -e 1", ()),
        ("bin/shop --all ./a.js", ("bin/shop",)),
        ("next start", ()),
        ("", ()),
    ],
)
def test_a_command_needs_the_files_that_it_names(line: str, files: tuple[str, ...]) -> None:
    assert node_arguments.files_of(line.split(), NODE) == files


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("#!/usr/bin/env node\n", ("node",)),
        ("#! /usr/bin/node --no-warnings\r\n", ("/usr/bin/node", "--no-warnings")),
        ("#!/usr/bin/env -S node --no-warnings\n", ("node", "--no-warnings")),
        ("#!/bin/sh\n", ("/bin/sh",)),
        ("'use strict'\n", None),
        ("", None),
    ],
)
def test_a_program_says_who_runs_it(
    tmp_path: Path, head: str, words: tuple[str, ...] | None
) -> None:
    (tmp_path / "www").write_bytes(head.encode())
    assert node_arguments.interpreter(tmp_path / "www") == words
