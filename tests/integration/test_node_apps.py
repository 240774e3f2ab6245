"""Node projects of every kind, built by one run of the playbook: what they say and hold."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Commands
from runs import message

pytestmark = pytest.mark.engine

APPS = Path(__file__).with_name("apps")
SAID = {
    "addon": "compiled with a library of its own",
    "berry": {"two": 172800000, "hook": "ran"},
    "berry-plain": {"two": 172800000},
    "pnpm": {"two": 172800000, "hook": "ran"},
    "typescript": {"two": 172800000, "hook": "ran", "basePath": "/docs"},
    "unlocked": {"two": 172800000},
    "workspace": {"own": "2.0.0", "lib": "2.1.3", "two": 172800000},
    "yarn1": {"two": 172800000, "hook": "ran"},
}
OPTIONS: Mapping[str, Mapping[str, Any]] = {"workspace": {"stack_node_workspace": "apps/api"}}


def inventory(directory: Path, apps: Mapping[str, Mapping[str, Any]]) -> Path:
    """Write an inventory of ``apps``: the options of each by its name."""
    hosts = {name: {"rootfs_image_name": f"test-{name}", **said} for name, said in apps.items()}
    path = directory / "inventory.json"
    path.write_text(json.dumps({"apps": {"hosts": hosts}}))
    return path


@dataclass(frozen=True)
class Built:
    """The plain rootfs of each app, and what the playbook printed."""

    directory: Path
    output: str

    def tree(self, name: str, below: str = "app") -> str:
        """The files and links below a directory, one path a line; packages by name alone."""
        root = self.directory / name / below
        found = []
        for at, directories, files in os.walk(root):
            path = Path(at)
            links = [item for item in directories if (path / item).is_symlink()]
            if _is_package(path):
                found.append(f"{path.relative_to(root)}/")
                directories.clear()
                continue
            for item in (path / file for file in [*files, *links]):
                arrow = f" -> {item.readlink()}" if item.is_symlink() else ""
                found.append(f"{item.relative_to(root)}{arrow}")
        return "\n".join(sorted(found))


@pytest.fixture(scope="module")
def built(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Built:
    directory = tmp_path_factory.mktemp("apps")
    for name in SAID:
        shutil.copytree(APPS / name, directory / "sources" / name)
    apps = {
        name: {
            "rootfs_app_dir": str(directory / "sources" / name),
            "rootfs_format": ["dir"],
            "rootfs_output": str(directory / "rootfs" / name),
            **OPTIONS.get(name, {}),
        }
        for name in SAID
    }
    (directory / "rootfs").mkdir()
    # In a store of its own: what is there already is neither read again nor warned of.
    store = f"rootfs_store={directory / 'store'}"
    ended = commands.playbook("-i", str(inventory(directory, apps)), "-e", store)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return Built(directory / "rootfs", ended.stdout + ended.stderr)


def _is_package(path: Path) -> bool:
    above = path.parent.parent if path.parent.name.startswith("@") else path.parent
    return above.name == "node_modules" and path.name[0] not in ".@"


def lines(text: str) -> str:
    return "\n".join(filter(None, map(str.strip, text.splitlines())))


@pytest.mark.parametrize("name", sorted(SAID))
def test_it_runs_as_nobody_in_particular_on_a_root_that_it_cannot_write(
    built: Built, commands: Commands, name: str
) -> None:
    said = subprocess.check_output(
        ["docker", "run", "--rm", "--read-only", "--cap-drop", "ALL", f"test-{name}:latest"],
        env=commands.environment({}),
        text=True,
    ).strip()
    assert (json.loads(said) if said.startswith("{") else said) == SAID[name]


def test_compiled_typescript_is_shipped_without_its_sources_and_its_compiler(built: Built) -> None:
    assert built.tree("yarn1") == lines("""
        dist/index.js
        hook.json
        node_modules/debug/
        node_modules/ms/
        package.json
        tsconfig.json
    """)


def test_a_configuration_in_typescript_is_shipped_as_javascript_with_what_it_requires(
    built: Built,
) -> None:
    assert built.tree("typescript") == lines("""
        dist/index.js
        hook.json
        next.config.js
        node_modules/debug/
        node_modules/ms/
        package.json
        settings.js
        tsconfig.json
    """)


def test_yarn_fetches_for_development_too_and_production_alone_is_shipped(built: Built) -> None:
    assert built.tree("berry-plain") == lines("""
        index.js
        node_modules/ms/
        package.json
    """)


def test_pnpms_layout_is_kept_with_its_links(built: Built) -> None:
    assert built.tree("pnpm") == lines("""
        dist/index.js
        hook.json
        node_modules/.pnpm/debug@4.3.4/node_modules/debug/
        node_modules/.pnpm/debug@4.3.4/node_modules/ms -> ../../ms@2.1.2/node_modules/ms
        node_modules/.pnpm/ms@2.1.2/node_modules/ms/
        node_modules/.pnpm/ms@2.1.3/node_modules/ms/
        node_modules/debug -> .pnpm/debug@4.3.4/node_modules/debug
        node_modules/ms -> .pnpm/ms@2.1.3/node_modules/ms
        package.json
        tsconfig.json
    """)


def test_a_workspace_brings_what_it_needs_and_no_other(built: Built) -> None:
    assert built.tree("workspace") == lines("""
        apps/api/index.js
        apps/api/package.json
        node_modules/@workspace/time -> ../../packages/time
        node_modules/ms/
        packages/time/dist/index.js
        packages/time/node_modules/ms/
        packages/time/package.json
    """)


def test_an_addon_is_shipped_without_what_it_was_compiled_from(built: Built) -> None:
    assert built.tree("addon") == lines("""
        build/Release/greeting.node
        deps/words/LICENSE
        index.js
        package.json
    """)


def test_what_is_not_as_one_may_think_is_said(built: Built) -> None:
    warnings = re.sub(r"\s+", " ", built.output)
    assert "no lock file of npm: the versions of the dependencies are not pinned" in warnings
    assert "the postinstall script of workspace was not run" in warnings


# What fails, and how


def tarball(path: Path, package: Mapping[str, Any]) -> None:
    """Write a package as npm fetches it."""
    with tarfile.open(path, "w:gz") as archive:
        data = json.dumps({"version": "1.0.0", **package}).encode()
        member = tarfile.TarInfo("package/package.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))


ASK_THE_NETWORK = "require('dns').lookup('example.org', error => { if (error) throw error })"
BROKEN_GYP = '{"targets": [{"target_name": "broken", "sources": ["broken.c"]}]}'
START = {"version": "1.0.0", "scripts": {"start": "node index.js"}}
NEEDS_CAIRO = '#include <cairo.h>\n#error "never reached"\n'


def failing(directory: Path) -> dict[str, dict[str, Any]]:
    """Write projects that fail, each in its own way, and return the options of each."""
    packages: dict[str, dict[str, Any]] = {
        "asks-network": {"dependencies": {"asker": "file:asker.tgz"}},
        "broken-build": {"scripts": {"build": "node build.js", "start": "node index.js"}},
        "broken-compile": {},
        "fragile": {"optionalDependencies": {"asker": "file:asker.tgz"}},
        "lacks-header": {},
        "lacks-package": {"dependencies": {"no-such-package-anywhere": "1.0.0"}},
        "lacks-program": {"scripts": {"start": "no-such-program --port 80"}},
        "lacks-script": {"scripts": {"build": "true", "start": "node dist/index.js"}},
        "old-lock": {"dependencies": {"ms": "2.1.3"}},
        "unknown-node": {"engines": {"node": ">=999"}},
    }
    files = {
        "broken-build/build.js": "console.log('one step'); throw new Error('the second failed')",
        "broken-compile/binding.gyp": BROKEN_GYP,
        "broken-compile/broken.c": "int main(void) { return no_such_variable; }\n",
        "fragile/index.js": "try { require('asker') } catch (e) { console.log(e.code) }",
        "lacks-header/binding.gyp": BROKEN_GYP,
        "lacks-header/broken.c": NEEDS_CAIRO,
        "old-lock/package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}',
    }
    for name, package in packages.items():
        (directory / name).mkdir()
        text = json.dumps({"name": name, **START, **package})
        (directory / name / "package.json").write_text(text)
        (directory / name / "index.js").touch()
        if "file:asker.tgz" in text:
            script = f'node -e "{ASK_THE_NETWORK}"'
            asker = {"name": "asker", "scripts": {"postinstall": script}}
            tarball(directory / name / "asker.tgz", asker)
    for name, text in files.items():
        (directory / name).write_text(text)
    return {name: {"rootfs_app_dir": str(directory / name)} for name in packages}


@pytest.fixture(scope="module")
def failed(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("failing")
    ended = commands.playbook("-i", str(inventory(directory, failing(directory))))
    assert ended.returncode != 0, ended.stdout
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "asks-network",
            [
                "asker@1.0.0: the postinstall script failed",
                "getaddrinfo",
                "asker wanted the network, which scripts do not have",
                "rootfs_build_env",
                "stack_node_scripts_network: true",
            ],
        ),
        (
            "broken-build",
            ["broken-build: the build script failed", "one step", "the second failed"],
        ),
        (
            "broken-compile",
            [
                "broken-compile@1.0.0: the install script failed (exit code 1): node-gyp rebuild",
                "no_such_variable",
            ],
        ),
        (
            "lacks-header",
            ["fatal error: cairo.h", "Hint: cairo.h is missing", "rootfs_build_packages"],
        ),
        (
            "lacks-package",
            ["Hint: the dependency no-such-package-anywhere does not exist in the registry"],
        ),
        (
            "lacks-program",
            [
                "scripts.start runs no-such-program, which no production dependency brings",
                "rootfs_command",
            ],
        ),
        (
            "lacks-script",
            ["scripts.start runs dist/index.js, which is not there after the build"],
        ),
        (
            "old-lock",
            [
                "package-lock.json does not agree with package.json",
                "dependencies.ms (2.1.3) is missing from the lock",
                "Hint: run npm install and commit package-lock.json",
            ],
        ),
        (
            "unknown-node",
            ["there is no node that satisfies >=999", "available: 18.", "available: 22."],
        ),
    ],
)
def test_a_failure_says_what_failed_where_and_what_to_do(
    failed: str, name: str, said: list[str]
) -> None:
    text = message(failed, name)
    assert [part for part in said if part not in text] == [], text


def test_an_optional_dependency_may_fail(failed: str, commands: Commands) -> None:
    assert "the optional package asker is left out" in re.sub(r"\s+", " ", failed)
    said = subprocess.check_output(
        ["docker", "run", "--rm", "test-fragile:latest"], env=commands.environment({}), text=True
    )
    assert said == "MODULE_NOT_FOUND\n"


def test_failures_leave_no_container_behind(failed: str, commands: Commands) -> None:
    listing = subprocess.check_output(
        ["docker", "ps", "--all", "--format", "{{.Names}}"],
        env=commands.environment({}),
        text=True,
    )
    names = ("asks-network", "broken-", "lacks-", "fragile", "old-lock", "unknown-node")
    assert not [name for name in listing.split() if any(part in name for part in names)]
