"""Smoke runs: what an app says over its stack, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.smoke import Smoke

SERVICE: dict[str, Any] = {"http": {"path": "/"}, "expect": {"output": "up"}, "timeout": 30}


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, Smoke("http", output="up", timeout=30)),
        # As Ansible gives what is not said.
        ({"http": None, "expect": None}, Smoke("http", output="up", timeout=30)),
        ({"timeout": 5, "ignore": ["/x"]}, Smoke("http", output="up", timeout=5, ignore=("/x",))),
        # Who says what is run or asked says all of it.
        ({"http": {"path": "/up", "port": None}}, Smoke("http", path="/up", timeout=30)),
        ({"tcp": {"port": None}}, Smoke("tcp", timeout=30)),
        ({"command": ["--help"]}, Smoke("exec", command=("--help",), timeout=30)),
        ({"runs": 3}, Smoke("exec", runs=3, timeout=30)),
        (
            {"command": ["x"], "expect": {"exit": 3, "output": "^y"}, "env": {"PORT": 80}},
            Smoke("exec", ("x",), exit_status=3, output="^y", timeout=30, env=(("PORT", "80"),)),
        ),
    ],
)
def test_an_app_says_over_its_stack(own: dict[str, Any], expected: Smoke) -> None:
    found = Smoke.merged(own, SERVICE)
    assert found == expected
    assert Smoke.from_json(expected.to_json()) == expected


@pytest.mark.parametrize("own", [{}, {"ignore": ["/x"]}, {"http": None}])
def test_without_anything_to_run_or_to_ask_there_is_no_smoke_run(own: dict[str, Any]) -> None:
    assert Smoke.merged(own, {}) is None


@pytest.mark.parametrize(
    ("own", "details"),
    [
        ({"htp": {}}, ["htp; did you mean http?"]),
        ({"http": {"pth": "/"}}, ["http.pth; did you mean path?"]),
        ({"http": {}, "tcp": {}}, ["http and tcp do not go together"]),
        ({"http": {"path": "up"}}, ["http.path: not the path of a request: 'up'"]),
        ({"http": {"path": "/a b"}}, ["http.path: not the path of a request: '/a b'"]),
        ({"tcp": {"port": 70000}}, ["tcp.port: 70000 is not from 0 to 65535"]),
        ({"tcp": {}, "expect": {"output": "x"}}, ["expect.output does not go with tcp"]),
        ({"http": {}, "expect": {"exit": 1}}, ["expect.exit does not go with http"]),
        ({"runs": 61}, ["runs: 61 is not from 0 to 60"]),
        ({"command": ["x"], "timeout": 0}, ["timeout: 0 is not from 1 to 86400"]),
        ({"command": ["x"], "expect": {"output": "("}}, ["expect.output: no regular expression"]),
    ],
)
def test_what_cannot_be_is_refused(own: dict[str, Any], details: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Smoke.merged(own, {"runs": 1})
    assert len(caught.value.details) >= len(details)
    for found, expected in zip(caught.value.details, details, strict=False):
        assert found.startswith(expected)
