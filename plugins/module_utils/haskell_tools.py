"""The programs that build Haskell, as a build container has them.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils import haskell_archive, step
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_archive import Archive
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_package import (
    Package,
    Statement,
    parse_packages,
    parse_project,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import Run, StepError

WORK = Path("/var/tmp/rootfs-haskell")  # noqa: S108 (in the container, which is removed)
"""Where everything is that a build makes and nobody ships."""

INSTALLED = "/usr/local"
"""Where executables and data are installed, in the build container and in the image."""

DESCRIBE = "/usr/local/lib/rootfs-haskell/describe"
CABAL = {"CABAL_CONFIG": f"{WORK}/config", "CABAL_DIR": f"{WORK}/cabal", "HOME": f"{WORK}/home"}

_NOISE = re.compile(
    r"^(Warning: (include-dirs|haddock-|dynamic-library-dirs|library-dirs|The directory .* is not"
    r" in the system search path)|Config file path source is|Config file .* not found)"
)


class Tools:
    """Runs programs, and fails with their own lines."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def output(
        self,
        command: Iterable[str],
        what: str,
        where: str = "",
        hint: str = "",
        directory: Path = Path("/"),
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Return what a command prints; ``StepError`` (``what``, ``where``) where it fails."""
        code, output, errors = self._run(list(command), str(directory), dict(environment or {}))
        if code:
            raise StepError(what, where, cleaned(output, errors), hint)
        return output

    def succeeds(self, *command: str) -> bool:
        """Say whether a command succeeds."""
        return self._run(list(command), "/", {})[0] == 0

    def project(self, file: Path) -> tuple[Statement, ...]:
        """Return what a project file says; nothing where it is not there."""
        if not file.is_file():
            return ()
        command = (DESCRIBE, "project", str(file))
        return parse_project(self.output(command, "is not as Cabal reads it", str(file)))

    def packages(self, request: Iterable[str], directory: Path) -> tuple[Package, ...]:
        """Return the packages that lines of a request name, resolved by the Cabal library."""
        file = WORK / "request"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in request), encoding="utf-8")
        command = (DESCRIBE, "packages", str(file))
        what = "the package is not as Cabal reads it"
        return parse_packages(self.output(command, what, str(directory)))

    def archive(self) -> Archive:
        """Return the index of the distribution's archive, as apt has it."""
        # As it comes: what runs other commands takes minutes for so much text.
        with subprocess.Popen(("apt-cache", "dumpavail"), stdout=subprocess.PIPE, text=True) as apt:
            assert apt.stdout is not None  # noqa: S101 (a pipe was asked for)
            found = haskell_archive.parse(apt.stdout)
        if apt.returncode:
            raise StepError("apt does not say what the archive has")
        return found

    def installed(self) -> dict[str, str]:
        """Return the versions of the libraries that come with GHC, or are installed."""
        command = ("ghc-pkg", "list", "--global", "--simple-output")
        found = self.output(command, "GHC does not say what libraries it has").split()
        return {name: version for name, _, version in (word.rpartition("-") for word in found)}

    def has_library(self, name: str) -> bool:
        """Say whether the linker finds a foreign library."""
        for file in (f"lib{name}.so", f"lib{name}.a"):
            command = ("gcc", f"-print-file-name={file}")
            if "/" in self.output(command, "the C compiler does not run"):
                return True
        return False

    def has_module(self, name: str) -> bool:
        """Say whether pkg-config knows a module."""
        return self.succeeds("pkg-config", "--exists", name)

    def has_program(self, name: str) -> bool:
        """Say whether a build tool is there."""
        return shutil.which(name, path=f"{INSTALLED}/bin:/usr/bin:/bin") is not None


def cleaned(output: str, errors: str) -> list[str]:
    """Return the last lines that a tool printed, without what says nothing of the failure."""
    return step.last_lines(_NOISE, output, errors)
