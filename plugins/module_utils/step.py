"""A step of a build: how it runs a command, and how it fails.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

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
