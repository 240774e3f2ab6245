"""Interpreters: which scripts of a closure get the program that their first line names."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rootfs_ansible.exporter import scripts
from rootfs_ansible.exporter.findings import Findings
from rootfs_ansible.exporter.nodes import Node, Requester
from rootfs_ansible.model.manifest import EdgeKind
from rootfs_ansible.model.path import ImagePath

Reach = Callable[[ImagePath, Requester, EdgeKind, str], bool]


class Script(NamedTuple):
    """A script that is shipped, and its first line."""

    node: Node
    shebang: scripts.Shebang

    @property
    def requester(self) -> Requester:
        """The script itself, as what needs its interpreter."""
        return self.node.by._replace(source=self.node.path.text)


class Interpreters:
    """The scripts of a closure: ``reach`` ships a path and says whether it is there,
    ``is_shipped`` says whether the rootfs has one already, ``owner`` names the package of one."""

    def __init__(
        self,
        reach: Reach,
        is_shipped: Callable[[ImagePath], bool],
        owner: Callable[[ImagePath], str],
        findings: Findings,
    ) -> None:
        self._reach = reach
        self._is_shipped = is_shipped
        self._owner = owner
        self._findings = findings
        self._waiting: list[Script] = []

    def add(self, script: Script) -> None:
        """Take ``script``: one that an output names must run, others wait for ``settle``."""
        if script.node.by.strict:
            self._require(script)
        else:
            self._waiting.append(script)

    def settle(self) -> bool:
        """Give waiting scripts the interpreter that the rootfs has; say whether any got one."""
        waiting, self._waiting = self._waiting, []
        for script in waiting:
            if not self._settle(script):
                self._waiting.append(script)
        return len(self._waiting) < len(waiting)

    def lacking(self) -> dict[ImagePath, str]:
        """Return the shipped scripts that still wait, each with what is missing to run it."""
        return {
            script.node.path: self._lack(script.shebang)
            for script in self._waiting
            if script.node.by.shipped
        }

    def _lack(self, line: scripts.Shebang) -> str:
        name = line.program or line.interpreter.text
        if name.endswith("\r"):
            return f"{name[:-1]}\\r is nowhere: end the first line in LF, without CR,"
        choices = scripts.candidates(line.program) if line.program else (line.interpreter,)
        owner = next(filter(None, map(self._owner, choices)), "")
        whose = f" (package {owner})" if owner else ""
        return f"{name}{whose} is not in the rootfs; declare it"

    def _require(self, script: Script) -> None:
        source, line = script.node.path.text, script.shebang
        by, detail = script.requester, str(line)
        if not self._reach(line.interpreter, by, EdgeKind.SHEBANG, detail):
            self._lacks(source, line.interpreter.text)
        if line.interpreter.name == "env" and line.program:
            choices = scripts.candidates(line.program)
            present = [path for path in choices if self._is_shipped(path)] + list(choices)
            if not any(self._reach(path, by, EdgeKind.SHEBANG, detail) for path in present):
                self._lacks(source, line.program)

    def _lacks(self, source: str, name: str) -> None:
        why = ": the first line ends in CR LF" if name.endswith("\r") else ""
        self._findings.lacks(source, name.replace("\r", "\\r"), f"an interpreter{why}")

    def _settle(self, script: Script) -> bool:
        line = script.shebang
        by, detail = script.requester, str(line)
        if line.interpreter.name != "env":
            return self._is_shipped(line.interpreter) and self._reach(
                line.interpreter, by, EdgeKind.SHEBANG, detail
            )
        for path in scripts.candidates(line.program):
            if self._is_shipped(path):
                self._reach(line.interpreter, by, EdgeKind.SHEBANG, detail)
                return self._reach(path, by, EdgeKind.SHEBANG, detail)
        return False
