"""The arguments of node, and the first line by which a program names its interpreter.

Standard library alone: this runs in the build container too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_VALUED = {
    "-C", "-r", "--allow-fs-read", "--allow-fs-write", "--build-snapshot-config", "--conditions",
    "--cpu-prof-dir", "--cpu-prof-interval", "--cpu-prof-name", "--debug-port", "--diagnostic-dir",
    "--disable-proto", "--disable-warning", "--dns-result-order", "--env-file",
    "--env-file-if-exists", "--es-module-specifier-resolution", "--experimental-config-file",
    "--experimental-default-type", "--experimental-loader", "--experimental-policy",
    "--experimental-sea-config", "--experimental-specifier-resolution", "--heap-prof-dir",
    "--heap-prof-interval", "--heap-prof-name", "--heapsnapshot-near-heap-limit",
    "--heapsnapshot-signal", "--icu-data-dir", "--import", "--input-type", "--inspect-port",
    "--inspect-publish-uid", "--loader", "--localstorage-file", "--max-http-header-size",
    "--max-old-space-size-percentage", "--network-family-autoselection-attempt-timeout",
    "--openssl-config", "--policy-integrity", "--redirect-warnings", "--report-dir",
    "--report-directory", "--report-filename", "--report-signal", "--require", "--secure-heap",
    "--secure-heap-min", "--security-revert", "--snapshot-blob", "--test-concurrency",
    "--test-global-setup", "--test-isolation", "--test-name-pattern", "--test-reporter",
    "--test-reporter-destination", "--test-shard", "--test-skip-pattern", "--test-timeout",
    "--title", "--tls-cipher-list", "--tls-keylog", "--trace-event-categories",
    "--trace-event-file-pattern", "--trace-require-module", "--unhandled-rejections",
    "--use-largepages", "--v8-pool-size", "--watch-kill-signal", "--watch-path",
}  # fmt: skip
"""Options whose value may be the next word: those of node 18 to 24 that its own parser reads as
text or a number. V8 takes the values of its options with ``=`` alone."""

_CARRIES = {"-e", "--eval", "-p", "--print", "-pe", "--run", "--test"}
"""Options that bring the program themselves."""

LOADS = ("-r", "--require", "--import", "--loader", "--experimental-loader")
"""Options that load a package or a file before the script."""

ENVIRONMENT_FILES = ("--env-file", "--env-file-if-exists")

_SHEBANG = re.compile(rb"#!\s*(\S+)(?:[ \t]+([^\r\n]*))?")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of node: its name, its value (empty where it has none), and its words."""

    name: str
    value: str
    words: tuple[str, ...]

    @property
    def names_file(self) -> bool:
        """Whether its value is a file of the app, not a package."""
        if self.name in LOADS:
            return self.value.startswith((".", "/"))
        return self.name in ENVIRONMENT_FILES and bool(self.value)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of node. ``script`` is empty where an option carries the program itself, and
    nothing where node is told nothing to run."""

    options: tuple[Option, ...]
    script: str | None
    rest: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All of them in their order."""
        script = (self.script,) if self.script else ()
        return (*(word for option in self.options for word in option.words), *script, *self.rest)


def parse(words: Sequence[str]) -> Arguments:
    """Split the arguments of node into its options, its script and the script's own (node(1))."""
    options: list[Option] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            options.append(Option(word, "", (word,)))
            return Arguments(tuple(options), rest[0] if rest else None, tuple(rest[1:]))
        if not word.startswith("-"):
            return Arguments(tuple(options), word, tuple(rest))
        name, joined, value = word.partition("=")
        # node reads --a_b as --a-b.
        name = name.replace("_", "-")
        taken = [rest.pop(0)] if name in _VALUED and not joined and rest else []
        options.append(Option(name, value or "".join(taken), (word, *taken)))
        if name in _CARRIES:
            return Arguments(tuple(options), "", tuple(rest))
    return Arguments(tuple(options), None)


def files_of(command: Sequence[str], node: str) -> tuple[str, ...]:
    """Return the files without which a command does not start: of node the script, what is loaded
    before it and the environment that it reads; else the program, where a path names it."""
    if not command or command[0] != node:
        return tuple(word for word in command[:1] if "/" in word)
    arguments = parse(command[1:])
    files = [
        option.value
        for option in arguments.options
        if option.names_file and option.name != "--env-file-if-exists"
    ]
    return (*files, arguments.script) if arguments.script else tuple(files)


def interpreter(path: Path) -> tuple[str, ...] | None:
    """Return the interpreter that the first line of a program names, with its options; ``env``
    taken away, nothing where the line names none."""
    with path.open("rb") as stream:
        found = _SHEBANG.match(stream.readline(256))
    if found is None:
        return None
    words = [found[1].decode(), *(found[2] or b"").decode().split()]
    if words[0].endswith("/env"):
        words = [word for word in words[1:] if word != "-S"]
    return tuple(words)


def is_node(program: str) -> bool:
    """Say whether a program is node by its name, wherever it lies."""
    return Path(program).name in ("node", "nodejs")
