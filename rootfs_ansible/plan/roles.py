"""The roles that an app has applied to its staging container, and what decides their result."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.plan import Role, Roles
from rootfs_ansible.plan.key import (
    directory_digest,
    path_digest,
    role_closure,
    role_digest,
    stage_key,
    walk,
)

SOURCES = "rootfs_app_dir"
"""The variable by which a role reaches the app's files: one that names it reads them."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANY_VARIABLE = re.compile(
    r"\bvars\s*[\[|]|\b(?:lookup|query|q)\(\s*['\"](?:ansible\.builtin\.)?(?:vars|varnames)\b"
)
"""How a role reads variables whose names it makes up."""
_PLACES = {SOURCES, "inventory_dir", "playbook_dir"}
"""Variables that say where things are on the controller."""
_WITHOUT_TEMPLATES = {"files", "library", "module_utils", "molecule", "tests"}


def find_roles(
    names: Iterable[str], places: Iterable[Path], in_collection: Callable[[str], Path | None]
) -> tuple[Role, ...]:
    """Return the roles ``names``: the first of the name among ``places``, directories of roles.

    A name with dots (``namespace.collection.role``) is asked of ``in_collection`` first. Raises
    ``InputError`` with every name that there is no role of.
    """
    searched = tuple(places)
    found, missing = [], []
    for name in names:
        inside = in_collection(name) if name.count(".") >= 2 else None
        here = (place / name for place in searched)
        path = inside or next((path for path in here if name and path.is_dir()), None)
        if path is None:
            missing.append(name)
        else:
            found.append(Role(name, str(path), name if inside else _from_home(path)))
    if missing:
        raise InputError(
            f"there is no role {', '.join(name or repr(name) for name in missing)}",
            where="rootfs_roles",
            details=[f"looked for in {place}" for place in searched],
            hint="put it there, or install it (ansible-galaxy role install, or a collection)",
        )
    return tuple(found)


def roles_of(
    roles: tuple[Role, ...],
    searches: tuple[tuple[Path, str], ...],
    given: Mapping[str, Any],
    value: Callable[[str], object],
) -> Roles:
    """Return ``roles`` with the digest of what decides their result: their files, those of the
    roles that they depend on or include, the plugins of their collections, and the variables that
    these name.

    ``searches`` are the directories of roles, each with the prefix of its roles' names; ``given``
    are the variables of the host as they are written, ``value`` what one of them is.
    """
    if not roles:
        return Roles()
    paths = [Path(role.path) for role in roles]
    closure = sorted({at for path in paths for at in role_closure(path, searches)})
    texts = [text for at in closure for text in _texts(at)]
    words = {word for text in texts for word in _WORD.findall(text)}
    if any(_ANY_VARIABLE.search(text) for text in texts):
        words |= set(given)
    decisive = _reached(words, given)
    return Roles(
        roles,
        stage_key(
            "roles",
            {
                "roles": [role_digest(path, searches) for path in paths],
                "plugins": sorted(map(directory_digest, _plugins(closure))),
                "variables": {
                    name: _by_content(value(name)) if _says_where(name, given) else value(name)
                    for name in sorted(decisive - {SOURCES})
                },
            },
        ),
        reads_sources=SOURCES in decisive,
    )


def _from_home(role: Path) -> str:
    """Return the path of a role by which Ansible calls the role by its name.

    An absolute path is the role's name to Ansible, in ``role_name`` and in what handlers are
    notified as; and from a role of a collection it leads into that.
    """
    return f"~/{os.path.relpath(role, Path.home().resolve())}"


def _reached(words: set[str], given: Mapping[str, Any]) -> set[str]:
    """Return the variables that ``words`` name, and those that their values name in turn."""
    found: set[str] = set()
    waiting = sorted(words & set(given))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += set(_WORD.findall(str(given[name]))) & set(given)
    return found


def _says_where(name: str, given: Mapping[str, Any]) -> bool:
    """Say whether the value of a variable is made of the place of something on the controller."""
    texts = (str(given[reached]) for reached in _reached({name}, given))
    return any(_PLACES & set(_WORD.findall(text)) for text in texts)


def _by_content(value: object) -> object:
    """Return a value with what is at its paths in their place: a checkout may lie anywhere."""
    if isinstance(value, Mapping):
        return {str(name): _by_content(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_by_content(item) for item in value]
    if not isinstance(value, str):
        return value
    path = Path(value)
    return [path.name, path_digest(path)] if path.is_absolute() and path.exists() else value


def _plugins(roles: Iterable[Path]) -> set[Path]:
    """Return the plugins of the collections that ``roles`` are in, which they use."""
    collections = {role.parent.parent for role in roles}
    return {
        at / "plugins"
        for at in collections
        if any((at / name).is_file() for name in ("MANIFEST.json", "galaxy.yml"))
    }


def _texts(role: Path) -> list[str]:
    """Return the files of a role that may name variables."""
    return [
        path.read_text(encoding="utf-8", errors="replace")
        for name in walk(role)
        if (path := role / name).is_file() and name.partition("/")[0] not in _WITHOUT_TEMPLATES
    ]
