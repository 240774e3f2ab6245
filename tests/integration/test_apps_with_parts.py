"""Apps with more than one stack: what is built, what is built again, and how a part fails."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Commands
from runs import Run, digest, write

pytestmark = pytest.mark.engine

COMPOSED = Path(__file__).with_name("apps") / "composed"

# A server and a client of one stack; the inventory says what the client's build is.
SITE = {
    "package.json": json.dumps(
        {
            "name": "site",
            "version": "1.0.0",
            "files": ["server.js", "client/public"],
            "scripts": {"start": "node server.js", "build": "node -e process.exit(1)"},
        }
    ),
    "server.js": "console.log(require('fs').readFileSync('client/public/app.js', 'utf8'))\n",
    "client/package.json": json.dumps(
        {
            "name": "client",
            "version": "1.0.0",
            "scripts": {"build:web": "node build.js"},
        }
    ),
    "client/build.js": "const fs = require('fs')\n"
    "fs.mkdirSync('public')\n"
    "fs.writeFileSync('public/app.js', `built as ${process.env.MODE}`)\n"
    "fs.writeFileSync('public/app.map', 'none')\n",
}
SITE_OPTIONS = {
    "stack_node_build": ["false"],
    "rootfs_parts": [
        {
            "directory": "client",
            "outputs": ["public/*.js"],
            "options": {
                "stack_node_build": ["build:web"],
                "rootfs_build_env": {"MODE": "production"},
            },
        }
    ],
}


def client(build: str) -> dict[str, str]:
    """Return an app whose client is built by a program of node."""
    script = {"name": "client", "version": "1.0.0", "scripts": {"build": "node build.js"}}
    return {
        "package.json": '{"name": "app", "version": "1.0.0", "scripts": {"start": "node a.js"}}',
        "a.js": "",
        "client/package.json": json.dumps(script),
        "client/build.js": build,
        "rootfs.yml": "rootfs_parts: [{directory: client, outputs: [dist]}]\n",
    }


FAILING: Mapping[str, Mapping[str, str]] = {
    "part-broken": client("throw new Error('no such colour')"),
    "part-unmade": client("console.log('built elsewhere')"),
    "part-astray": client("require('fs').symlinkSync('/run/rootfs/secrets', 'dist')"),
}


@dataclass(frozen=True)
class Made(Run):
    """The sources, the inventory and the store of the apps, and what the first build printed."""

    @property
    def words(self) -> tuple[str, ...]:
        return ("-i", str(self.directory / "inventory.json"))


def built(output: str) -> list[str]:
    """Return the hosts that were compiled by a run which printed ``output``, in its order."""
    harvested = r"TASK \[Harvest the results\] \*+\n((?:(?!\n\n).)*)\n\n"
    found = re.findall(harvested, output, re.DOTALL)
    return re.findall(r"^changed: \[(\S+)\]$", "\n".join(found), re.MULTILINE)


@pytest.fixture(scope="module")
def made(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Made:
    directory = tmp_path_factory.mktemp("parts")
    sources = directory / "sources"
    shutil.copytree(COMPOSED, sources / "composed")
    # What a developer has there, and no build has made.
    write(
        sources / "composed" / "frontend",
        {"dist/stale.html": "stale\n", "node_modules/ms/index.js": "module.exports = () => 'no'"},
    )
    apps: dict[str, dict[str, Any]] = {"composed": {}, "site": dict(SITE_OPTIONS)}
    write(sources / "site", SITE)
    for name, files in FAILING.items():
        write(sources / name, files)
        apps[name] = {}
    (directory / "rootfs").mkdir()
    for name, options in apps.items():
        options |= {
            "rootfs_app_dir": str(sources / name),
            "rootfs_image_name": f"test-{name}",
            "rootfs_store": str(directory / "store"),
            "rootfs_format": ["dir"],
            "rootfs_output": str(directory / "rootfs" / name),
        }
    (directory / "inventory.json").write_text(json.dumps({"apps": {"hosts": apps}}))
    ended = commands.playbook("-i", str(directory / "inventory.json"))
    assert ended.returncode != 0, ended.stdout
    return Made(directory, ended.stdout + ended.stderr)


def test_a_front_end_is_in_the_program_that_serves_it(made: Made, commands: Commands) -> None:
    assert commands.says("test-composed") == "index.html: Grüße (2 days)\n"


def test_nothing_of_a_part_is_shipped_but_by_its_app(made: Made) -> None:
    root = made.rootfs("composed")
    names = {path.name for path in root.rglob("*")}
    assert not names & {"node", "frontend", "static", "dist", "greeting.txt", "package.json"}
    assert [path.name for path in (root / "usr/local/bin").iterdir()] == ["composed"]
    shipped = sorted(
        str(path.relative_to(made.rootfs("site") / "app"))
        for path in (made.rootfs("site") / "app").rglob("*")
        if path.is_file()
    )
    assert shipped == ["client/public/app.js", "package.json", "server.js"]


def test_the_inventory_says_the_options_of_a_part_of_the_same_stack(
    made: Made, commands: Commands
) -> None:
    assert commands.says("test-site") == "built as production\n"


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            "part-broken.client",
            ["the build script failed", "no such colour", "client"],
        ),
        (
            "part-unmade.client",
            ["/app/dist matches nothing", "part part-unmade.client"],
        ),
        (
            "part-astray.client",
            ["part part-astray.client", "/app/dist leads to /run/rootfs/secrets"],
        ),
        ("part-broken", ["its part part-broken.client is not compiled", "see its message above"]),
    ],
)
def test_a_failure_of_a_part_says_which_and_ends_its_app(
    made: Made, host: str, said: list[str]
) -> None:
    text = made.message(host)
    assert [part for part in said if part not in text] == [], text


def test_failures_leave_no_container_and_no_image_behind(made: Made, commands: Commands) -> None:
    def listing(*words: str) -> str:
        return subprocess.check_output(["docker", *words], env=commands.environment({}), text=True)

    assert made.output
    assert "-part-" not in listing("ps", "--all", "--format", "{{.Names}}")
    assert "test-part-" not in listing("images", "--format", "{{.Repository}}")


def test_both_entry_points_give_the_same_image(
    made: Made, commands: Commands, tmp_path: Path
) -> None:
    result = commands.build(
        made.directory / "sources" / "composed",
        *("-e", f"rootfs_store={tmp_path / 'store'} rootfs_image_name=test-composed"),
    )
    assert result["digest"] == digest(made.output, "test-composed")


def test_what_is_built_again_is_what_has_changed(made: Made, commands: Commands) -> None:
    """In one test, as each build begins where the one before it ended."""
    sources = made.directory / "sources" / "composed"

    def build(*words: str) -> str:
        return commands.playbook(*made.words, "--limit", "composed,composed.*", *words).stdout

    cached = build()
    assert "composed.frontend" not in cached
    assert digest(cached, "test-composed") == digest(made.output, "test-composed")

    main = sources / "app" / "Main.hs"
    main.write_text(main.read_text().replace('": "', '" - "'))
    foretold = build("--check")
    assert re.search(r"part composed.frontend, by \S+stack_node$", foretold, re.MULTILINE)
    assert re.search(r"^  compile +to run$", foretold, re.MULTILINE)
    assert re.search(r"^    compile +is there$", foretold, re.MULTILINE)
    assert built(build()) == ["composed"]
    assert commands.says("test-composed") == "index.html - Grüße (2 days)\n"

    (sources / "frontend" / "src" / "greeting.txt").write_text("Namaste")
    assert built(build()) == ["composed.frontend", "composed"]
    assert commands.says("test-composed") == "index.html - Namaste (2 days)\n"


def test_a_limit_that_leaves_the_parts_out_says_so(made: Made, commands: Commands) -> None:
    ended = commands.playbook(
        *made.words, "--limit", "composed", "-e", '{"rootfs_build_env": {"AGAIN": "1"}}'
    )
    assert ended.returncode != 0
    assert "parts of composed are not planned" in ended.stdout
    assert "--limit 'composed,composed.*'" in ended.stdout
