"""The words of a command line, as far as no shell is needed to find them, and of YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_OPERATORS = {
    "&&": "joins commands with &&",
    "||": "joins commands with ||",
    "&": "starts a second command with &",
    "|": "joins commands with |",
    ";": "joins commands with ;",
    "<": "redirects its input",
    ">": "redirects its output",
    "(": "opens a subshell",
    ")": "opens a subshell",
    "\n": "has several lines",
}
_EXPANSIONS = {"$": "expands a variable", "`": "runs a command in backticks"}
_GLOBS = "*?["
_PLAIN = re.compile(r"(?!@)[\w./@=-]+")
"""A word that YAML takes for itself; one that begins with @ is none."""
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


class NeedsShellError(Exception):
    """A command line that only a shell can run."""


def split(line: str) -> list[str]:
    """Split a command line into words as a POSIX shell does (XCU 2.2, quoting).

    Raises ``NeedsShellError`` for anything that is more than words.
    """
    text = line.strip()
    words: list[str] = []
    word: str | None = None
    quote = ""
    characters = iter(enumerate(text))
    for at, character in characters:
        if quote == "'" and character != quote:
            word = (word or "") + character
        elif character == quote:
            quote = ""
        elif character in _EXPANSIONS:
            raise NeedsShellError(_EXPANSIONS[character])
        elif character == "\\":
            word = (word or "") + next(characters, (0, ""))[1]
        elif quote:
            word = (word or "") + character
        elif character in "'\"":
            quote, word = character, word or ""
        elif character in _OPERATORS:
            raise NeedsShellError(_OPERATORS.get(text[at : at + 2], _OPERATORS[character]))
        elif character in _GLOBS or (character == "~" and word is None):
            raise NeedsShellError(f"expands {character}")
        elif character.isspace():
            words += [word] if word is not None else []
            word = None
        else:
            word = (word or "") + character
    if quote:
        raise NeedsShellError("has a quote that is not closed")
    return [*words, word] if word is not None else words


def assignments(words: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """Return the variables that are set before a command, and the command."""
    pairs: list[tuple[str, str]] = []
    rest = list(words)
    while rest and _ASSIGNMENT.match(rest[0]):
        name, _, value = rest.pop(0).partition("=")
        pairs.append((name, value))
    return tuple(pairs), rest


def yaml_word(text: str) -> str:
    """Return a word as it is written in a list of YAML."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
