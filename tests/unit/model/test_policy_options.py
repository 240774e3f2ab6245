"""A policy as a user says it: what is meant, and everything that is not."""

from __future__ import annotations

from typing import Any

import pytest

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.policy import Allowance, Finding, Policy, Rule, Verdict


def test_what_is_not_said_is_looked_for_and_has_no_budget() -> None:
    assert Policy.parse({}) == Policy.parse(None, {}) == Policy()
    # Ansible fills in what is not said.
    assert (
        Policy.parse({"allow": None, "size": None, "disabled": None}, {"shell": None}) == Policy()
    )


def test_what_an_app_is_allowed_adds_to_what_every_app_is() -> None:
    policy = Policy.parse(
        {"allow": {"shell": ["/usr/bin/dash"]}, "disabled": ["secret"], "packages": 80},
        {"shell": ["/usr/bin/sh"], "setuid": ["/usr/bin/ping"]},
    )
    assert policy == Policy(
        allowed=(
            Allowance(Rule.SETUID, "/usr/bin/ping"),
            Allowance(Rule.SHELL, "/usr/bin/dash", shared=True),
            Allowance(Rule.SHELL, "/usr/bin/sh"),
        ),
        disabled=(Rule.SECRET,),
        packages=80,
    )


@pytest.mark.parametrize(
    ("said", "bytes_"),
    [
        (150_000_000, 150_000_000),
        ("150000000", 150_000_000),
        ("150 MB", 150_000_000),
        ("150MB", 150_000_000),
        ("1.5 GB", 1_500_000_000),
        ("64 MiB", 67_108_864),
        ("640 kB", 640_000),
        ("640 B", 640),
        (0, 0),
    ],
)
def test_a_size_is_an_amount(said: Any, bytes_: int) -> None:
    assert Policy.parse({"size": said}).size == bytes_


@pytest.mark.parametrize(
    ("said", "own", "problem"),
    [
        ({"sise": 1}, {}, ".sise: there is no such key; did you mean size?"),
        ({"disabled": ["shel"]}, {}, ".disabled: there is no rule shel; did you mean shell?"),
        ({"disabled": "shell"}, {}, ".disabled: expected a list of rules"),
        ({"disabled": ["size"]}, {}, ".disabled: there is no rule size"),
        ({}, {"size": ["/x"]}, "_allow: there is no rule size"),
        ({}, {"shell": "/x"}, "_allow.shell: expected a list of paths"),
        ({}, {"shell": ["sh"]}, "_allow.shell: 'sh' matches no path of an image (/… or **/…)"),
        ({}, ["/x"], "_allow: expected a mapping, got list"),
        ("none", {}, ": expected a mapping, got str"),
        ({"size": "much"}, {}, ".size: 'much' is no amount, such as 150 MB or 150000000"),
        ({"size": "-1"}, {}, ".size: '-1' is no amount, such as 150 MB or 150000000"),
        ({"size": True}, {}, ".size: True is no amount, such as 150 MB or 150000000"),
        ({"packages": "1 MB"}, {}, ".packages: '1 MB' is no amount, such as 80"),
        ({"files": 1.5}, {}, ".files: 1.5 is no amount, such as 80"),
    ],
)
def test_what_says_nothing_is_refused(said: Any, own: Any, problem: str) -> None:
    """It would let pass what it was to refuse."""
    with pytest.raises(InputError) as raised:
        Policy.parse(said, own)
    assert raised.value.details == (f"rootfs_policy{problem}",)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError) as raised:
        Policy.parse(
            {"sise": 1, "packages": "x", "disabled": ["y"]}, {"z": [], "shell": ["w", "v"]}
        )
    assert len(raised.value.details) == 6
    assert "world_writable" in raised.value.hint


def test_policies_that_mean_the_same_have_one_digest() -> None:
    one = Policy.parse({"size": "1 MB", "allow": {"shell": ["/b", "/a", "/a"]}})
    other = Policy.parse({"allow": {"shell": ["/a", "/b"]}, "size": 1_000_000})
    assert one.digest == other.digest
    assert one.digest != Policy.parse({"size": 1_000_001}).digest


def test_a_verdict_is_what_was_recorded() -> None:
    verdict = Verdict((Finding(Rule.SHELL, "/x", "why", "by"),), ("shell: /y",), ("app",))
    assert Verdict.from_json(verdict.to_json()) == verdict
    with pytest.raises(InputError, match="no such rule: 'sell'"):
        Finding.from_json(Document({**verdict.findings[0].to_json(), "rule": "sell"}))
