"""A smoke run: what is started, what is asked, and what that says of the image."""

from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from builds import StandIn, harvested, make_build

from rootfs_ansible.drive.engine import Completed
from rootfs_ansible.drive.engine import Image as EngineImage
from rootfs_ansible.drive.tracer import _ASKING, PLACE, _program, _Run, first_port, loaded
from rootfs_ansible.errors import EngineError, InputError
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.smoke import Smoke


@pytest.fixture
def image(tmp_path: Path) -> Image:
    build = make_build(tmp_path, rootfs_ports=["53/udp", "9000", "443"])
    return build.pack(harvested(build, build.plan()), {})


# --- what asks, in a network as it is ------------------------------------------------------------


@contextmanager
def listening(answer: bytes, host: str = "127.0.0.1") -> Iterator[int]:
    """Listen at a port, and give each connection that sends something an answer."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        server.listen()
        server.settimeout(20)

        def serve() -> None:
            for _ in itertools.count():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    if connection.recv(1000):
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def ask(kind: str, port: int, path: str = "/", window: float = 0.0) -> tuple[int, bytes]:
    words = [kind, str(port), path, str(window), "65536"]
    ended = subprocess.run([sys.executable, "-c", _ASKING, *words], capture_output=True, timeout=60)
    return ended.returncode, ended.stdout


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_answers_is_asked_wherever_it_listens(host: str) -> None:
    with listening(b"HTTP/1.1 204 \r\n\r\n", host) as port:
        assert ask("http", port) == (0, b"HTTP/1.1 204 \r\n\r\n")
        assert ask("tcp", port) == (0, b"")


def test_what_does_not_speak_http_does_not_answer() -> None:
    with listening(b"220 ready\r\n") as port:
        assert ask("http", port) == (4, b"")


def test_where_nothing_listens_there_is_none() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert ask("http", port)[0] == 3
        assert ask("tcp", port)[0] == 3


# --- what that says ------------------------------------------------------------------------------


@dataclass
class Scripted:
    """An engine whose container ends after a few looks, and which is asked in vain for a while."""

    ends: int | None = None
    looks: int = 0
    answers: list[Completed] = field(default_factory=list)
    output: str = ""

    def ended(self, _name: str) -> int | None:
        self.looks -= 1
        return self.ends if self.looks < 0 else None

    def execute(self, _container: str, _command: Iterable[str]) -> Completed:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def printed(self, _name: str, _lines: int) -> str:
        return self.output


def judged(image: Image, smoke: Smoke, **script: Any) -> tuple[bool, str]:
    engine: Any = Scripted(**script)
    return _Run(engine, "beside", "traced", image, smoke).judged()


def http(status: int, body: str = "") -> Completed:
    return Completed(0, f"HTTP/1.1 {status} It\r\nA: b\r\n\r\n{body}")


COMMAND = Smoke("exec", ("x",))
PAGE = Smoke("http", path="/up")


@pytest.mark.parametrize(
    ("smoke", "script", "passed", "said"),
    [
        (COMMAND, {"ends": 0, "looks": 1}, True, "ended with status 0"),
        (COMMAND, {"ends": 3}, False, "ended with status 3, not 0"),
        (replace(COMMAND, exit_status=3), {"ends": 3}, True, "ended with status 3"),
        (replace(COMMAND, timeout=0), {}, False, "did not end within 0 s"),
        (replace(COMMAND, runs=1), {}, True, "was still running after 1 s"),
        (replace(COMMAND, runs=1), {"ends": 0}, True, "ended with status 0"),
        (
            replace(COMMAND, output="^v2"), {"ends": 0, "output": "hi\nv2.1"}, True,
            "ended with status 0, and printed '^v2'",
        ),
        (
            replace(COMMAND, output="^v2"), {"ends": 0, "output": "v1 v2"}, False,
            "ended with status 0, but printed nothing like '^v2'",
        ),
        (
            PAGE, {"answers": [Completed(3, ""), http(200)]}, True,
            "GET /up at port 443 answered 200",
        ),
        (PAGE, {"answers": [http(404)]}, True, "GET /up at port 443 answered 404"),
        (PAGE, {"answers": [http(503)]}, False, "GET /up at port 443 answered 503, not below 500"),
        (
            replace(PAGE, status=200, port=1), {"answers": [http(201)]}, False,
            "GET /up at port 1 answered 201, not 200",
        ),
        (
            replace(PAGE, output="^up"), {"answers": [http(200, "down\nup")]}, True,
            "GET /up at port 443 answered 200",
        ),
        (
            # The head of an answer is none of it.
            replace(PAGE, output="It"), {"answers": [http(200, "down")]}, False,
            "GET /up at port 443 answered 200, but nothing like 'It'",
        ),
        (
            PAGE, {"answers": [Completed(3, "")], "ends": 1, "looks": 2}, False,
            "GET /up at port 443: the service ended with status 1",
        ),
        (
            replace(PAGE, timeout=0), {"answers": [Completed(4, "")]}, False,
            "GET /up at port 443: no answer after 0 s",
        ),
        (Smoke("tcp"), {"answers": [Completed(0, "")]}, True, "port 443 accepted a connection"),
        (
            Smoke("tcp", timeout=0), {"answers": [Completed(3, "")]}, False,
            "port 443: nothing listens after 0 s",
        ),
    ],
)  # fmt: skip
def test_what_happens_is_told(
    image: Image, smoke: Smoke, script: dict[str, Any], passed: bool, said: str
) -> None:
    assert judged(image, smoke, **script) == (passed, said)


def test_who_cannot_ask_says_so(image: Image) -> None:
    with pytest.raises(EngineError, match="cannot be asked"):
        judged(image, PAGE, answers=[Completed(127, "python3: not found")])


def test_without_a_tcp_port_there_is_nothing_to_ask(image: Image) -> None:
    assert first_port(image) == 443
    closed = replace(image, config=replace(image.config, ports=("53/udp",)))
    with pytest.raises(InputError, match="no port to ask"):
        first_port(closed)


def test_a_command_comes_after_the_entry_point(image: Image) -> None:
    config = replace(image.config, entrypoint=("tini", "--"), command=("serve",))
    image = replace(image, config=config)
    assert _program(image, PAGE)[-4:] == ["--", "tini", "--", "serve"]
    words = _program(image, COMMAND)
    assert words[0] == f"{PLACE}/loader"
    assert words[-4:] == ["--", "tini", "--", "x"]


def test_an_image_that_the_engine_lacks_is_there_under_another_name_for_a_while(
    tmp_path: Path,
) -> None:
    build = make_build(tmp_path)
    image = build.pack(harvested(build, build.plan()), {})
    removed: list[str] = []
    engine: Any = StandIn()
    engine.remove_image = removed.append
    with loaded(engine, build.store, image) as name:
        assert name.startswith("rootfs.builder/verified:")
        assert engine.asked[-1] == "load"
        assert removed == []
    assert removed == [name]
    engine.there[image.config_digest] = EngineImage(image.config_digest, (), {}, (), "amd64", 1)
    with loaded(engine, build.store, image) as name:
        assert name == image.config_digest
    assert len(removed) == 1
