"""What an image may hold: the rules, what an app is allowed of them, and its budgets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rootfs_ansible.errors import InputError, suggestion
from rootfs_ansible.model.document import Document


class Rule(StrEnum):
    """What is looked for. The last three are budgets: they have a limit, and no allow list."""

    SETUID = "setuid"
    SHELL = "shell"
    PACKAGE_MANAGER = "package_manager"
    COMPILER = "compiler"
    CONFIGURATION_MANAGER = "configuration_manager"
    WORLD_WRITABLE = "world_writable"
    SECRET = "secret"  # noqa: S105 - what it looks for
    SIZE = "size"
    PACKAGES = "packages"
    FILES = "files"


BUDGETS = (Rule.SIZE, Rule.PACKAGES, Rule.FILES)
OF_PATHS = tuple(rule for rule in Rule if rule not in BUDGETS)

_KEYS = ("allow", "disabled", *map(str, BUDGETS))
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kKMGT]i?)?B?")
_UNITS = {"": 1} | {
    f"{letter}{binary}": base**power
    for binary, base in (("", 1000), ("i", 1024))
    for power, letters in enumerate(("kK", "M", "G", "T"), 1)
    for letter in letters
}


@dataclass(frozen=True, slots=True, order=True)
class Allowance:
    """Paths of the image, by a glob, that a rule does not refuse; ``shared`` where it is said for
    several apps, so that it need not fit each of them."""

    rule: Rule
    pattern: str
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What an image may hold: everything that no rule refuses, or that is allowed, within the
    budgets (``size`` in bytes, ``packages`` of the distribution, ``files`` and links). What is
    ``disabled`` is not looked for."""

    allowed: tuple[Allowance, ...] = ()
    disabled: tuple[Rule, ...] = ()
    size: int | None = None
    packages: int | None = None
    files: int | None = None

    def limit(self, budget: Rule) -> int | None:
        """Return the limit of a budget; nothing where there is none."""
        limits = {Rule.SIZE: self.size, Rule.PACKAGES: self.packages, Rule.FILES: self.files}
        return limits[budget]

    @property
    def digest(self) -> str:
        """The sha256 of it, the same for policies that mean the same."""
        return hashlib.sha256(json.dumps(self._decided()).encode()).hexdigest()

    def _decided(self) -> dict[str, Any]:
        return {
            "allowed": [[item.rule, item.pattern, item.shared] for item in self.allowed],
            "disabled": list(self.disabled),
            **{str(budget): self.limit(budget) for budget in BUDGETS},
        }

    @staticmethod
    def parse(
        said: object, own: object = None, *, where: str = "rootfs_policy", shared: bool = True
    ) -> Policy:
        """Return the policy that a user says, as an option or in a file, with what the app is
        allowed besides (``own``). What is null says nothing.

        Raises ``InputError`` with everything that is no rule, no glob of paths and no amount: what
        it should refuse would pass.
        """
        problems: list[str] = []
        data = _mapping(said, where, problems)
        for key in data:
            if key not in _KEYS:
                problems.append(f"{where}.{key}: there is no such key{suggestion(key, _KEYS)}")
        allowed = [
            *_allowances(data.get("allow"), f"{where}.allow", problems, shared=shared),
            *_allowances(own, f"{where}_allow", problems, shared=False),
        ]
        disabled = data.get("disabled") or []
        if not isinstance(disabled, list | tuple):
            problems.append(f"{where}.disabled: expected a list of rules")
            disabled = []
        limits = {
            budget: _limit(data.get(budget), f"{where}.{budget}", budget, problems)
            for budget in BUDGETS
        }
        rules = [_rule(name, f"{where}.disabled", problems) for name in disabled]
        if problems:
            raise InputError(
                "a policy is not as it must be",
                details=problems,
                hint=f"it has {', '.join(_KEYS)}; the rules are {', '.join(OF_PATHS)}",
            )
        return Policy(
            allowed=tuple(sorted(set(allowed))),
            disabled=tuple(sorted({rule for rule in rules if rule})),
            size=limits[Rule.SIZE],
            packages=limits[Rule.PACKAGES],
            files=limits[Rule.FILES],
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule refuses: the path (empty for the image as a whole), what is wrong with
    it, and who or what brings it."""

    rule: Rule
    path: str
    detail: str
    brought: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object."""
        return {
            "rule": str(self.rule),
            "path": self.path,
            "detail": self.detail,
            "brought_by": self.brought,
        }

    @staticmethod
    def from_json(data: Document) -> Finding:
        """Return the finding that ``to_json`` wrote; ``InputError`` where it is not one."""
        rule = data.text("rule")
        if rule not in set(Rule):
            raise InputError(f"no such rule: {rule!r}")
        return Finding(
            Rule(rule), data.text("path"), data.text("detail"), data.text("brought_by", "")
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy finds in an image: ``stale`` are the allowances of the app alone that nothing
    needs any more, ``unread`` the layers whose files could not be read for secrets."""

    findings: tuple[Finding, ...] = ()
    stale: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object."""
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "stale": list(self.stale),
            "unread": list(self.unread),
        }

    @staticmethod
    def from_json(data: object) -> Verdict:
        """Return the verdict that ``to_json`` wrote; ``InputError`` where it is not one."""
        document = Document(data, "verdict")
        return Verdict(
            document.each("findings", Finding.from_json),
            document.texts("stale"),
            document.texts("unread"),
        )


def _mapping(value: object, where: str, problems: list[str]) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        problems.append(f"{where}: expected a mapping, got {type(value).__name__}")
        return {}
    return {str(key): item for key, item in value.items() if item is not None}


def _allowances(
    value: object, where: str, problems: list[str], *, shared: bool
) -> Iterable[Allowance]:
    for name, patterns in _mapping(value, where, problems).items():
        rule = _rule(name, where, problems)
        if not isinstance(patterns, list | tuple):
            problems.append(f"{where}.{name}: expected a list of paths")
            continue
        for pattern in map(str, patterns):
            if not pattern.startswith(("/", "**")):
                problems.append(
                    f"{where}.{name}: {pattern!r} matches no path of an image (/… or **/…)"
                )
            elif rule:
                yield Allowance(rule, pattern, shared)


def _rule(name: object, where: str, problems: list[str]) -> Rule | None:
    if str(name) in OF_PATHS:
        return Rule(str(name))
    problems.append(f"{where}: there is no rule {name}{suggestion(str(name), map(str, OF_PATHS))}")
    return None


def _limit(value: object, where: str, budget: Rule, problems: list[str]) -> int | None:
    if value is None:
        return None
    match = _AMOUNT.fullmatch(str(value).strip())
    if match is None or (budget is not Rule.SIZE and not str(value).strip().isdigit()):
        example = "150 MB or 150000000" if budget is Rule.SIZE else "80"
        problems.append(f"{where}: {value!r} is no amount, such as {example}")
        return None
    return int(float(match[1]) * _UNITS[match[2] or ""])
