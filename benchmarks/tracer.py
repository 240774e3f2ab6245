"""What a service touches: its files as strace sees them while requests are answered."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
import uuid

from images import Tree, steps

from rootfs_ansible.drive.strace import OPTIONS, accesses

# strace with its own libraries, because the image under test may have no package manager, no
# shell and another C library. A volume of this image brings it into the container.
TRACER = """
FROM {base}
RUN apt-get update && apt-get install -y --no-install-recommends strace
RUN mkdir -p /trace/lib && mkdir -m 1777 /trace/out \\
 && cp "$(command -v strace)" /lib64/ld-linux-x86-64.so.2 /trace/ \\
 && ldd "$(command -v strace)" | sed -n 's/.*=> \\([^ ]*\\).*/\\1/p' | xargs cp -t /trace/lib
VOLUME /trace
"""
STRACE = (
    "/trace/ld-linux-x86-64.so.2",
    "--library-path",
    "/trace/lib",
    "/trace/strace",
    *OPTIONS,
    "--output=/trace/out/log",
    "--",
)
START_TIMEOUT_S = 120.0

# What the kernel opens by itself when it starts a program, unseen by strace.
LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


def touched(image: str, tree: Tree, base: str, port: int, requests: list[str]) -> set[str]:
    """Return the paths of `tree` that `image` touches until it has answered `requests`.

    Touched is what a system call named with success: opened, executed, asked for, listed. `base`
    is a Debian image that the tracer is taken from.
    """
    log, directory = _trace(image, base, port, requests)
    named = (access.path for access in accesses(log.splitlines(), directory) if access.found)
    return {step for path in (*named, *LOADERS) for step in steps(tree, path)}


def _trace(image: str, base: str, port: int, requests: list[str]) -> tuple[str, str]:
    """Return the log of strace, and the directory that the image starts in."""
    name = f"rootfs-benchmark-{uuid.uuid4().hex[:12]}"
    tracer = f"{name}-tracer"
    docker("build", "--quiet", "--tag", tracer, "-", stdin=TRACER.format(base=base).encode())
    try:
        docker("create", "--name", tracer, tracer, "true")
        config = json.loads(docker("image", "inspect", image))[0]["Config"]
        command = [*STRACE, *(config["Entrypoint"] or ()), *(config["Cmd"] or ())]
        docker(
            "run", "--detach", f"--name={name}", f"--publish=127.0.0.1::{port}",
            f"--volumes-from={tracer}", "--cap-add=SYS_PTRACE", f"--entrypoint={command[0]}",
            image, *command[1:],
        )  # fmt: skip
        address = docker("port", name, str(port)).decode().split()[0]
        for path in requests:
            _ask(f"http://{address}{path}")
        docker("stop", "--time=10", name)
        log = docker("cp", f"{tracer}:/trace/out/log", "-")
    finally:
        subprocess.run(["docker", "rm", "-fv", name, tracer], capture_output=True)
        subprocess.run(["docker", "rmi", tracer], capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(log)) as archive:
        content = archive.extractfile("log")
        text = content.read().decode("latin-1") if content else ""
        return text, config.get("WorkingDir") or "/"


def _ask(url: str) -> None:
    """Ask until there is an answer, whatever its status; the service may be starting."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=START_TIMEOUT_S).read()
        except urllib.error.HTTPError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"no answer from {url}: {error}") from error
            time.sleep(0.2)
        else:
            return


def docker(*command: str, stdin: bytes = b"") -> bytes:
    """Return what a docker command prints, given `stdin`."""
    return subprocess.run(
        ["docker", *command], input=stdin, stdout=subprocess.PIPE, check=True
    ).stdout
