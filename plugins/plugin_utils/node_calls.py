"""What a command line tells npm, npx, pnpm or yarn to run, and where.

An option that stands before what is run is the package manager's own, one that stands behind it
is the started program's; only npm takes its own everywhere up to ``--`` (npm-run-script(1)).
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

EVERYWHERE = "*"
"""The place of a call that starts several packages."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a package manager is told. ``words`` are a name and its arguments: of a script of
    package.json, of a program, or of either (the script where there is one); a shell's command
    line and all else have none. ``place`` is the name or the directory of the package whose
    script it is, empty for the own one."""

    kind: Literal["script", "program", "either", "shell", "other"]
    words: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class _Options:
    """The options of a package manager: those with a value, among them those that name another
    package, and those that start several."""

    valued: frozenset[str]
    places: frozenset[str]
    several: frozenset[str]
    anywhere: bool = False


_NPM = _Options(
    frozenset(
        {
            "-C", "-c", "-p", "-w", "--cache", "--call", "--include", "--loglevel",
            "--node-options", "--omit", "--package", "--prefix", "--registry", "--script-shell",
            "--userconfig", "--workspace",
        }
    ),
    frozenset({"-C", "-w", "--prefix", "--workspace"}),
    frozenset({"-ws", "--workspaces", "--ws"}),
    anywhere=True,
)  # fmt: skip
_NPX = dataclasses.replace(_NPM, anywhere=False)
_PNPM = _Options(
    frozenset(
        {
            "-C", "-F", "--dir", "--filter", "--filter-prod", "--loglevel", "--package",
            "--reporter", "--resume-from", "--workspace-concurrency",
        }
    ),
    frozenset({"-C", "-F", "--dir", "--filter", "--filter-prod"}),
    frozenset({"-r", "--recursive"}),
)  # fmt: skip
_YARN = _Options(
    frozenset(
        {
            "-p", "--cache-folder", "--cwd", "--modules-folder", "--mutex", "--network-timeout",
            "--package", "--registry",
        }
    ),
    frozenset({"--cwd"}),
    frozenset(),
)  # fmt: skip


def call(program: str, words: Sequence[str]) -> Call:
    """Return what one of npm, npx, pnpm, pnpx and yarn is told to run."""
    if program in ("npx", "pnpx"):
        told = _told(words, _NPX if program == "npx" else _PNPM)
        return Call("shell") if told.shell else Call("program", told.words, told.place)
    if program == "npm":
        return _npm(words)
    return _pnpm_or_yarn(words, _PNPM if program == "pnpm" else _YARN)


def _npm(words: Sequence[str]) -> Call:
    told = _told(words, _NPM)
    verb, rest = told.words[:1], told.words[1:]
    if told.shell:
        return Call("shell")
    if verb in (("run",), ("run-script",)):
        return Call("script", rest, told.place)
    if verb in (("start",), ("test",)):
        return Call("script", told.words, told.place)
    if verb in (("exec",), ("x",)):
        return Call("program", rest, told.place)
    return Call("other", told.words, told.place)


def _pnpm_or_yarn(words: Sequence[str], options: _Options, place: str = "") -> Call:
    told = _told(words, options)
    place = told.place or place
    verb, rest = told.words[:1], told.words[1:]
    if options is _YARN and verb == ("workspace",) and rest:
        return _pnpm_or_yarn(rest[1:], options, rest[0])
    if options is _YARN and verb == ("workspaces",):
        return Call("other", told.words, EVERYWHERE)
    if verb in (("run",), ("run-script",), ("exec",), ("x",), ("dlx",)):
        inner = _told(rest, options)
        if inner.shell:
            return Call("shell")
        kind: Literal["either", "program"] = "either" if verb[0].startswith("run") else "program"
        return Call(kind, _without_dashes(inner.words), inner.place or place)
    if not verb:
        return Call("other", (), place)
    return Call("either", _without_dashes(told.words), place)


@dataclass(frozen=True, slots=True)
class _Told:
    words: tuple[str, ...]
    place: str
    shell: bool


def _told(words: Sequence[str], options: _Options) -> _Told:
    """Take a package manager's own options from a command line, and what they say."""
    places: list[str] = []
    others: list[str] = []
    shell = False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            others += rest
            break
        if not word.startswith("-"):
            others.append(word)
            if options.anywhere:
                continue
            others += rest
            break
        name, joined, value = word.partition("=")
        if name in options.valued and not joined and rest:
            value = rest.pop(0)
        if name in options.places:
            places.append(value)
        elif name in options.several and value != "false":
            places.append(EVERYWHERE)
        shell = shell or name in ("-c", "--call")
    place = places[0] if len(set(places)) == 1 else EVERYWHERE if places else "."
    # pnpm: with what it needs, with what needs it.
    place = posixpath.normpath(place.removeprefix("...").removesuffix("...") or ".")
    return _Told(tuple(others), "" if place == "." else place, shell)


def _without_dashes(words: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the ``--`` between a script and its arguments, as npm does."""
    return words[:1] + (words[2:] if words[1:2] == ("--",) else words[1:])
