"""Running an image as strictly as in production, and seeing what it does with files."""

from __future__ import annotations

import itertools
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from rootfs_ansible.drive.delivery import load
from rootfs_ansible.drive.engine import LABEL_APP, LABEL_PURPOSE, Engine
from rootfs_ansible.drive.keeper import Process, joining, kept, labels_of, leave, network_of
from rootfs_ansible.drive.strace import OPTIONS, Access, accesses
from rootfs_ansible.errors import EngineError, InputError
from rootfs_ansible.model.image import Image
from rootfs_ansible.model.smoke import Smoke
from rootfs_ansible.store.layout import Store

PLACE = "/opt/rootfs-trace"
"""Where the tracer image has strace (``strace``), the loader (``loader``) and the libraries
(``lib``) that it needs, and an empty directory that everybody may write (``out``): all of it is put
on a volume of the container under test, which has none of this, and maybe another libc."""

_LOG = f"{PLACE}/out/log"
_LOG_LIMIT = 1 << 29
_LAST = 20
"""Lines of what a failed run printed that are told: its end, where the reason stands."""
_PAUSE = 0.2
_ANSWER = 65536
"""Bytes of an answer's body that are looked at."""

_ASKING = """
import socket, sys, time
kind, port, path, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
end, code = time.monotonic() + seconds, 3
while True:
    for host in ("127.0.0.1", "::1"):
        try:
            with socket.create_connection((host, port), 1) as connection:
                if kind == "tcp":
                    sys.exit(0)
                code = 4
                # All of it is shorter than the engine lets a command be silent.
                connection.settimeout(25)
                connection.sendall((
                    f"GET {path} HTTP/1.1\\r\\nHost: localhost:{port}\\r\\nAccept: */*\\r\\n"
                    "User-Agent: rootfs-ansible\\r\\nConnection: close\\r\\n\\r\\n"
                ).encode())
                answer = b""
                while len(answer) < int(sys.argv[5]):
                    block = connection.recv(65536)
                    if not block:
                        break
                    answer += block
                if answer.startswith(b"HTTP/1."):
                    sys.stdout.buffer.write(answer)
                    sys.exit(0)
        except OSError:
            if code == 4:
                break
    if time.monotonic() > end:
        sys.exit(code)
    time.sleep(0.1)
"""
"""What asks a service, in the network of its container; its status is 3 where nothing listens, and
4 where what listens does not answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a smoke run went: whether as it had to, in words, the last lines that were printed, and
    the seconds that it took."""

    passed: bool
    said: str
    lines: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "passed": self.passed,
            "said": self.said,
            "lines": list(self.lines),
            "seconds": round(self.seconds, 3),
        }


@contextmanager
def loaded(engine: Engine, store: Store, image: Image) -> Iterator[str]:
    """Give how the engine calls an image of the store, loaded for the while if it lacks it.

    The image's own name stays what it is.
    """
    if engine.image(image.config_digest) is not None:
        yield image.config_digest
        return
    name = f"rootfs.builder/verified:{uuid.uuid4().hex[:12]}"
    try:
        load(store, engine, replace(image, name=name))
        yield name
    finally:
        engine.remove_image(name)


def traced(
    engine: Engine, owner: Process, image: Image, reference: str, tracer: str, smoke: Smoke
) -> tuple[Outcome, tuple[Access, ...]]:
    """Run an image as ``smoke`` says, and return how it went and what its processes did with files.

    It runs with a root that it cannot write to, as its own user, without capabilities and ways to
    gain any, on a network of its own that leads nowhere unless the smoke run declares one.
    ``reference`` is what the engine calls it, ``tracer`` the image that strace comes from.
    What it takes in the engine belongs to the run of ``owner``, and is removed at the end.
    """
    if engine.image(tracer) is None:
        raise EngineError(f"there is no image {tracer}", where=f"engine {engine.docker_host}")
    base = f"rootfs-{owner.run}-{re.sub(r'[^a-zA-Z0-9_.-]+', '-', image.name)}"
    beside, name = f"{base}-tracer", f"{base}-traced"
    with kept(engine, owner):
        labels = {**labels_of(owner), LABEL_APP: image.name, LABEL_PURPOSE: "verify"}
    try:
        with joining(owner):
            network = "none"
            if smoke.network:
                network = network_of(owner)
                engine.create_network(network, labels=labels_of(owner))
            engine.start(tracer, beside, labels=labels, network=network, volume=PLACE)
        began = time.monotonic()
        engine.start_locked(
            reference,
            name,
            beside=beside,
            program=_program(image, smoke),
            labels=labels,
            # tini says so otherwise: under strace it is not the first process.
            environment={"TINI_SUBREAPER": "1", **dict(smoke.env)},
        )
        run = _Run(engine, beside, name, image, smoke)
        passed, said = run.judged()
        seconds = time.monotonic() - began
        engine.kill(name)
        lines = tuple(engine.printed(name, _LAST).splitlines())
        with engine.read(beside, _LOG, _LOG_LIMIT) as log:
            text = (line.decode("latin-1").rstrip("\n") for line in log)
            found = accesses(text, image.config.working_directory)
            own = tuple(itertools.filterfalse(_is_ours, found))
    finally:
        engine.remove(name)
        engine.remove(beside)
        if smoke.network:
            leave(engine, owner)
    if not own:
        raise EngineError(
            "nothing of the run was traced",
            where=f"engine {engine.docker_host}",
            details=lines,
            hint="the engine must let a process trace its children (ptrace, Docker's default"
            " seccomp profile)",
        )
    return Outcome(passed, said, lines, seconds), own


def _is_ours(access: Access) -> bool:
    return access.path.startswith(f"{PLACE}/")


def _program(image: Image, smoke: Smoke) -> list[str]:
    """Return the words that start an image under strace."""
    words = [*image.config.entrypoint, *(smoke.command or image.config.command)]
    if not words:
        raise InputError(f"{image.name} has no command", hint="name one: rootfs_smoke.command")
    return [
        f"{PLACE}/loader", "--library-path", f"{PLACE}/lib", f"{PLACE}/strace", *OPTIONS,
        f"--output={_LOG}", "--", *words,
    ]  # fmt: skip


@dataclass(slots=True)
class _Run:
    """A started run, and what is asked of it."""

    engine: Engine
    beside: str
    name: str
    image: Image
    smoke: Smoke

    def judged(self) -> tuple[bool, str]:
        """Wait for what has to happen; say whether it did, in words."""
        return self._ends() if self.smoke.probe == "exec" else self._answers()

    def _ends(self) -> tuple[bool, str]:
        smoke = self.smoke
        began = time.monotonic()
        code = self.engine.ended(self.name)
        while code is None:
            passed = time.monotonic() - began
            if smoke.runs and passed >= smoke.runs:
                return self._printed(f"was still running after {smoke.runs} s")
            if passed >= smoke.timeout:
                return False, f"did not end within {smoke.timeout} s"
            time.sleep(_PAUSE)
            code = self.engine.ended(self.name)
        if code != smoke.exit_status:
            return False, f"ended with status {code}, not {smoke.exit_status}"
        return self._printed(f"ended with status {code}")

    def _printed(self, said: str) -> tuple[bool, str]:
        if not self.smoke.output:
            return True, said
        if re.search(self.smoke.output, self.engine.printed(self.name, 10_000), re.MULTILINE):
            return True, f"{said}, and printed {self.smoke.output!r}"
        return False, f"{said}, but printed nothing like {self.smoke.output!r}"

    def _answers(self) -> tuple[bool, str]:
        smoke, port = self.smoke, self.smoke.port or first_port(self.image)
        what = f"GET {smoke.path} at port {port}" if smoke.probe == "http" else f"port {port}"
        deadline = time.monotonic() + smoke.timeout
        while True:
            window = min(1.0, max(0.0, deadline - time.monotonic()))
            arguments = (smoke.probe, str(port), smoke.path, str(window), str(_ANSWER))
            asked = self.engine.execute(self.beside, ("python3", "-c", _ASKING, *arguments))
            code = self.engine.ended(self.name)
            if code is not None:
                return False, f"{what}: the service ended with status {code}"
            if asked.code == 0:
                break
            if asked.code not in (3, 4):
                raise EngineError(
                    "the service cannot be asked", details=asked.output.splitlines()[-_LAST:]
                )
            if time.monotonic() >= deadline:
                silent = "nothing listens" if asked.code == 3 else "no answer"
                return False, f"{what}: {silent} after {smoke.timeout} s"
        if smoke.probe == "tcp":
            return True, f"{what} accepted a connection"
        head, _, body = asked.output.partition("\r\n\r\n")
        status = int(match[1]) if (match := re.match(r"HTTP/1\.\d (\d{3})", head)) else 0
        said = f"{what} answered {status}"
        if status != smoke.status if smoke.status else status >= 500:
            wanted = str(smoke.status) if smoke.status else "below 500"
            return False, f"{said}, not {wanted}"
        if smoke.output and not re.search(smoke.output, body, re.MULTILINE):
            return False, f"{said}, but nothing like {smoke.output!r}"
        return True, said


def first_port(image: Image) -> int:
    """Return the first TCP port of an image; ``InputError`` where it has none."""
    for port in sorted(image.config.ports, key=lambda text: int(text.partition("/")[0])):
        number, _, protocol = port.partition("/")
        if protocol != "udp":
            return int(number)
    raise InputError(
        "the image has no port to ask",
        where=image.name,
        hint="set rootfs_ports, or a port in rootfs_smoke",
    )
