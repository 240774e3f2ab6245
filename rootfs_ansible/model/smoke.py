"""What an image is asked to show that it works: its smoke run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rootfs_ansible.errors import InputError, suggestion
from rootfs_ansible.model.document import Document

_KEYS = {
    "": {"command", "env", "expect", "http", "ignore", "network", "runs", "tcp", "timeout"},
    "expect": {"exit", "output"},
    "http": {"path", "port", "status"},
    "tcp": {"port"},
}
_PROBES = ("http", "tcp", "runs", "command")
"""What decides how an image is run; an app that says one of them says all of it."""


@dataclass(frozen=True, slots=True)
class Smoke:
    """One smoke run: what is started, and what has to happen.

    ``command`` takes the place of the image's own, after its entry point; empty is the image's own.
    ``probe`` is ``http`` (``path`` at ``port`` answers with ``status``, any below 500 where that is
    0), ``tcp`` (``port`` accepts a connection) or ``exec``: it ends with ``exit_status``, or, where
    ``runs`` is not 0, is still there after as many seconds. ``output`` is a regular expression that
    what is printed, or the answer's body, has to match. ``timeout`` is in seconds, ``ignore`` are
    globs of paths whose absence is no finding.
    """

    probe: str
    command: tuple[str, ...] = ()
    path: str = "/"
    port: int = 0
    status: int = 0
    exit_status: int = 0
    output: str = ""
    runs: int = 0
    network: bool = False
    timeout: int = 60
    env: tuple[tuple[str, str], ...] = ()
    ignore: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object, as ``rootfs_smoke`` says it."""
        data: dict[str, Any] = {
            "command": list(self.command),
            "env": dict(self.env),
            "ignore": list(self.ignore),
            "network": self.network,
            "timeout": self.timeout,
            "expect": {"output": self.output},
        }
        if self.probe == "http":
            data["http"] = {"path": self.path, "port": self.port, "status": self.status}
        elif self.probe == "tcp":
            data["tcp"] = {"port": self.port}
        else:
            data["expect"]["exit"] = self.exit_status
            data["runs"] = self.runs
        return data

    @staticmethod
    def from_json(data: object, where: str = "rootfs_smoke") -> Smoke:
        """Return the smoke run that ``data`` says; ``InputError`` with all that is wrong with it.

        A key that is null says nothing.
        """
        said = _said(data, where)
        document = Document(said, where)
        expect, http, tcp = (
            Document(said.get(key, {}), f"{where}.{key}") for key in ("expect", "http", "tcp")
        )
        probe = "http" if "http" in said else "tcp" if "tcp" in said else "exec"
        smoke = Smoke(
            probe,
            command=document.texts("command"),
            path=http.text("path", "/"),
            port=(http if probe == "http" else tcp).integer("port", 0),
            status=http.integer("status", 0),
            exit_status=expect.integer("exit", 0),
            output=expect.text("output", ""),
            runs=document.integer("runs", 0),
            network=document.boolean("network", False),
            timeout=document.integer("timeout", 60),
            env=tuple(sorted(document.mapping("env").items())),
            ignore=document.texts("ignore"),
        )
        problems = list(_problems(smoke, said))
        if problems:
            raise InputError("is not as it must be", where=where, details=problems)
        return smoke

    @staticmethod
    def merged(
        own: Mapping[str, Any], default: Mapping[str, Any], where: str = "rootfs_smoke"
    ) -> Smoke | None:
        """Return what an app says over what its stack does; nothing where neither says any."""
        own, default = _said(own, where), _said(default, "smoke")
        if any(key in own for key in _PROBES):
            default = {key: value for key, value in default.items() if key not in _PROBES}
            default.pop("expect", None)
        elif not default:
            return None
        return Smoke.from_json({**default, **own}, where)


def _said(data: object, where: str) -> dict[str, Any]:
    """Return what is said, without what is null; refuse keys that say nothing there."""
    if not isinstance(data, Mapping):
        raise InputError("expected a mapping", where=where)
    unknown, said = [], {}
    for key, value in data.items():
        if key not in _KEYS[""]:
            unknown.append(f"{key}{suggestion(str(key), _KEYS[''])}")
        if isinstance(value, Mapping) and key in _KEYS:
            wrong = sorted(set(map(str, value)) - _KEYS[key])
            unknown += [f"{key}.{name}{suggestion(name, _KEYS[key])}" for name in wrong]
            value = {name: inner for name, inner in value.items() if inner is not None}
        if key == "env" and isinstance(value, Mapping):
            value = {str(name): str(text) for name, text in value.items()}
        if value is not None:
            said[str(key)] = value
    if unknown:
        raise InputError("there is no such key", where=where, details=unknown)
    return said


def _problems(smoke: Smoke, said: Mapping[str, Any]) -> list[str]:
    found = []
    if "http" in said and "tcp" in said:
        found.append("http and tcp do not go together")
    if smoke.probe != "exec":
        wrong = [key for key in ("runs",) if said.get(key)]
        wrong += ["expect.exit"] * ("exit" in said.get("expect", {}))
        found += [f"{key} does not go with {smoke.probe}, which starts a service" for key in wrong]
    if smoke.probe == "tcp" and smoke.output:
        found.append("expect.output does not go with tcp, which reads nothing")
    if not smoke.path.startswith("/") or not smoke.path.isprintable() or " " in smoke.path:
        found.append(f"http.path: not the path of a request: {smoke.path!r}")
    for name, value, least, most in (
        (f"{smoke.probe}.port", smoke.port, 0, 65535),
        ("http.status", smoke.status, 0, 599),
        ("expect.exit", smoke.exit_status, 0, 255),
        ("timeout", smoke.timeout, 1, 86400),
        ("runs", smoke.runs, 0, smoke.timeout),
    ):
        if not least <= value <= most:
            found.append(f"{name}: {value} is not from {least} to {most}")
    try:
        re.compile(smoke.output)
    except re.error as error:
        found.append(f"expect.output: no regular expression: {error}")
    return found
