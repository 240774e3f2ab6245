"""The systemctl of a staging container: it knows units and enables them, and starts none."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[3] / "roles" / "rootfs" / "files" / "systemctl.py"


@pytest.fixture
def systemctl() -> ModuleType:
    spec = importlib.util.spec_from_file_location("systemctl", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for name in ("nginx.service", "getty@.service", "backup.timer"):
        (units / name).write_text("[Unit]\n")
    scripts = tmp_path / "etc/init.d"
    scripts.mkdir(parents=True)
    (scripts / "redis").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "status", "printed"),
    [
        ("is-enabled nginx", 1, "disabled"),
        ("is-enabled gone", 1, "not-found"),
        ("is-active nginx.service", 3, "inactive"),
        ("is-failed nginx", 1, "inactive"),
        ("is-system-running", 1, "offline"),
        ("get-default", 0, "multi-user.target"),
        ("daemon-reload", 0, ""),
        ("stop gone", 0, ""),
        ("--version", 0, "systemd 257 (a staging container: units are known, and none is started)"),
        ("edit nginx", 1, ""),
        ("start nginx redis getty@tty1", 0, ""),
        ("start nginx gone", 5, ""),
        ("enable gone", 1, ""),
        ("--type service list-unit-files", 0, "backup.timer disabled\ngetty@.service disabled\n"
         "nginx.service disabled\nredis.service disabled"),
        ("list-units --no-pager", 0, "backup.timer loaded inactive dead disabled\n"
         "getty@.service loaded inactive dead disabled\n"
         "nginx.service loaded inactive dead disabled\n"
         "redis.service loaded inactive dead disabled"),
    ],
)  # fmt: skip
def test_answers(
    systemctl: ModuleType,
    root: Path,
    command: str,
    status: int,
    printed: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert systemctl.run(command.split(), root) == status
    assert capsys.readouterr().out.strip() == printed


def test_what_ansible_asks_of_a_unit(
    systemctl: ModuleType, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systemctl.run(["show", "nginx.service"], root)
    shown = capsys.readouterr().out.split("\n")
    assert {"LoadState=loaded", "ActiveState=inactive", "UnitFileState=disabled"} <= set(shown)
    systemctl.run(["show", "gone"], root)
    assert "LoadState=not-found" in capsys.readouterr().out.split("\n")


def test_units_are_enabled_and_masked_by_links(systemctl: ModuleType, root: Path) -> None:
    configured = root / "etc/systemd/system"
    wanted = configured / "multi-user.target.wants/nginx.service"
    for _ in range(2):
        assert systemctl.run(["enable", "nginx"], root) == 0
        assert wanted.readlink() == Path("/usr/lib/systemd/system/nginx.service")
    assert systemctl.run(["disable", "nginx", "gone"], root) == 0
    assert not wanted.is_symlink()
    assert systemctl.run(["mask", "nginx"], root) == 0
    assert (configured / "nginx.service").readlink() == Path("/dev/null")
    assert systemctl.run(["unmask", "nginx"], root) == 0
    assert not (configured / "nginx.service").is_symlink()


def test_a_masked_unit_says_so(
    systemctl: ModuleType, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systemctl.run(["mask", "nginx"], root)
    systemctl.run(["show", "nginx"], root)
    assert "LoadState=masked" in capsys.readouterr().out.split("\n")


def test_what_should_be_started_is_written_down(systemctl: ModuleType, root: Path) -> None:
    systemctl.run(["restart", "nginx"], root)
    systemctl.run(["enable", "--now", "redis"], root)
    systemctl.run(["enable", "backup.timer"], root)
    systemctl.run(["start", "gone"], root)
    assert (root / "run/rootfs/started").read_text() == "nginx.service\nredis.service\n"
