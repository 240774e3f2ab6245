"""Scripts: the interpreter that a first line names."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from rootfs_ansible.errors import InputError
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

_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_WITH_VALUE = {"-u", "--unset", "-C", "--chdir", "-a", "--argv0"}


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
    where it has none, or one that the kernel refuses (execve(2), "Interpreter scripts")."""
    if not head.startswith(b"#!"):
        return None
    line, newline, _ = head[2:FIRST_LINE].partition(b"\n")
    if not newline and len(head) >= FIRST_LINE and not line.strip().count(b" "):
        return None  # the kernel refuses a name that its buffer cuts off
    # Nothing but these two separates: a carriage return is part of the name before it.
    words = re.split("[ \t]+", line.decode("utf-8", "surrogateescape").strip(" \t"), maxsplit=1)
    if not words[0].startswith("/"):
        return None
    try:
        interpreter = ImagePath(words[0])
    except InputError:
        return None
    if interpreter.name != "env":
        return Shebang(interpreter)
    return Shebang(interpreter, _program(words[1] if len(words) > 1 else ""))


def candidates(program: str) -> tuple[ImagePath, ...]:
    """Return where ``program`` may be, first to last."""
    if "\0" in program or not program:
        return ()
    if program.startswith("/"):
        return (ImagePath(program),)
    if "/" in program:
        return ()
    return tuple(ImagePath(posixpath.join(place, program)) for place in SEARCH_PATH)


def _program(argument: str) -> str:
    """Return the program in the arguments of env, which the kernel passes as one word."""
    words = argument.split() if argument.startswith("-") else [argument]
    while words:
        word = words.pop(0)
        if word in ("-S", "--split-string", "-i", "-", "--ignore-environment", "-v", "--debug"):
            continue
        if word.startswith("-S") and len(word) > len("-S"):
            words.insert(0, word[2:])
        elif word.startswith("--split-string="):
            words.insert(0, word.removeprefix("--split-string="))
        elif word in _WITH_VALUE:
            words = words[1:]
        elif not word.startswith("-") and not _ASSIGNMENT.match(word):
            return word
    return ""
