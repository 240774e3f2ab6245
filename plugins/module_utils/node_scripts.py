"""Whose install scripts a project lets run.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.rootfs.builder.plugins.module_utils.node_tree import (
    INSTALL_SCRIPTS,
    Package,
)

_LETS_RUN = {
    "npm": "remove ignore-scripts from .npmrc",
    "pnpm": "name those that are needed in onlyBuiltDependencies of pnpm-workspace.yaml",
    "yarn": "set dependenciesMeta.NAME.built in package.json, or remove enableScripts from"
    " .yarnrc.yml",
}
"""How a project lets install scripts run, by its package manager."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Whose install scripts may run: everyone's, or ``only`` those; ``never`` those."""

    everyone: bool
    only: frozenset[str]
    never: frozenset[str]

    def lets(self, package: Package) -> bool:
        """Say whether the install scripts of a package run."""
        if package.name in self.never:
            return False
        return self.everyone or package.name in self.only

    def silenced(self, packages: Iterable[Package], manager: str) -> tuple[str, ...]:
        """Return what names the packages whose install scripts do not run, as package managers
        do; one that the project refuses by name is no surprise."""
        names = {
            package.name
            for package in packages
            if not self.lets(package)
            and package.name not in self.never
            and set(package.scripts) & set(INSTALL_SCRIPTS)
        }
        if not names:
            return ()
        return (
            f"the install scripts of {', '.join(sorted(names))} do not run, as the project does not"
            f" let them: {_LETS_RUN[manager]}",
        )
