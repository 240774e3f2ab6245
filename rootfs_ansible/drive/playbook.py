"""Running the playbook through ansible-runner: the only importer of it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import ansible_runner

from rootfs_ansible.drive.keeper import children
from rootfs_ansible.errors import BuildError

PLAYBOOK = "rootfs.builder.build"
VERIFY = "rootfs.builder.verify"

_GRACE = 45.0
"""How long an interrupted playbook may clean up, in seconds: what it waits for has 30."""

_LONGEST = 40
"""Lines of a failed task's output that a message shows: its end, where the reason stands."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came out for one app: the image as JSON values, and the same for a person.

    Of a dry run the summary alone, which says what would be done.
    """

    image: Mapping[str, Any]
    summary: str


@dataclass(slots=True)
class _Run:
    """What a run has said so far."""

    progress: Callable[[str], None]
    warn: Callable[[str], None]
    warnings: set[str] = field(default_factory=set)
    results: dict[str, Result] = field(default_factory=dict)
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    deadline: float | None = None
    refuted: bool = False

    @property
    def interrupted(self) -> bool:
        """Whether there was a signal."""
        return self.deadline is not None

    def hear(self, event: Mapping[str, Any]) -> bool:
        """Take one event of ansible-runner."""
        data = event.get("event_data") or {}
        kind = event.get("event")
        if kind == "playbook_on_play_start":
            self.progress(str(data.get("play", "")))
        result = data.get("res")
        if not isinstance(result, Mapping):
            return True
        for warning in result.get("warnings") or ():
            text = f"{data.get('host')}: {warning}"
            if text not in self.warnings:
                self.warnings.add(text)
                self.warn(text)
        if isinstance(result.get("rootfs_summary"), str):
            self.results[str(data.get("host"))] = Result(
                dict(result.get("rootfs_result") or {}), result["rootfs_summary"]
            )
        # A proof that fails is a result.
        if isinstance(result.get("rootfs_result"), Mapping):
            self.refuted |= kind == "runner_on_failed"
        elif kind in ("runner_on_failed", "runner_on_unreachable") and not data.get(
            "ignore_errors"
        ):
            task, host = str(data.get("task", "")), str(data.get("host", ""))
            self.failures.append((task, host, _reason(result)))
        return True

    def interrupt(self, _number: int, _frame: FrameType | None) -> None:
        """Have the playbook end as by Ctrl-C, for which its actions clean up; twice, at once."""
        now = time.monotonic()
        if self.interrupted:
            self.deadline = now
            return
        told = children(os.getpid())
        for pid in told:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGINT)
        self.deadline = now + (_GRACE if told else 0)

    def cancelled(self) -> bool:
        """Say whether ansible-runner is to kill the playbook: it did not end when it was told."""
        return self.deadline is not None and time.monotonic() >= self.deadline


def run(
    extra_vars: Mapping[str, Any],
    *,
    inventory: str = "",
    arguments: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
    verbose: bool = False,
    playbook: str = "",
) -> dict[str, Result]:
    """Run the build, or another playbook, where the user stands; return each host's result.

    The user's ansible.cfg and inventory count as they do for ansible-playbook. ``progress`` is told
    each play as it begins, ``warn`` each warning once, unless ``verbose`` shows what Ansible
    prints. Raises ``BuildError`` with every failed task that has no result of its own, or where the
    run was interrupted.
    """
    state = _Run(progress, (lambda _: None) if verbose else warn)
    handlers = {
        number: signal.signal(number, state.interrupt)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    programs = str(Path(sys.executable).parent)
    try:
        with tempfile.TemporaryDirectory(prefix="rootfs-ansible-") as private:
            ended = ansible_runner.run(
                private_data_dir=private,
                project_dir=str(Path.cwd()),
                playbook=playbook or PLAYBOOK,
                inventory=inventory or None,
                extravars=dict(extra_vars),
                cmdline=" ".join(arguments) or None,
                envvars={"PATH": os.pathsep.join((programs, os.environ.get("PATH", os.defpath)))},
                event_handler=state.hear,
                cancel_callback=state.cancelled,
                quiet=not verbose,
            )
            printed = ended.stdout.read() if ended.rc != 0 else ""
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if state.interrupted:
        raise BuildError(
            "interrupted", hint="nothing is left behind; the next build goes on from the last stage"
        )
    # Of a run that ended well every failure was rescued.
    if state.failures and ended.rc != 0:
        raise BuildError(
            "the image cannot be verified" if playbook else "the build failed",
            details=[
                f"{host}: {task}\n{_indented(reason)}" for task, host, reason in state.failures
            ],
        )
    if ended.rc != 0 and not state.refuted:
        raise BuildError(
            "the playbook ended without a result",
            details=printed.splitlines()[-_LONGEST:],
        )
    return state.results


def _reason(result: Mapping[str, Any]) -> str:
    """Return what a failed task says of itself, with the output of the program it ran."""
    parts = [str(result.get("msg") or "")]
    for stream in ("stderr", "stdout", "module_stderr"):
        text = str(result.get(stream) or "").strip()
        if text and text not in parts[0]:
            parts.append("\n".join(text.splitlines()[-_LONGEST:]))
    return "\n".join(part for part in parts if part) or "no message"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
