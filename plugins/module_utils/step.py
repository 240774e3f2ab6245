"""A step of a build: how it runs a command, what it knows of secrets, and how it fails.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

SECRETS = Path("/run/rootfs/secrets")
"""Where a build container sees the secrets of its app: in memory, and in no layer."""

_LAST_LINES = 40

Run = Callable[[list[str], str, dict[str, str]], tuple[int, str, str]]
"""Runs a command in a directory with additions to its environment: code, output, errors."""


class StepError(Exception):
    """A step that failed: what, where, the tool's own lines, and the way out."""

    def __init__(
        self, what: str, where: str = "", lines: Iterable[str] = (), hint: str = ""
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.lines, self.hint = what, where, tuple(lines), hint

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        lines += [f"  {line}" for line in self.lines]
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the error in the form of every error of the collection."""
        return {
            "kind": "BuildError",
            "what": self.what,
            "where": self.where,
            "hint": self.hint,
            "details": list(self.lines),
        }


def runner(module: Any, **always: str) -> Run:  # noqa: ANN401 (Ansible's own)
    """Return what runs the commands of a module's step, ``always`` with these variables."""

    def run(
        command: list[str], directory: str, environment: dict[str, str]
    ) -> tuple[int, str, str]:
        # An undecodable byte of a tool's output is no reason to fail.
        answer: tuple[int, str, str] = module.run_command(
            command,
            cwd=directory,
            environ_update={**always, **environment},
            errors="surrogate_then_replace",
        )
        return answer

    return run


def last_lines(noise: re.Pattern[str], *outputs: str) -> list[str]:
    """Return the last lines that a tool printed, without those that begin with ``noise``, which
    says nothing of a failure."""
    lines = [line.rstrip() for output in outputs for line in output.splitlines()]
    return [line for line in lines if line and not noise.match(line)][-_LAST_LINES:]


def secret_environment(files: Mapping[str, str]) -> dict[str, str]:
    """Return what only a fetch is told: the variables that name the secrets among ``files`` (by
    the names of these), and tokens by their own names."""
    found = {}
    for path in sorted(SECRETS.iterdir()) if SECRETS.is_dir() else ():
        if path.name in files:
            found[files[path.name]] = str(path)
        elif re.fullmatch(r"[A-Z][A-Z0-9_]*", path.name):
            found[path.name] = path.read_text(encoding="utf-8").strip()
    return found
