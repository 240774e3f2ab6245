"""A program of this machine that a run waits for; it ends with the run, however the run ends.

A *supervisor*, a small process between the run and the program, waits for the program, for the end
of the run and for a signal. It adopts what the program starts, also what the program loses, so that
nothing of it is left: first all are asked to end, so that they clean up after themselves, and what
does not is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rootfs_ansible.drive.keeper import Process, descendants
from rootfs_ansible.errors import BuildError

# How often the supervisor looks whether the run is there, and how long it lets a program clean up,
# in seconds.
_LOOK = 0.5
_GRACE = 30.0
_PAUSE = 0.1

_LAST = 20
"""Lines of what a failed program said that are told: its end, where the reason stands."""

_ADOPT = 36
"""PR_SET_CHILD_SUBREAPER of linux/prctl.h."""


def write_output(
    owner: Process,
    command: Sequence[str],
    target: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a program and write its output to ``target``; raise ``BuildError`` where it fails.

    It ends with the process ``owner``, or when this call is left early. ``environment`` is added
    to that of this process.
    """
    supervisor = [sys.executable, "-m", __spec__.name, "--owner", str(owner), "--"]
    with (
        target.open("wb") as output,
        subprocess.Popen(
            [*supervisor, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        try:
            _, said = process.communicate()
        except BaseException:
            process.terminate()
            raise
    if process.returncode != 0:
        raise BuildError(
            f"failed (exit code {process.returncode})",
            where=command[0],
            details=said.decode("utf-8", "replace").splitlines()[-_LAST:],
        )


def supervise(owner: Process, command: Sequence[str]) -> int:
    """Run a program and return its exit code; end it when the run, or who waits for it, has ended.

    A signal ends it as well.
    """
    told: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.append(number))
    waiting = os.getppid()
    _adopt()
    try:
        # A session of its own: a program may signal its whole group, and we are not of it.
        process = subprocess.Popen(command, start_new_session=True)
    except OSError as error:
        print(error.strerror, file=sys.stderr)
        return 127
    while not told and owner.alive() and os.getppid() == waiting:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK)
            break
    _end_all()
    code = process.poll()
    return 1 if code is None else code if code >= 0 else 128 - code


def _end_all() -> None:
    """End every process that descends from this one."""
    asked: set[int] = set()
    deadline = time.monotonic() + _GRACE
    while (left := descendants(os.getpid())) and time.monotonic() < deadline + _GRACE:
        kill = time.monotonic() > deadline
        for pid in left if kill or not asked else ():
            # It has ended, or is another user's, who ends with whom it belongs to.
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL if kill else signal.SIGTERM)
        # Only once: what is started from here on cleans up.
        asked.update(left)
        time.sleep(_PAUSE)


def _adopt() -> None:
    """Become the parent of what a child leaves without one (prctl(2); Linux alone has it)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)


def main() -> int:
    """Run a program as a part of a run."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--owner", required=True, help="the process that is the run")
    parser.add_argument("command", nargs="+", help="the program and its arguments")
    arguments = parser.parse_args()
    owner = Process.parse(arguments.owner)
    if owner is None:
        parser.error(f"not a process: {arguments.owner}")
    return supervise(owner, arguments.command)


if __name__ == "__main__":
    sys.exit(main())
