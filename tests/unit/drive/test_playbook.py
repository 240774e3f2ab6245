"""What the command line makes of a run of the playbook."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rootfs_ansible import cli
from rootfs_ansible.drive import playbook
from rootfs_ansible.errors import BuildError

HEAD = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
"""
RESCUED = """
    - block:
        - name: Try the fast mirror
          ansible.builtin.fail: {msg: no mirror}
      rescue:
        - ansible.builtin.debug: {msg: took the other}
"""
FAILED = """
    - name: Try the only mirror
      ansible.builtin.fail: {msg: no mirror at all}
"""
SLOW = """
    - ansible.builtin.command:
        argv: [sh, -c, 'trap "touch cleaned; exit 1" INT TERM; touch begun; sleep 600 & wait']
"""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is run in place of the build; the tests stand in its directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(playbook, "PLAYBOOK", str(tmp_path / "play.yml"))
    return tmp_path / "play.yml"


def test_a_failure_that_a_role_rescues_is_none(play: Path) -> None:
    play.write_text(HEAD + RESCUED)
    assert playbook.run({}) == {}


def test_a_failure_is_told_with_its_task(play: Path) -> None:
    play.write_text(HEAD + FAILED)
    with pytest.raises(BuildError) as failed:
        playbook.run({})
    assert "localhost: Try the only mirror\n    no mirror at all" in str(failed.value)


def test_an_interrupted_playbook_cleans_up(play: Path) -> None:
    play.write_text(HEAD + SLOW)

    def interrupt() -> None:
        while not (play.parent / "begun").exists():
            time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(BuildError, match="interrupted"):
        playbook.run({})
    assert (play.parent / "cleaned").exists()
    assert time.monotonic() - began < playbook._GRACE


def test_a_dry_run_prints_what_would_be_done(
    play: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outlook = {"localhost": playbook.Result({}, "shop would be built")}
    monkeypatch.setattr(playbook, "run", lambda *_, **__: outlook)
    assert cli.main(["build", ".", "--check"]) == 0
    assert capsys.readouterr().out == "shop would be built\n"
    with pytest.raises(SystemExit) as refused:
        cli.main(["build", ".", "--check", "--json"])
    assert refused.value.code == 2


@pytest.mark.parametrize(("proved", "status"), [(True, 0), (False, 1)])
def test_a_verification_ends_as_its_proof_says(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    proved: bool,
    status: int,
) -> None:
    proof = {"localhost": playbook.Result({"proved": proved}, "smoke passed")}
    monkeypatch.setattr(playbook, "run", lambda *_, **__: proof)
    assert cli.main(["verify", "shop"]) == status
    assert capsys.readouterr().out == "smoke passed\n"


def test_a_verification_that_cannot_be_made_is_neither(
    play: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    play.write_text(HEAD + FAILED)
    monkeypatch.setattr(playbook, "VERIFY", str(play))
    assert cli.main(["verify", "shop"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "the image cannot be verified" in said.err
