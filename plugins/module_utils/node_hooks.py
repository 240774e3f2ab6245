"""Whether a project's own install script can run with what is installed.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

_JOINS = re.compile(r"&&|\|\||[;|&\n]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_NAME = re.compile(r"[\w@.-]+")

_SHELL = {
    "!", ".", ":", "[", "break", "case", "cd", "command", "do", "done", "elif", "else", "esac",
    "eval", "exec", "exit", "export", "false", "fi", "for", "if", "read", "readonly", "return",
    "set", "shift", "test", "then", "times", "trap", "true", "type", "ulimit", "umask", "unset",
    "until", "wait", "while", "{", "}",
}  # fmt: skip
"""What a shell brings itself (XCU 2.4 and 2.14, and the commands that dash has built in)."""
_LEADS = {"!", "command", "do", "elif", "else", "exec", "if", "then", "until", "while", "{"}
"""Words of the shell before another command."""

_RUNNERS = (
    ("npx",), ("pnpx",), ("npm", "exec"), ("npm", "x"), ("pnpm", "dlx"), ("pnpm", "exec"),
    ("yarn", "dlx"), ("yarn", "exec"),
)  # fmt: skip
"""What runs a program that is installed, or else one that it fetches."""
_VALUED = {"-p", "--package"}


def missing(line: str, path: str) -> str:
    """Return the program that a script begins with and that is not there; empty where it is, or
    where only a shell would know.

    A production install has no development dependencies, and a script that begins with what only
    they bring (husky, a check of the package manager by way of npx) is meant for a developer's
    checkout. One that gets further is meant to run.
    """
    for words in _commands(line):
        if words[0] in _SHELL:
            continue
        program = _program(words)
        there = not _NAME.fullmatch(program) or shutil.which(program, path=path)
        return "" if there else program
    return ""


def _commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, from its program on."""
    for part in _JOINS.split(line):
        words = part.split()
        while words and (_ASSIGNMENT.match(words[0]) or words[0] in _LEADS):
            words.pop(0)
        if words:
            yield words


def _program(words: list[str]) -> str:
    """Return the program that a command starts: that of a runner, else its first word."""
    for runner in _RUNNERS:
        if tuple(words[: len(runner)]) == runner:
            rest = words[len(runner) :]
            while rest and rest[0].startswith("-"):
                rest = rest[2 if rest[0] in _VALUED else 1 :]
            # npx NAME@VERSION, where a name may begin with @.
            return re.sub(r"(?<=.)@.*$", "", rest[0]) if rest else runner[0]
    return words[0]
