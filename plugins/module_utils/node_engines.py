"""The versions of node and npm at hand, and those that a project and its packages want.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils import node_advice, node_release
from ansible_collections.rootfs.builder.plugins.module_utils.node_tree import Package
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

Run = Callable[[Sequence[str], Path, Mapping[str, str]], tuple[int, str, str]]

_MODULES = "/usr/local/lib/node_modules/npm/node_modules:/usr/share/nodejs"
"""Where npm's own semver is: of the npm that came with a toolchain, and of the distribution's."""

_JUDGE = """
const semver = require('semver')
const met = ([version, range]) =>
  semver.validRange(range, true) === null ||
  semver.satisfies(version || process.version, range, true)
const pairs = JSON.parse(process.argv[1])
console.log(JSON.stringify({version: process.versions.node, met: pairs.map(met)}))
"""
_SHOWN = 20
_MAJORS = 8


class Engines:
    """The node at hand, asked with the semver of npm."""

    def __init__(self, node: str, run: Run) -> None:
        self._node = node
        self._run = run

    def judge(self, pairs: Iterable[tuple[str, str]]) -> tuple[str, list[bool]]:
        """Return the version of node, and for each pair of a version (empty: that of node) and a
        range whether the one lies in the other; what is no range holds every version."""
        asked = json.dumps([list(pair) for pair in pairs])
        code, output, errors = self._run(
            (self._node, "-e", _JUDGE, asked), Path("/"), {"NODE_PATH": _MODULES}
        )
        if code:
            raise StepError("node does not run", lines=node_advice.cleaned(output, errors))
        answer = json.loads(output)
        return str(answer["version"]), list(answer["met"])

    def unserved(self, packages: Iterable[Package]) -> tuple[str, ...]:
        """Return what says so where the node at hand is none that some packages want."""
        wanting = [(package.label, package.engine) for package in packages if package.engine]
        ranges = sorted({wanted for _, wanted in wanting})
        if not ranges:
            return ()
        version, met = self.judge(("", wanted) for wanted in ranges)
        unmet = {wanted for wanted, is_met in zip(ranges, met, strict=True) if not is_met}
        found = sorted({f"{name} wants {wanted}" for name, wanted in wanting if wanted in unmet})
        if not found:
            return ()
        more = [f"{len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
        return (
            f"this is node {version}, but {', '.join([*found[:_SHOWN], *more])}: set"
            " engines.node of package.json, or stack_node_version",
        )

    def npm(self, at_hand: str, wanted: str) -> str:
        """Return the npm to be had where another than the one ``at_hand`` is ``wanted``: of the
        first major that will do, from the one that comes with this node on, as later ones want
        later nodes. Empty where none is to be had."""
        version, (served,) = self.judge([(at_hand, wanted)])
        if served:
            return ""
        own = int(node_release.npm_range(version))
        majors = range(own, own + _MAJORS)
        _, fitting = self.judge((f"{major}.999.999", wanted) for major in majors)
        chosen = next((str(major) for major, fits in zip(majors, fitting, strict=True) if fits), "")
        return f"npm@{chosen or wanted}"
