"""Scripts: the interpreter that a first line names."""

from __future__ import annotations

import posixpath
import re
from collections import deque
from dataclasses import dataclass

from rootfs_ansible.model.path import ImagePath

# The kernel reads this much of a file to find its interpreter (BINPRM_BUF_SIZE, linux/binfmts.h).
FIRST_LINE = 256

# Where a program is looked up: the PATH that container engines and Debian give a process.
SEARCH_PATH = (
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
)

# A zero ends what the kernel has read, too.
_SEPARATOR = re.compile(rb"[ \t\0]")
_SPACES = " \t\n\v\f\r"
_VARIABLE = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")
_ESCAPED = {char: char for char in "\"#$'\\"} | {
    "_": " ",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
# The options of env(1) of GNU coreutils. With a zero for a line's end it runs nothing.
_SHORT = {
    "a": "argv0",
    "i": "ignore-environment",
    "0": "null",
    "u": "unset",
    "C": "chdir",
    "S": "split-string",
    "v": "debug",
}
_CLUSTERED = {"ignore-environment", "debug"}
_WITH_VALUE = {"argv0", "unset", "chdir", "split-string"}
_WITHOUT_PROGRAM = {"", "null", "help", "version"}
_LONG = sorted(
    {*_SHORT.values(), *_WITHOUT_PROGRAM, "block-signal", "default-signal", "ignore-signal"}
    | {"list-signal-handling"} - {""}
)


@dataclass(frozen=True, slots=True)
class Shebang:
    """The first line of a script: its ``interpreter`` and, where that is ``env``, the ``program``
    that env looks up (empty otherwise)."""

    interpreter: ImagePath
    program: str = ""

    def __str__(self) -> str:
        """Render the line as the script has it, arguments left out."""
        return f"#!{self.interpreter} {self.program}".rstrip(" ")


def shebang(head: bytes) -> Shebang | None:
    """Return the first line that ``head``, the start of a file, has for the kernel; nothing
    where it has none, or one that the kernel refuses (execve(2), "Interpreter scripts", and
    load_script of fs/binfmt_script.c)."""
    if not head.startswith(b"#!"):
        return None
    # What is not in the file is zeros in the buffer, and a zero ends a name, too.
    buffer = head[:FIRST_LINE].ljust(FIRST_LINE, b"\0")
    line, newline, _ = buffer[2:].partition(b"\n")
    if not newline:
        line = line[:-1]
        if not _SEPARATOR.search(line.lstrip(b" \t")):
            return None  # the kernel refuses a name that its buffer cuts off
    # Nothing but these separates: a carriage return is part of the name before it.
    name, *rest = _SEPARATOR.split(line.strip(b" \t"), maxsplit=1)
    if not name.startswith(b"/") or name.endswith(b"/"):
        return None
    interpreter = ImagePath(_text(name))
    if interpreter.name != "env":
        return Shebang(interpreter)
    is_cut = line.strip(b" \t")[len(name) : len(name) + 1] == b"\0"
    argument = rest[0].lstrip(b" \t").partition(b"\0")[0] if rest and not is_cut else b""
    return Shebang(interpreter, _program([_text(argument)] if argument else []))


def candidates(program: str) -> tuple[ImagePath, ...]:
    """Return where ``program`` may be, first to last."""
    if "\0" in program or not program:
        return ()
    if program.startswith("/"):
        return (ImagePath(program),)
    if "/" in program:
        return ()
    return tuple(ImagePath(posixpath.join(place, program)) for place in SEARCH_PATH)


def _program(words: list[str]) -> str:
    """Return the program that env(1) of GNU runs for its arguments ``words``; empty where it
    runs none."""
    waiting = deque(words)
    # Each split makes the words that are left shorter.
    while waiting and waiting[0].startswith("-") and waiting[0] != "-":
        word = waiting.popleft()
        if word == "--":
            break
        option, value = _option(word)
        if option in _WITH_VALUE and value is None:
            value = waiting.popleft() if waiting else None
        if option in _WITHOUT_PROGRAM or (option in _WITH_VALUE and value is None):
            return ""
        if option == "split-string":
            waiting.extendleft(reversed(_split(value or "")))
        elif value and option in _CLUSTERED:
            waiting.appendleft(f"-{value}")
    if waiting and waiting[0] == "-":
        waiting.popleft()
    while waiting and "=" in waiting[0]:
        waiting.popleft()
    return waiting[0] if waiting else ""


def _option(word: str) -> tuple[str, str | None]:
    """Return the option that ``word`` begins with, by its long name (empty where there is none),
    and what follows it there."""
    if not word.startswith("--"):
        return _SHORT.get(word[1], ""), word[2:] or None
    text, equals, value = word[2:].partition("=")
    meant = [name for name in _LONG if name.startswith(text)]
    name = text if text in meant else (meant[0] if len(meant) == 1 else "")
    return name, value if equals else None


def _split(text: str) -> list[str]:
    """Return the words that env(1) makes of a string ("-S/--split-string usage in scripts").

    A variable is taken as not set; nothing where env refuses the string.
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(text):
        char, at = text[at], at + 1
        if quote and char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote, word = char, word or ""
        elif not quote and char in _SPACES:
            if word is not None:
                words.append(word)
            word = None
        elif char == "#" and not quote and word is None:
            break
        elif char == "\\" and not (quote == "'" and text[at : at + 1] not in ("'", "\\")):
            escaped, at = text[at : at + 1], at + 1
            if escaped == "c" and not quote:
                break
            if escaped == "_" and not quote:
                if word is not None:
                    words.append(word)
                word = None
            elif escaped in _ESCAPED and escaped:
                word = (word or "") + _ESCAPED[escaped]
            else:
                return []
        elif char == "$" and quote != "'":
            variable = _VARIABLE.match(text, at)
            if variable is None:
                return []
            at = variable.end()
        else:
            word = (word or "") + char
    if quote:
        return []
    return words if word is None else [*words, word]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
