"""What of a compiled Node project is shipped, and what of it is left out.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TYPESCRIPT = "typescript"
"""The package of the compiler, which reads the types of others when it runs."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the role's variables say of what is shipped.

    ``files`` are paths below the app (empty: what package.json says), ``excluding`` globs below
    every package of the sources, ``typescript`` those that hold besides where a build compiled
    TypeScript, ``dependencies`` and ``types`` globs below every node_modules, the latter where no
    compiler is shipped. ``configurations`` are globs of the app's directory and ``build_only``
    globs of packages, for a project that was built.
    """

    files: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()
    typescript: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    configurations: tuple[str, ...] = ()
    build_only: tuple[Mapping[str, str | None], ...] = ()

    def only_built(self, app: Path) -> tuple[str, ...]:
        """Return the globs of packages that only the build of ``app`` used."""
        return tuple(
            str(rule["package"])
            for rule in self.build_only
            if not rule.get("unless") or not any(app.glob(str(rule["unless"])))
        )


def present(directory: Path, names: Iterable[str]) -> list[str]:
    """Return the names and globs of package.json that match something, as ``npm pack`` takes them.

    A script may be named without its suffix, as ``require`` finds it.
    """
    found = []
    for name in names:
        for path in (name, *(f"{name}{suffix}" for suffix in (".js", ".json", ".node"))):
            if any(directory.glob(path)):
                found.append(path)
                break
    return found
