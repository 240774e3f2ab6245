"""The package manager of a Node project: who it is, its lock file, whose scripts it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    MANAGERS,
    manifest,
    mapping_of,
    scalar,
    settings,
    text_of,
)

from rootfs_ansible.errors import InputError

LOCKS = (
    ("npm-shrinkwrap.json", "npm"),
    ("package-lock.json", "npm"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
)
"""Lock files by precedence: npm's own rule puts the shrinkwrap first."""

_UNREAD_LOCKS = ("bun.lock", "bun.lockb", "deno.lock")
_PNPM_ASKS = 10
"""From this version on pnpm runs only the install scripts that the project names."""


@dataclass(frozen=True, slots=True)
class PackageManager:
    """Who installs the dependencies. ``version`` is what packageManager asks (empty: what the
    lock needs), ``lock`` the lock file's name (empty: nothing is pinned)."""

    name: str
    version: str = ""
    lock: str = ""
    lock_version: str = ""


@dataclass(frozen=True, slots=True)
class ScriptsPolicy:
    """Whose install scripts may run: everyone's, or ``only`` those; ``never`` those."""

    everyone: bool = True
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def package_manager(
    root: Path, package: Mapping[str, Any], warnings: list[str] | None = None
) -> PackageManager:
    """Return who installs the project: the packageManager field decides, then the lock file.

    Where two lock files lie side by side and no field decides, npm's own order holds (shrinkwrap,
    package-lock, pnpm, yarn) and a warning says so.
    """
    warnings = warnings if warnings is not None else []
    present = [(lock, name) for lock, name in LOCKS if (root / lock).is_file()]
    asked = text_of(package, "packageManager")
    name, _, version = asked.partition("@")
    version = version.partition("+")[0]
    if asked and name not in MANAGERS:
        raise InputError(
            f"packageManager: {asked!r} is none of {', '.join(MANAGERS)} (with @VERSION)"
        )
    if asked and not re.fullmatch(r"\d+\.\d+\.\d+[-.\w]*", version):
        raise InputError(f"packageManager: {asked!r} has no exact version (such as {name}@1.2.3)")
    fitting = [lock for lock, manager in present if not asked or manager == name]
    if not fitting:
        others = [lock for lock, _ in present]
        others += [lock for lock in _UNREAD_LOCKS if (root / lock).is_file()]
        unread = f" ({', '.join(others)} is not read)" if others else ""
        warnings.append(
            f"no lock file of {name or 'npm'}{unread}: the versions of the dependencies are not"
            " pinned, another build may get others"
        )
        return PackageManager(name or "npm", version)
    lock = fitting[0]
    if len(present) > 1:
        ignored = ", ".join(other for other, _ in present if other != lock)
        decided = "packageManager decides" if asked else "set packageManager to decide otherwise"
        warnings.append(f"more than one lock file: {lock} is used, not {ignored} ({decided})")
    manager = name or dict(LOCKS)[lock]
    return PackageManager(manager, version, lock, _lock_version(root / lock))


def _lock_version(path: Path) -> str:
    if path.suffix == ".json":
        return scalar(manifest(path).get("lockfileVersion", 1))
    head = path.read_text(encoding="utf-8", errors="replace")[:2000]
    if path.name == "pnpm-lock.yaml":
        found = re.search(r"^lockfileVersion:\s*['\"]?([\d.]+)", head, re.MULTILINE)
    else:
        found = re.search(r"^__metadata:\n(?:\s+.*\n)*?\s+version:\s*(\d+)", head, re.MULTILINE)
    if found:
        return found[1]
    return "1" if path.name == "yarn.lock" else ""


def scripts_policy(
    root: Path, package: Mapping[str, Any], manager: PackageManager | None
) -> ScriptsPolicy:
    """Return whose install scripts the project lets run.

    pnpm: onlyBuiltDependencies, neverBuiltDependencies, ignoredBuiltDependencies and allowBuilds
    (https://pnpm.io/settings); from version 10 on, none but the named ones. yarn: enableScripts
    and dependenciesMeta.*.built. npm: ignore-scripts in .npmrc.
    """
    if manager is None or manager.name == "npm":
        return ScriptsPolicy(everyone=not _npmrc_says(root, "ignore-scripts"))
    if manager.name == "yarn":
        metas = mapping_of(package, "dependenciesMeta")
        built = {name: meta.get("built") for name, meta in metas.items() if isinstance(meta, dict)}
        enabled = settings(root / ".yarnrc.yml").get("enableScripts", True)
        return ScriptsPolicy(
            everyone=bool(enabled),
            only=tuple(sorted(name for name, value in built.items() if value is True)),
            never=tuple(sorted(name for name, value in built.items() if value is False)),
        )
    said = {**mapping_of(package, "pnpm"), **settings(root / "pnpm-workspace.yaml")}
    allowed = mapping_of(said, "allowBuilds")
    only = {
        *_names(said.get("onlyBuiltDependencies")),
        *(name for name, value in allowed.items() if value is True),
    }
    never = {
        *_names(said.get("neverBuiltDependencies")),
        *_names(said.get("ignoredBuiltDependencies")),
        *(name for name, value in allowed.items() if value is False),
    }
    major = int(manager.version.partition(".")[0] or 0)
    strict = bool(only) or major >= _PNPM_ASKS
    if said.get("dangerouslyAllowAllBuilds"):
        strict = False
    return ScriptsPolicy(not strict, tuple(sorted(only)), tuple(sorted(never)))


def _npmrc_says(root: Path, name: str) -> bool:
    path = root / ".npmrc"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return bool(re.search(rf"^\s*{name}\s*(=\s*true\s*)?$", text, re.MULTILINE))


def _names(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
