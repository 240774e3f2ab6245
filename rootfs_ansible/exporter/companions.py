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
        self._rules = {rule.name: rule for rule in (*built_in(), *requested)}
        # Nearly every path of an export fires no rule, and few rules are globs.
        self._literal: dict[str, list[Companion]] = {}
        self._globs: list[Companion] = []
        for rule in self._rules.values():
            if globs.is_glob(rule.when):
                self._globs.append(rule)
            else:
                self._literal.setdefault(rule.when, []).append(rule)
        self._any_path, self._any_name = (
            globs.any_of(tuple(r.when for r in self._globs if _is_path(r) == is_path))
            for is_path in (True, False)
        )

    def named(self, name: str) -> Companion | None:
        """Return the rule ``name``."""
        return self._rules.get(name)

    def fired_by(self, path: ImagePath) -> Iterator[Companion]:
        """Yield the rules that ``path`` fires: by its whole text, or by its name (a soname)."""
        name = path.name
        yield from self._literal.get(path.text, ())
        yield from self._literal.get(name, ())
        if self._any_name.fullmatch(name) or self._any_path.fullmatch(path.text):
            for rule in self._globs:
                if globs.matches(rule.when, path.text if _is_path(rule) else name):
                    yield rule


def _is_path(rule: Companion) -> bool:
    return rule.when.startswith("/")
