"""What processes did with files, read from a log of strace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

OPTIONS = (
    "--follow-forks",
    # Nothing but the calls that are traced stops a process.
    "--seccomp-bpf",
    "--trace=%file,fchdir,clone,clone3,fork,vfork",
    "--decode-fds=path",
    "--signal=none",
    "--quiet=attach,personality",
)
"""The options of strace whose log is read here: calls that name files, and those that start
processes, with the paths of their descriptors."""


class Wish(StrEnum):
    """What a call is for: a program to run, content to read, a directory to list, whether (and
    what) something is, or something to make."""

    RUN = "run"
    READ = "read"
    LIST = "list"
    ASK = "ask"
    MAKE = "make"


@dataclass(frozen=True, slots=True)
class Access:
    """One path that a call named: by which process (its id, and the program that it runs), for
    what, and whether it was there. ``error`` is the name of the errno otherwise.

    ``path`` is absolute and as the process spelt it, with links and ``..``; UTF-8 with surrogate
    escapes.
    """

    process: int
    program: str
    wish: Wish
    path: str
    error: str = ""

    @property
    def found(self) -> bool:
        """Whether it was there."""
        return not self.error


_LINE = re.compile(r"(?P<thread>\d{1,10}) +(?P<rest>.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(?P<rest>.*)")
_UNFINISHED = " <unfinished ...>"
_CALL = re.compile(
    r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d{1,20}|\?)(?:<.*>)?"
    r"(?: (?P<error>E\w+) .*)?$"
)
_NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<directory>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
_CWD = re.compile(r"AT_FDCWD<(?P<path>[^>]*)>")
_DESCRIPTOR = re.compile(r"\d+<(?P<path>[^>]*)>")
_ESCAPE = re.compile(r"\\(?:(?P<octal>[0-7]{1,3})|x(?P<hex>[0-9a-f]{2})|(?P<other>.))")
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_STARTING = {"clone", "clone3", "fork", "vfork"}
_RUNNING = {"execve", "execveat"}
_OPENING = {"open", "openat", "openat2"}
_MAKING = {
    "bind", "creat", "link", "linkat", "mkdir", "mkdirat", "mknod", "mknodat", "rename",
    "renameat", "renameat2", "rmdir", "symlink", "symlinkat", "truncate", "unlink", "unlinkat",
}  # fmt: skip


@dataclass(slots=True)
class _Process:
    id: int
    program: str
    directory: str


@dataclass(frozen=True, slots=True)
class _Call:
    thread: int
    name: str
    arguments: str
    result: str
    error: str


def accesses(lines: Iterable[str], directory: str, program: str = "") -> Iterator[Access]:
    """Yield every path that the calls of a log named, in their order.

    ``lines`` are those of a log that strace wrote with ``OPTIONS``, one character for each byte
    (latin-1); what makes no sense in it is passed over, as the traced processes may write it too.
    ``directory`` is where the first process started, ``program`` what it is called.
    """
    calls = list(_calls(lines))
    started = {
        int(call.result): (call.thread, "CLONE_THREAD" in call.arguments)
        for call in calls
        if call.name in _STARTING and call.result.isdigit() and call.result != "0"
    }
    processes: dict[int, _Process] = {}
    for call in calls:
        process = _process(call.thread, processes, started, directory, program)
        if call.name in _STARTING:
            # What its child is to begin with, whenever that is first heard of.
            child = int(call.result) if call.result.isdigit() else 0
            if child and child not in processes:
                _process(child, processes, started, directory, program)
            continue
        yield from _named(call, process)


def _process(
    thread: int,
    processes: dict[int, _Process],
    started: dict[int, tuple[int, bool]],
    directory: str,
    program: str,
) -> _Process:
    """Return the process of a thread; a new one is as its parent is now."""
    missing: list[int] = []
    at = thread
    while at not in processes and at in started and at not in missing:
        missing.append(at)
        at = started[at][0]
    if at not in processes:
        processes[at] = _Process(at, program, directory)
    for child in reversed(missing):
        parent, is_thread = processes[started[child][0]], started[child][1]
        processes[child] = (
            parent if is_thread else _Process(child, parent.program, parent.directory)
        )
    return processes[thread]


def _calls(lines: Iterable[str]) -> Iterator[_Call]:
    """Yield the calls of a log, each where it ended, one that was interrupted put together."""
    begun: dict[int, str] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        thread, text = int(match["thread"]), match["rest"]
        if text.endswith(_UNFINISHED):
            begun[thread] = text.removesuffix(_UNFINISHED)
            continue
        if resumed := _RESUMED.match(text):
            text = begun.pop(thread, "") + resumed["rest"]
        if call := _CALL.match(text):
            yield _Call(
                thread, call["name"], call["arguments"], call["result"], call["error"] or ""
            )


def _named(call: _Call, process: _Process) -> Iterator[Access]:
    if cwd := _CWD.search(call.arguments):
        process.directory = _decoded(cwd["path"])
    if call.name == "getcwd":
        return
    if call.name == "fchdir":
        descriptor = _DESCRIPTOR.match(call.arguments)
        if descriptor and not call.error:
            process.directory = _decoded(descriptor["path"])
        return
    matches = list(_NAMED.finditer(call.arguments))
    # Of others that have several strings, all but the first are answers or arguments.
    if call.name not in _MAKING:
        matches = matches[:1]
    # A call that a signal, or the end of its process, cut off found nothing out.
    if call.result == "?":
        return
    wish = _wish(call)
    for match in matches:
        path = _absolute(match, process.directory)
        if not path:
            continue
        if not call.error and call.name in _RUNNING:
            process.program = PurePosixPath(path).name
        if not call.error and call.name == "chdir":
            process.directory = path
        yield Access(process.id, process.program, wish, path, call.error)


def _wish(call: _Call) -> Wish:
    if call.name in _RUNNING:
        return Wish.RUN
    if call.name in _MAKING or (call.name in _OPENING and "O_CREAT" in call.arguments):
        return Wish.MAKE
    if call.name in _OPENING:
        if "O_PATH" in call.arguments:
            return Wish.ASK
        return Wish.LIST if "O_DIRECTORY" in call.arguments else Wish.READ
    return Wish.ASK


def _absolute(match: re.Match[str], directory: str) -> str:
    path = _decoded(match["path"])
    if path.startswith("/"):
        return path
    base = _decoded(match["directory"]) if match["directory"] is not None else directory
    # A descriptor of a pipe or a socket is no directory.
    if not base.startswith("/"):
        return ""
    return f"{base.rstrip('/')}/{path}" if path else base


def _decoded(text: str) -> str:
    """Return what strace escaped as it was."""
    if not text.isascii() or "\\" in text:
        text = _ESCAPE.sub(_unescaped, text)
        return text.encode("latin-1", "replace").decode("utf-8", "surrogateescape")
    return text


def _unescaped(match: re.Match[str]) -> str:
    if match["octal"]:
        return chr(int(match["octal"], 8) & 0xFF)
    if match["hex"]:
        return chr(int(match["hex"], 16))
    return _LETTERS.get(match["other"], match["other"])
