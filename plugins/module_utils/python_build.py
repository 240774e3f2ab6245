"""The build of a Python project, with all that it needs at hand: wheels, and their installation.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils.python_fetch import (
    BUILD,
    DEPENDENCIES,
)
from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import (
    DISTRIBUTION,
    PACKAGES,
    WORK,
    Tools,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

WHEELS = WORK / "wheels"
"""Where wheels are built: those of what the app depends on, and of the project itself below it."""

OFFLINE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(BUILD)}
"""What pip, and the pips that it starts, are told: what is there is all there is."""


class Build:
    """The build of what ``plan`` (of the fetch) holds."""

    def __init__(self, prefix: Path, plan: Mapping[str, Any], tools: Tools) -> None:
        self._prefix = prefix
        self._sources = [Path(item) for item in plan["sources"]]
        self._own = [Path(item) for item in (*plan["local"], *plan["own"])]
        self._may_lack = bool(plan["may_lack"])
        self._tools = tools
        self.warnings: list[str] = []

    def build(self, commands: Iterable[Sequence[str]]) -> None:
        """Build and install all, then run the app's own ``commands``."""
        own = WHEELS / "own"
        own.mkdir(parents=True, exist_ok=True)
        for tree in self._sources:
            self._wheel(tree, WHEELS)
        for tree in self._own:
            self._wheel(tree, own)
        self._install([*DEPENDENCIES.glob("*.whl"), *WHEELS.glob("*.whl")])
        self._install(own.glob("*.whl"))
        self._check()
        for command in commands:
            words = [str(word) for word in command]
            self._tools.output(words, f"{' '.join(words)} failed", str(self._prefix), self._prefix)

    def _wheel(self, tree: Path, place: Path) -> None:
        words = ("wheel", "--no-deps", f"--wheel-dir={place}", str(tree))
        self._tools.pip(words, "it cannot be built", tree.name, environment=OFFLINE)

    def _install(self, wheels: Iterable[Path]) -> None:
        files = sorted(map(str, wheels))
        if not files:
            return
        # Debian's scheme puts what is below this prefix into its directory "local". What the
        # distribution has installed for itself counts for nothing: it is not shipped.
        words = ("install", "--prefix=/usr", "--no-deps", "--ignore-installed", "--no-compile")
        what = "the packages cannot be installed"
        self._tools.pip((*words, *files), what, environment=OFFLINE)

    def _check(self) -> None:
        """See that each package has what it requires: nothing else would say so before it runs."""
        if not PACKAGES.is_dir():
            return
        words = ("missing", str(PACKAGES))
        # What compares versions is the distribution's, also where an app installs its own.
        told = {"PYTHONPATH": DISTRIBUTION}
        found = self._tools.requirements(words, "what is installed cannot be read", told)
        absent = [
            f"{item['package']} requires {item['requirement']}"
            for item in found
            if not item["installed"]
        ]
        if absent and not self._may_lack:
            raise StepError(
                "packages are missing that others require",
                lines=sorted(absent),
                hint="add them to what is installed (the lock file or file of requirements), or let"
                " another file say that: stack_python_lock",
            )
        self.warnings += [
            f"{item['package']} requires {item['requirement']}, and"
            f" {item['installed'] or 'nothing of it'} is there"
            for item in found
        ]
