"""What the system refuses is told with its place and the way out, as everything else is."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction

from rootfs_ansible import cli
from rootfs_ansible.drive import playbook
from rootfs_ansible.errors import of_system

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_full_disk_without_a_name_is_that_of_the_temporary_files(temporary: Path) -> None:
    assert str(of_system(FULL)) == (
        f"{temporary}: the disk is full\n"
        "Hint: free some space there, or set TMPDIR to a directory that has more"
    )


def test_a_full_disk_elsewhere_is_no_matter_of_tmpdir(temporary: Path) -> None:
    full = OSError(errno.EDQUOT, "Disk quota exceeded", "/srv/out.tar")
    assert str(of_system(full)) == (
        "/srv/out.tar: the disk is full\nHint: free some space there"
    )  # fmt: skip


def test_any_other_refusal_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(OSError) as refused:
        (tmp_path / "none").read_bytes()
    assert str(of_system(refused.value)) == f"{tmp_path}/none: No such file or directory"


def test_the_command_line_shows_no_traceback(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FULL

    monkeypatch.setattr(playbook, "run", refuse)
    assert cli.main(["build", "."]) == 1
    assert capsys.readouterr().err.startswith(f"rootfs-ansible: {temporary}: the disk is full\n")


def test_an_action_fails_as_a_task(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(RootfsAction):
        def perform(self, _: object) -> dict[str, object]:
            raise FULL

    monkeypatch.setattr(RootfsAction.__base__, "run", lambda *_: {})
    result = Full.__new__(Full).run()
    assert result["failed"]
    assert result["msg"] == str(of_system(FULL))
