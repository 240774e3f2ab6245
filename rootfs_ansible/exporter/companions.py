"""Companions: rules for what no file names, as data."""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Iterable, Iterator
from functools import cache

from rootfs_ansible.exporter import globs
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import Companion


@cache
def built_in() -> tuple[Companion, ...]:
    """Return the rules that come with the exporter."""
    # importlib.resources needs more of the standard library than python3-minimal has.
    data = pkgutil.get_data(__package__, "companions.json") or b"{}"
    return Document(json.loads(data), "companions").each("companions", Companion.from_json)


class Companions:
    """The rules of an export; one of the request replaces the built-in one of its name."""

    def __init__(self, requested: Iterable[Companion]) -> None:
        rules = {rule.name: rule for rule in (*built_in(), *requested)}
        self._rules = rules
        self._by_path = [
            (globs.compiled(rule.when), rule) for rule in rules.values() if rule.when[:1] == "/"
        ]
        self._by_name = [
            (globs.compiled(rule.when), rule) for rule in rules.values() if rule.when[:1] != "/"
        ]
        # Nearly every path of an export fires no rule: one look tells.
        self._any_path = globs.any_of(tuple(r.when for _, r in self._by_path))
        self._any_name = globs.any_of(tuple(r.when for _, r in self._by_name))

    def named(self, name: str) -> Companion | None:
        """Return the rule ``name``."""
        return self._rules.get(name)

    def fired_by(self, path: ImagePath) -> Iterator[Companion]:
        """Yield the rules that ``path`` fires: by its whole text, or by its name (a soname)."""
        if self._any_path.fullmatch(path.text):
            yield from (rule for regex, rule in self._by_path if regex.fullmatch(path.text))
        if self._any_name.fullmatch(path.name):
            yield from (rule for regex, rule in self._by_name if regex.fullmatch(path.name))
