"""The package manager of a Node project: who it is, its lock file, whose scripts it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodesemver
from ansible_collections.rootfs.builder.plugins.module_utils.node_tools import Manager
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    MANAGERS,
    manifest,
    mapping_of,
    satisfies,
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

_YARN_FILE = re.compile(r"\byarn-(\d+\.\d+\.\d+(?:-[-.\w]+?)?)\.c?js\b")
"""A release of yarn that a project brings."""

_UNREAD_LOCKS = ("bun.lock", "bun.lockb", "deno.lock")
_PNPM_ASKS = 10
"""From this version on pnpm runs only the install scripts that the project names."""


@dataclass(frozen=True, slots=True)
class PackageManager:
    """Who installs the dependencies. ``version`` is the version that the project asks for, or a
    range of them (empty: what the lock needs), ``lock`` the lock file's name (empty: nothing is
    pinned)."""

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

    Where the field does not say a version, the yarn that the project brings does (yarnPath), else
    ``engines``.

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
        return PackageManager(name or "npm", version or _engines(package, Manager("npm")))
    lock = fitting[0]
    if len(present) > 1:
        ignored = ", ".join(other for other, _ in present if other != lock)
        decided = "packageManager decides" if asked else "set packageManager to decide otherwise"
        warnings.append(f"more than one lock file: {lock} is used, not {ignored} ({decided})")
    manager = Manager(name or dict(LOCKS)[lock], lock=lock, lock_version=_lock_version(root / lock))
    if manager.name == "yarn":
        version = version or _brought_yarn(root)
    version = version or _engines(package, manager)
    return PackageManager(manager.name, version, lock, manager.lock_version)


def _brought_yarn(root: Path) -> str:
    """Return the version of the yarn that .yarnrc.yml or .yarnrc names, if any."""
    said = text_of(settings(root / ".yarnrc.yml"), "yarnPath")
    if not said and (root / ".yarnrc").is_file():
        said = (root / ".yarnrc").read_text(encoding="utf-8", errors="replace")
    found = _YARN_FILE.search(said)
    return found[1] if found else ""


def _engines(package: Mapping[str, Any], manager: Manager) -> str:
    """Return the versions of the package manager that ``engines`` asks for.

    Empty where the release that the lock file needs is one of them, where they are of the other
    program called yarn than the lock file is, and where the text is no range ("please use npm").
    """
    wanted = text_of(mapping_of(package, "engines"), manager.name)
    if not wanted or nodesemver.valid_range(wanted, loose=True) is None:
        return ""
    newest = ".".join([*manager.release.split("."), "999", "999"][:3])
    served = bool(manager.release) and satisfies(newest, wanted)
    asked = Manager(manager.name, wanted)
    return "" if served or (asked.yarn > 1) != (manager.yarn > 1) else wanted


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
    # A lock file that several releases read says nothing of who wrote it.
    major = Manager("pnpm", manager.version).major if manager.version else 0
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
