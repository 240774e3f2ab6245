"""The values of a package.json, each read once and as what it must be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import nodesemver
import yaml

from rootfs_ansible.errors import InputError

MANAGERS = ("npm", "pnpm", "yarn")


def manifest(path: Path) -> dict[str, Any]:
    """Return a package.json as an object; ``InputError`` says where in the file it is not one."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(
            "there is no package.json",
            where=str(path.parent),
            hint="give the directory that holds the app's package.json",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {error.msg}", where=f"{path}:{error.lineno}:{error.colno}"
        ) from error
    if not isinstance(data, dict):
        raise InputError("is not a JSON object", where=str(path))
    return data


def settings(path: Path) -> Mapping[str, Any]:
    """Return a YAML file of settings as a mapping, an empty one where there is none."""
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"is not YAML: {error}", where=str(path)) from error
    return data if isinstance(data, Mapping) else {}


def mapping_of(package: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = package.get(name)
    return value if isinstance(value, Mapping) else {}


def text_of(package: Mapping[str, Any], name: str) -> str:
    value = package.get(name)
    return value.strip() if isinstance(value, str) else ""


def scalar(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float) else ""


def plain(path: str) -> str:
    """Return a path of package.json without its leading ``./`` or ``/`` and its trailing one."""
    return str(PurePosixPath(path.lstrip("/"))) if path.strip("./") else ""


def bins_of(package: Mapping[str, Any]) -> dict[str, str]:
    bins = package.get("bin")
    if isinstance(bins, str) and bins:
        return {text_of(package, "name").rpartition("/")[2]: bins}
    if isinstance(bins, Mapping):
        return {name: path for name, path in sorted(bins.items()) if isinstance(path, str)}
    return {}


def package_name(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[:2]) if path.startswith("@") else parts[0]


def loadable(path: Path) -> bool:
    """Say whether node would find a file by this name (Node.js, modules, LOAD_AS_FILE)."""
    names = [path, *(path.with_name(path.name + suffix) for suffix in (".js", ".cjs", ".mjs"))]
    return any(name.is_file() for name in (*names, path / "index.js"))


def braces(pattern: str) -> list[str]:
    """Return the patterns that a pattern with braces stands for: ``a.{js,ts}``."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [text for part in found[1].split(",") for text in braces(f"{head}{part}{tail}")]


def satisfies(version: str, node_range: str) -> bool:
    """Say whether a version of node lies in a range; an empty range takes every version."""
    return bool(nodesemver.satisfies(version, node_range or "*", loose=True))
