"""Companions: rules for what no file names, as data."""

from __future__ import annotations

import json
import pkgutil
import re
import stat
from collections.abc import Iterable, Iterator
from functools import cache

from rootfs_ansible.exporter import globs
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import Companion

# A file that names what is opened has some short lines. More of an untrusted one is not worth the
# time that a regular expression may take.
_LARGEST = 1 << 16
_LONGEST = 1000


@cache
def built_in() -> tuple[Companion, ...]:
    """Return the rules that come with the exporter."""
    # importlib.resources needs more of the standard library than python3-minimal has.
    data = pkgutil.get_data(__package__, "companions.json") or b"{}"
    return Document(json.loads(data), "companions").each("companions", Companion.from_json)


class Companions:
    """The rules of an export; one of the request replaces the built-in one of its name."""

    def __init__(self, requested: Iterable[Companion]) -> None:
        self._rules = {rule.name: rule for rule in (*built_in(), *requested)}
        # Nearly every path of an export fires no rule, and few rules are globs.
        self._literal: dict[str, list[Companion]] = {}
        self._globs: list[tuple[str, Companion]] = []
        for rule in self._rules.values():
            for pattern in (*rule.when, *rule.also):
                if globs.is_glob(pattern):
                    self._globs.append((pattern, rule))
                else:
                    self._literal.setdefault(pattern, []).append(rule)
        self._any_path, self._any_name = (
            globs.any_of(tuple(glob for glob, _ in self._globs if _is_path(glob) == is_path))
            for is_path in (True, False)
        )
        # Of the rules that wait for several paths, which of their conditions are met.
        self._met: dict[str, set[str]] = {}
        # And what fires them then: it may have come first.
        self._waiting: dict[str, dict[ImagePath, None]] = {}

    def named(self, name: str) -> Companion | None:
        """Return the rule ``name``."""
        return self._rules.get(name)

    def fired_by(self, path: ImagePath) -> Iterator[Companion]:
        """Yield the rules that ``path`` fires: by its whole text, or by its name (a soname).

        A rule that waits for several paths is fired by the last of them, so every path of the
        closure has to be asked for.
        """
        for rule in dict.fromkeys(self._concerned(path)):
            if not rule.also or self._are_met(rule, path):
                yield rule

    def triggers(self, rule: Companion, path: ImagePath) -> tuple[ImagePath, ...]:
        """Return what ``rule`` fires for once ``path`` has fired it: ``path``, or where that is
        only what had to be there also, what waited for it."""
        if not rule.also or _is_when(rule, path):
            return (path,)
        return tuple(self._waiting[rule.name])

    def _concerned(self, path: ImagePath) -> Iterator[Companion]:
        name = path.name
        yield from self._literal.get(path.text, ())
        yield from self._literal.get(name, ())
        if self._any_name.fullmatch(name) or self._any_path.fullmatch(path.text):
            for pattern, rule in self._globs:
                if matches(pattern, path):
                    yield rule

    def _are_met(self, rule: Companion, path: ImagePath) -> bool:
        met = self._met.setdefault(rule.name, set())
        met.update(pattern for pattern in (*rule.when, *rule.also) if matches(pattern, path))
        waiting = self._waiting.setdefault(rule.name, {})
        # Only what names something is another reason each time.
        if _is_when(rule, path) and (rule.names or not waiting):
            waiting[path] = None
        return not met.isdisjoint(rule.when) and met.issuperset(rule.also)


def matches(pattern: str, path: ImagePath) -> bool:
    """Say whether ``pattern``, of a rule's ``when``, means ``path``."""
    return globs.matches(pattern, path.text if _is_path(pattern) else path.name)


def needed(root: Root, rule: Companion, trigger: ImagePath) -> tuple[str, ...]:
    """Return the globs that ``rule`` needs once ``trigger`` is in the closure.

    Of a rule with ``names``, those of the names that stand in the file ``trigger``; none where
    it is no file that such a rule reads.
    """
    if not rule.names:
        return rule.needs
    if not _is_when(rule, trigger):
        return ()
    lines = [line for line in _text(root, trigger).splitlines() if len(line) <= _LONGEST]
    found = [name for line in lines for name in re.findall(rule.names, line)]
    needs = (
        need.replace("{}", name)
        for name in dict.fromkeys(found)
        for need in rule.needs
        if _is_usable(name)
    )
    return tuple(need for need in needs if _is_path(need))


def _text(root: Root, path: ImagePath) -> str:
    resolution = root.resolve(path)
    status = root.lstat(resolution.path) if resolution else None
    if resolution is None or status is None or not stat.S_ISREG(status.st_mode):
        return ""
    with root.open(resolution.path) as stream:
        return stream.read(_LARGEST).decode(errors="replace")


def _is_usable(name: str) -> bool:
    """Say whether ``name``, from a file of the tree, leads where the rule means it to."""
    return bool(name) and name.isprintable() and "*" not in name and ".." not in name.split("/")


def _is_when(rule: Companion, path: ImagePath) -> bool:
    return any(matches(pattern, path) for pattern in rule.when)


def _is_path(pattern: str) -> bool:
    return pattern.startswith("/")
