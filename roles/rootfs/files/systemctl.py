#!/usr/bin/python3
"""Stands in the place of systemctl(1) in a staging container, where no systemd runs.

It knows the units that are installed, and enables them as systemctl does without a running systemd.
It starts none: what an image runs is its command. What it was asked to start it writes down in
/run/rootfs/started, a unit a line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

CONFIGURED = "/etc/systemd/system"
PLACES = (CONFIGURED, "/run/systemd/system", "/usr/local/lib/systemd/system",
          "/usr/lib/systemd/system")  # fmt: skip
SCRIPTS = "/etc/init.d"
STARTED = "/run/rootfs/started"
NOWHERE = Path("/dev/null")

# What systemctl(1) answers.
NOT_ACTIVE = 3
NOT_FOUND = 5

WITH_VALUE = {"--lines", "--output", "--property", "--root", "--signal", "--state", "--type",
              "-H", "-M", "-n", "-o", "-p", "-s", "-t"}  # fmt: skip
# There is nothing that these could change.
TAKEN = {"clean", "daemon-reexec", "daemon-reload", "import-environment", "kill", "reset-failed",
         "set-default", "set-environment", "set-property", "stop", "unset-environment"}  # fmt: skip
STARTING = {"force-reload", "reload", "reload-or-restart", "restart", "start",
            "try-reload-or-restart", "try-restart"}  # fmt: skip


class Units:
    """The units of the tree below ``root``."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def file(self, unit: str) -> Path | None:
        """Return the file of a unit or of its template, or the script that systemd makes it of."""
        stem, at, instance = unit.partition("@")
        names = [unit, f"{stem}@.{instance.rpartition('.')[2]}"] if at else [unit]
        for place in PLACES:
            for name in names:
                path = self._at(place) / name
                if path.is_file() or path.is_symlink():
                    return path
        script = self._at(SCRIPTS) / unit.removesuffix(".service")
        return script if unit.endswith(".service") and script.is_file() else None

    def state(self, unit: str) -> str:
        """Return whether a unit is enabled, in the words of systemctl."""
        path = self.file(unit)
        if path is None:
            return "not-found"
        if path.is_symlink() and path.readlink() == NOWHERE:
            return "masked"
        return "enabled" if self._wanted(unit) else "disabled"

    def names(self) -> list[str]:
        """Return the names of all units."""
        files = [path for place in PLACES for path in self._at(place).glob("*.*")]
        scripts = self._at(SCRIPTS).glob("*")
        found = {path.name for path in files if not path.is_dir() or path.is_symlink()}
        return sorted(found | {f"{path.name}.service" for path in scripts})

    def enable(self, unit: str) -> None:
        """Enable a unit, for the target that nearly all are wanted by."""
        file = self.file(unit)
        link = self._at(CONFIGURED) / "multi-user.target.wants" / unit
        if file is not None and not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path("/") / file.relative_to(self._root))

    def disable(self, unit: str) -> None:
        """Disable a unit, for every target."""
        for link in self._wanted(unit):
            link.unlink()

    def mask(self, unit: str) -> None:
        """Mask a unit, unless the configuration has one of the name."""
        link = self._at(CONFIGURED) / unit
        if not link.is_symlink() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(NOWHERE)

    def unmask(self, unit: str) -> None:
        """Take the mask from a unit."""
        link = self._at(CONFIGURED) / unit
        if link.is_symlink() and link.readlink() == NOWHERE:
            link.unlink()

    def start(self, unit: str) -> None:
        """Write down that a unit should be started."""
        path = self._at(STARTED)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{unit}\n")

    def properties(self, unit: str) -> str:
        """Return what ``systemctl show`` prints of a unit, as far as callers look at it."""
        state = self.state(unit)
        known = state != "not-found"
        return "\n".join(
            (
                f"Id={unit}",
                f"Names={unit}",
                f"LoadState={'loaded' if known and state != 'masked' else state}",
                "ActiveState=inactive",
                "SubState=dead",
                f"FragmentPath={self.file(unit) or ''}",
                f"UnitFileState={state if known else ''}",
            )
        )

    def _wanted(self, unit: str) -> list[Path]:
        wants = self._at(CONFIGURED).glob("*.wants")
        return [link for at in sorted(wants) if (link := at / unit).is_symlink()]

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def run(words: list[str], root: Path = Path("/")) -> int:
    """Answer one command line and return its exit status."""
    units = Units(root)
    options, verb, given = _parse(words)
    if "--version" in options:
        print("systemd 257 (a staging container: units are known, and none is started)")
        return 0
    if verb in TAKEN:
        return 0
    if verb in ("", "list-units", "list-unit-files"):
        middle = " " if verb == "list-unit-files" else " loaded inactive dead "
        print("\n".join(f"{unit}{middle}{units.state(unit)}" for unit in units.names()))
        return 0
    if verb in ("is-system-running", "get-default"):
        print("offline" if verb == "is-system-running" else "multi-user.target")
        return int(verb == "is-system-running")
    return _of_units(units, verb, given, now="--now" in options)


def _of_units(units: Units, verb: str, names: list[str], *, now: bool) -> int:
    changes: dict[str, Callable[[str], None]] = {
        "disable": units.disable,
        "enable": units.enable,
        "mask": units.mask,
        "preset": units.enable,
        "reenable": units.enable,
        "unmask": units.unmask,
        **dict.fromkeys(STARTING, units.start),
    }
    answers: dict[str, Callable[[str], str]] = {
        "is-active": lambda _: "inactive",
        "is-enabled": units.state,
        "is-failed": lambda _: "inactive",
        "show": units.properties,
        "status": lambda unit: f"{unit}: inactive, as no systemd runs in a staging container",
    }
    if verb in answers:
        said = [answers[verb](unit) for unit in names]
        print("\n\n".join(said) if verb == "show" else "\n".join(said))
        if verb == "show":
            return 0
        return 0 if "enabled" in said else NOT_ACTIVE if verb in ("is-active", "status") else 1
    if verb not in changes:
        print(f"systemctl {verb}: no systemd runs in a staging container", file=sys.stderr)
        return 1
    unknown = [unit for unit in names if units.file(unit) is None]
    if unknown and verb not in ("disable", "mask", "unmask"):
        for unit in unknown:
            print(f"Unit {unit} could not be found.", file=sys.stderr)
        return NOT_FOUND if verb in STARTING else 1
    for unit in names:
        changes[verb](unit)
        if verb == "enable" and now:
            units.start(unit)
    return 0


def _parse(words: list[str]) -> tuple[set[str], str, list[str]]:
    """Return the options, the verb, and the units with their whole names."""
    options: set[str] = set()
    plain: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word.startswith("-"):
            options.add(word)
            if word in WITH_VALUE:
                next(waiting, "")
        else:
            plain.append(word)
    units = [name if "." in name else f"{name}.service" for name in plain[1:]]
    return options, plain[0] if plain else "", units


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
