"""Same inputs, same bytes: whatever the path, user, umask, locale, time zone and day."""

from __future__ import annotations

import json
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CHECKOUT, Commands

pytestmark = pytest.mark.engine

WEEK = "+8d"
"""What faketime(1) adds to the time: more than a week."""

BUILD_CLOCK = {
    "LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1",
    "FAKETIME": WEEK,
    # What is compiled from a file may have its time in it, and that is a fixed one.
    "NO_FAKE_STAT": "1",
}
# What asks apt keeps its clock, as lists expire within a week: mmdebstrap, modules of Ansible.
APT = "apt-config,apt-get,copy,file,gpgv,http,https,mmdebstrap,perl,sqv,store"
MODULES = f"{APT},python3,python3.13"

USER = pwd.getpwnam("nobody")


@dataclass(frozen=True)
class Elsewhere:
    """A checkout at another path, and what its apps were made into."""

    directory: Path
    commands: Commands

    @property
    def checkout(self) -> Path:
        return self.directory / "another place" / "clone"

    def build(
        self,
        apps: Mapping[str, Mapping[str, Any]],
        *words: str,
        before: Sequence[str] = (),
    ) -> dict[str, Path]:
        """Build apps in an empty store, more than a week from now; return their OCI archives."""
        made = {name: self.directory / "archives" / f"{name}.tar" for name in apps}
        inventory = self.directory / "inventory.json"
        hosts = {
            name: {
                "rootfs_format": ["oci"],
                "rootfs_output": str(made[name]),
                "rootfs_load": False,
                **options,
            }
            for name, options in apps.items()
        }
        inventory.write_text(json.dumps({"apps": {"hosts": hosts}}))
        ended = subprocess.run(
            [
                *before, "faketime", "-f", WEEK, "sh", "-c",
                'umask 077 && exec ansible-playbook playbooks/build.yml "$@"', "sh",
                "--inventory", str(inventory), *words,
                "--extra-vars", f"rootfs_store={self.directory}/store",
            ],
            cwd=self.checkout,
            env=self.commands.environment(
                {
                    "ANSIBLE_COLLECTIONS_PATH": str(self.directory / "collections"),
                    "FAKETIME_SKIP_CMDS": APT,
                    "HOME": str(self.directory / "home"),
                    "LC_ALL": "C.UTF-8",
                    "PYTHONPATH": str(self.checkout),
                    "TZ": "Pacific/Auckland",
                }
            ),
            capture_output=True,
            text=True,
            timeout=1800,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return made


@pytest.fixture
def elsewhere(commands: Commands, tmp_path: Path) -> Elsewhere:
    made = Elsewhere(tmp_path, commands)
    ignored = (".git", ".venv", ".*_cache", "__pycache__", "*.egg-info", ".cache")
    shutil.copytree(CHECKOUT, made.checkout, symlinks=True, ignore=shutil.ignore_patterns(*ignored))
    collection = tmp_path / "collections" / "ansible_collections" / "rootfs" / "builder"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(made.checkout)
    for name in ("archives", "home"):
        (tmp_path / name).mkdir()
    return made


def a_week_later(directory: Path) -> dict[str, Any]:
    """Return the options of an app whose build has another clock."""
    own = directory / "rootfs.yml"
    said = yaml.safe_load(own.read_text()) if own.exists() else {}
    return {
        "rootfs_app_dir": str(directory),
        "rootfs_build_env": BUILD_CLOCK,
        "rootfs_build_packages": [*said.get("rootfs_build_packages", []), "faketime"],
    }


def differences(one: Path, other: Path) -> str:
    """Return what diffoscope says of two files, which is nothing where they are the same."""
    ended = subprocess.run(
        ["diffoscope", "--text", "-", one, other], capture_output=True, text=True, check=False
    )
    assert ended.returncode in (0, 1), ended.stderr
    return ended.stdout


def test_everything_anew_gives_the_same_image(
    commands: Commands, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """The root image included: other path, user settings, umask, zone, locale and week."""
    example = CHECKOUT / "examples" / "node-web"
    app = a_week_later(elsewhere.checkout / "examples" / "node-web")

    def expected(name: str, *words: str) -> Path:
        archive = tmp_path / f"{name}.tar"
        commands.build(example, "--format", "oci", "--output", str(archive), *words)
        return archive

    def anew() -> str:
        return f"root_image_serial={uuid.uuid4().hex}"

    made = elsewhere.build({"node-web": app}, "--extra-vars", anew())["node-web"]
    if differences(expected("usual"), made):
        # The example's root image may be older than the distribution's last update.
        words = ("-e", anew(), "-e", f"rootfs_store={tmp_path / 'other'}")
        assert differences(expected("new", *words), made) == ""


def test_another_user_a_week_later_gives_the_same_images(
    commands: Commands, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    """What Haskell, pip and node-gyp compile, and what only holds files."""
    # Whoever it is must read this checkout, and speak to an engine that is root's; access(2) asks
    # for the same as open(2) does only without the fix-up.
    shutil.chown(tmp_path, USER.pw_uid)
    for path in tmp_path.rglob("*"):
        if not path.is_relative_to(elsewhere.checkout):
            shutil.chown(path, USER.pw_uid)
    capabilities = "+dac_override,+dac_read_search"
    as_user = (
        "setpriv", "--securebits=+no_setuid_fixup", "--clear-groups",
        f"--reuid={USER.pw_uid}", f"--regid={USER.pw_gid}",
        f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}",
    )  # fmt: skip
    directories = {
        name: elsewhere.checkout / place / name
        for name, place in (
            ("addon", "tests/integration/apps"),
            ("haskell-web", "examples"),
            ("python-web", "examples"),
        )
    }
    apps = {name: a_week_later(directory) for name, directory in directories.items()}
    apps["haskell-web"]["rootfs_build_env"] = {**BUILD_CLOCK, "FAKETIME_SKIP_CMDS": MODULES}
    made = elsewhere.build(apps, before=as_user)
    assert made["addon"].stat().st_uid == USER.pw_uid
    for name in apps:
        archive = tmp_path / f"usual-{name}.tar"
        named = ("-e", f"rootfs_image_name={name}")
        commands.build(directories[name], "--format", "oci", "--output", str(archive), *named)
        assert differences(archive, made[name]) == "", name


def test_what_a_build_makes_otherwise_each_time_is_named(
    commands: Commands, app: Callable[..., Path]
) -> None:
    package = {"name": "tiny", "scripts": {"build": "node make.js", "start": "node out/when.js"}}
    make = """
        const { mkdirSync, writeFileSync } = require('fs')
        mkdirSync('out')
        writeFileSync('out/when.js', `console.log(${Date.now()})`)
        writeFileSync('out/host.js', `console.log('${require('os').hostname()}')`)
    """
    directory = app(package, {"make.js": make})
    ended = commands.run("rootfs-ansible", "reproduce", directory)
    assert ended.returncode == 1, ended.stderr
    assert [line.split(": ")[0] for line in ended.stdout.splitlines()] == [
        "~ /app/out/when.js",
        "0 removed, 0 added, 1 changed; +0 B",
    ]
