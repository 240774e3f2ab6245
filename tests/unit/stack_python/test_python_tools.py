"""The tools of a build: what they are told, and what their failures advise."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import step
from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import (
    Tools,
    advice,
    cleaned,
    environment_of,
    secret_environment,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("x.c:1:10: fatal error: cairo/cairo.h: No such file or directory", "cairo/cairo.h is"),
        ("/usr/bin/ld: cannot find -lpq: No such file or directory", "(libpq-dev)"),
        ("../meson.build:31:12: ERROR: Dependency \"cairo\" not found, tried", "cairo.pc"),
        ("Package libffi was not found in the pkg-config search path.", "libffi.pc"),
        ("Error: Please make sure the libxml2 and libxslt development packages are installed.",
         "a C library is missing"),
        ("ERROR: Error [Errno 2] while executing git. Cannot find command 'git' - do you have",
         "git is needed to fetch it"),
        ("error: can't find Rust compiler", "stack_python_network"),
        ("LookupError: setuptools-scm was unable to detect version for /app.",
         "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("RuntimeError: Unable to detect version control system. Checked: Git.",
         "POETRY_DYNAMIC_VERSIONING_BYPASS"),
        ("ConfigError: Cannot find the version from SCM or SCM isn't detected.",
         "PDM_BUILD_SCM_VERSION"),
        ("ModuleNotFoundError: No module named 'pkg_resources'", "PIP_CONSTRAINT"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
         "not the one that was locked"),
        ("ERROR: Can't verify hashes for these requirements because we don't have a way to",
         "has no hash"),
        ("ERROR: Package 'x' requires a different Python: 3.13.5 not in '>=3.14'",
         "the distribution has Python 3.13.5"),
        ("[PdmUsageError]: Hash is not available for 'letters @ file:///app/letters', please",
         "release letters as a file"),
        ("Current Python version (3.13.5) is not allowed by the project (^3.14).",
         "the distribution has Python 3.13.5"),
        ("ERROR: No matching distribution found for flask==99", "flask==99 exists"),
        ("ERROR: ResolutionImpossible: for help visit", "no versions fit each other"),
        ("error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.",
         "lock again"),
        ("pyproject.toml changed significantly since poetry.lock was last generated.",
         "lock again"),
        ("Lock file hash doesn't match pyproject.toml, packages may be outdated", "lock again"),
        ("Temporary failure in name resolution", "stack_python_network"),
        ("error: something else", ""),
    ],
)  # fmt: skip
def test_a_failure_advises_what_to_do(line: str, hint: str) -> None:
    found = advice(["Collecting x", line, "after"])
    assert hint in found
    assert bool(hint) == bool(found)


def test_a_failure_has_the_last_words_of_its_tool() -> None:
    def fails(_command: list[str], _at: str, _told: dict[str, str]) -> tuple[int, str, str]:
        return (
            1,
            "Collecting x\n  Downloading x.whl\n",
            "ERROR: No matching distribution found for x",
        )

    with pytest.raises(StepError) as raised:
        Tools(fails, {}).pip(["download", "x"], "it cannot be fetched", "requirements.txt")
    assert raised.value.lines == ("ERROR: No matching distribution found for x",)
    assert "stack_python_index" in raised.value.hint


def test_of_a_long_output_the_end_is_kept() -> None:
    lines = cleaned("\n".join(map(str, range(100))), "last")
    assert (lines[0], lines[-1], len(lines)) == ("61", "last", 40)


def test_the_certificates_of_the_container_are_those_of_the_tools() -> None:
    told = environment_of({"SSL_CERT_FILE": "/run/ca.pem", "CFLAGS": "-O3"})
    assert (told["PIP_CERT"], told["UV_SYSTEM_CERTS"]) == ("/run/ca.pem", "1")
    assert told["CFLAGS"] == "-O3 -g0"
    assert "PIP_CERT" not in environment_of({})


def test_secrets_are_files_of_the_tools_and_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "SECRETS", tmp_path)
    assert secret_environment() == {}
    for name in ("pip.conf", "netrc", "INDEX_TOKEN", "other"):
        (tmp_path / name).write_text("x\n")
    assert secret_environment() == {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "NETRC": str(tmp_path / "netrc"),
        "INDEX_TOKEN": "x",
    }
