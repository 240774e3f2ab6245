"""Verifying images: what is proved, what is found missing, and the line that ships it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import CHECKOUT, PROGRAMS, Commands
from runs import write
from services import Docker

pytestmark = pytest.mark.engine

WORDS = "rootfs_outputs: [{path: /app/data/words.txt}]"
PERL = "rootfs_packages: [perl-base]"

# It reads what its package.json does not ship, in a thread, and runs what only the build has.
LACKING = """
const { execFile } = require('child_process')
const { readFile } = require('fs')
require('http').createServer((request, response) =>
  readFile(__dirname + '/data/words.txt', 'utf8', (error, words) =>
    execFile('perl', ['-e', 'print 6 * 7'], (failed, printed) =>
      response.end(`${words} ${printed}`)))).listen(8080)
"""
DYING = "setTimeout(() => { console.error('no such', 'luck'); process.exit(3) }, 100)"
SILENT = "setInterval(() => {}, 1000)"


@dataclass(frozen=True)
class Made:
    """The image of a small app, which the engine does not have."""

    directory: Path
    commands: Commands

    def words(self, **smoke: Any) -> list[str]:
        """Return the words of a verification; ``smoke`` is what is asked instead."""
        own = ["-e", json.dumps({"rootfs_smoke": smoke})] if smoke else []
        return ["rootfs-ansible", "verify", "test-lacking", *own]

    def verify(self, **smoke: Any) -> tuple[int, dict[str, Any]]:
        """Return the exit status of a verification, and its proof."""
        ended = self.commands.run(*self.words(**smoke), "--json")
        assert ended.returncode in (0, 1), ended.stderr
        return ended.returncode, json.loads(ended.stdout)


@pytest.fixture(scope="module")
def made(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Made:
    directory = tmp_path_factory.mktemp("verify") / "lacking"
    package = {
        "name": "lacking", "version": "1.0.0", "main": "server.js", "files": ["server.js"],
        "config": {"port": 8080},
    }  # fmt: skip
    write(
        directory,
        {
            "package.json": json.dumps(package),
            "server.js": LACKING,
            # No store has what is made of it, however often this runs.
            "data/words.txt": f"grüße {uuid.uuid4()}",
        },
    )
    commands.build(directory, "-e", "rootfs_load=false", "-e", "rootfs_image_name=test-lacking")
    return Made(directory, commands)


def test_what_an_app_lacks_is_found_and_its_line_ships_it(
    made: Made, commands: Commands, docker: Docker
) -> None:
    code, proof = made.verify()
    assert (code, proof["proved"], proof["smoke"]["passed"]) == (1, False, True)
    assert [
        (found["path"], found["process"], found["package"], found["declare"])
        for found in proof["findings"]
    ] == [
        ("/app/data/words.txt", "node", "", [WORDS]),
        ("/usr/bin/perl", "node", "perl-base", [PERL]),
    ]
    app = made.directory
    subprocess.run(["docker", "rmi", "test-verified"], env=commands.environment({}), check=False)
    options = ("-e", "rootfs_verify=true", "-e", "rootfs_image_name=test-verified")
    ended = commands.run("rootfs-ansible", "build", app, *options)
    assert ended.returncode == 1
    assert f"node     /app/data/words.txt  -          {WORDS}" in ended.stderr
    assert "it is not delivered" in ended.stderr
    assert docker("images", "--quiet", "test-verified") == ""
    (app / "rootfs.yml").write_text(f"{WORDS}\n{PERL}\nrootfs_smoke:\n  expect: {{output: 42}}\n")
    ended = commands.run("rootfs-ansible", "build", app, *options)
    assert ended.returncode == 0, ended.stderr
    assert "proved  GET / at port 8080 answered 200, and nothing is missing" in ended.stdout
    docker("rmi", "test-verified")


@pytest.mark.parametrize(
    ("program", "timeout", "said", "last"),
    [
        (DYING, 60, "GET / at port 8080: the service ended with status 3", "no such luck"),
        (SILENT, 2, "GET / at port 8080: nothing listens after 2 s", None),
    ],
)
def test_a_service_that_does_not_serve_fails_with_its_last_words(
    made: Made, program: str, timeout: int, said: str, last: str | None
) -> None:
    command = ["node", "-e", program]
    code, proof = made.verify(http={"path": "/"}, command=command, timeout=timeout)
    assert (code, proof["smoke"]["passed"], proof["smoke"]["said"]) == (1, False, said)
    assert (proof["smoke"]["lines"] or [None])[-1] == last


def test_a_command_runs_as_the_user_of_the_image_without_network_or_a_root_to_write_to(
    made: Made,
) -> None:
    program = """
        const { networkInterfaces } = require('os')
        const write = (path) => { try { require('fs').writeFileSync(path, '') } catch (error) {
            return error.code } }
        console.log(process.getuid(), Object.keys(networkInterfaces()), write('/app/x'),
            write('/tmp/x'))
    """
    code, proof = made.verify(command=["node", "-e", program])
    assert (code, proof["smoke"]["said"]) == (0, "ended with status 0")
    assert proof["smoke"]["lines"] == ["65532 [ 'lo' ] EROFS undefined"]


def test_an_image_that_nobody_built_is_no_finding(commands: Commands) -> None:
    ended = commands.run("rootfs-ansible", "verify", "nowhere")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no image nowhere:latest" in ended.stderr


def test_nothing_is_left_of_what_is_interrupted(made: Made, docker: Docker) -> None:
    def there(word: str) -> str:
        return docker("ps", "--all", "--quiet", "--filter", f"name={word}")

    program, *words = made.words(command=["node", "-e", SILENT], timeout=600)
    with subprocess.Popen(
        [PROGRAMS / program, *words],
        cwd=CHECKOUT,
        env=made.commands.environment({}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while not there("test-lacking-latest-traced"):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    assert there("test-lacking-latest") == ""
    assert docker("images", "--quiet", "rootfs.builder/verified") == ""


@pytest.mark.parametrize("example", ["node-web", "haskell-web", "python-web"])
def test_the_examples_are_proved(
    commands: Commands, request: pytest.FixtureRequest, example: str
) -> None:
    name = "built_example" if example == "node-web" else f"built_{example[:-4]}_example"
    built = request.getfixturevalue(name)
    ended = commands.run("rootfs-ansible", "verify", built["digest"], "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    proof = json.loads(ended.stdout)
    assert proof["smoke"]["said"] == "GET / at port 8080 answered 200"
    assert proof["touched"] > 50
