"""The package managers of Node: their commands, their environment.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TOOLS = "/opt/rootfs-tools"
"""Where a package manager that the project asks for is installed; no layer takes from there."""

# The version of a lock file's format, and the releases that write it.
_YARN_OF_LOCK = {"1": "1", "4": "2", "5": "3.1", "6": "3", "7": "3"}
_NEWEST_YARN = "4"
_PNPM_OF_LOCK = {"5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8"}
_NEWEST_PNPM = "10"
_NUMBER = re.compile(r"\d+")

_QUIET = {
    "COREPACK_ENABLE_STRICT": "0",
    "DISABLE_OPENCOLLECTIVE": "1",
    "DO_NOT_TRACK": "1",
    "HUSKY": "0",
    "NEXT_TELEMETRY_DISABLED": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "YARN_ENABLE_TELEMETRY": "0",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_yes": "false",
}
"""What keeps programs from asking, reporting or greeting."""


@dataclass(frozen=True, slots=True)
class Manager:
    """Who installs the dependencies.

    ``version`` is a version or a range of them; it and ``lock`` are empty where none is asked.
    """

    name: str
    version: str = ""
    lock: str = ""
    lock_version: str = ""

    @property
    def major(self) -> int:
        """The major version, zero for the npm at hand."""
        found = _NUMBER.search(self.version or self.release)
        return int(found[0]) if found else 0

    @property
    def yarn(self) -> int:
        """The major version of yarn, zero where it is another; from 2 on it is another program."""
        return self.major if self.name == "yarn" else 0

    @property
    def release(self) -> str:
        """The release that writes the lock file as it is; empty for the npm at hand."""
        if self.name == "yarn":
            return _YARN_OF_LOCK.get(self.lock_version or "1", _NEWEST_YARN)
        if self.name == "pnpm":
            return _PNPM_OF_LOCK.get(self.lock_version, _NEWEST_PNPM)
        return ""

    @property
    def package(self) -> str:
        """The npm package that brings it, with its version; empty for the npm at hand."""
        version = self.version or self.release
        name = "@yarnpkg/cli-dist" if self.yarn > 1 else self.name
        return f"{name}@{version}" if version else ""

    def fetch(self, *, development: bool) -> tuple[str, ...]:
        """Return the command that fetches the dependencies and runs none of their scripts.

        yarn from 2 on fetches those of all workspaces, development or not: what it has to fetch
        less (``workspaces focus``) does not compare the lock file.
        """
        if self.name == "pnpm":
            frozen = ("--frozen-lockfile",) if self.lock else ("--no-lockfile",)
            production = () if development else ("--prod",)
            return ("pnpm", "install", "--ignore-scripts", *frozen, *production)
        if self.yarn > 1:
            frozen = ("--immutable",) if self.lock else ("--no-immutable",)
            skip = "--skip-builds" if self.yarn == 2 else "--mode=skip-build"
            return ("yarn", "install", skip, *frozen)
        if self.yarn:
            frozen = ("--frozen-lockfile",) if self.lock else ("--no-lockfile",)
            production = f"--production={'false' if development else 'true'}"
            quiet = ("--non-interactive", "--no-progress")
            return ("yarn", "install", "--ignore-scripts", production, *frozen, *quiet)
        verb = ("ci",) if self.lock else ("install", "--no-package-lock")
        kinds = "--include=dev" if development else "--omit=dev"
        # npm 9 runs the prepare script of workspaces even so; a shell that does nothing ends that.
        no_scripts = ("--ignore-scripts", "--script-shell=/bin/true")
        return ("npm", *verb, *no_scripts, kinds, "--loglevel=http")


def environment(
    base: Mapping[str, str], *, prefix: str, registry: str, manager: Manager
) -> dict[str, str]:
    """Return what every tool is told besides ``base``, the container's own environment.

    ``prefix`` is that of node: its headers are below it, so that no addon fetches them. yarn from
    2 on refuses a setting that it does not know, so it hears only those of its version.
    """
    told = {**_QUIET, "npm_config_nodedir": prefix, "JOBS": "max"}
    told |= {
        # pnpm and yarn would fetch another version of themselves, or not use node_modules.
        "npm_config_manage_package_manager_versions": "false",
        "npm_config_verify_deps_before_run": "false",
        "pnpm_config_manage_package_manager_versions": "false",
        "pnpm_config_verify_deps_before_run": "false",
        "YARN_ENABLE_GLOBAL_CACHE": "true",
        "YARN_ENABLE_SCRIPTS": "false",
        "YARN_IGNORE_PATH": "1",
        "YARN_NODE_LINKER": "node-modules",
    }
    if manager.yarn > 2:
        told["YARN_NM_MODE"] = "classic"
    authorities = "YARN_CA_FILE_PATH" if manager.yarn in (2, 3) else "YARN_HTTPS_CA_FILE_PATH"
    # What the container says of its network, in the words of node, npm and yarn.
    for name, known in (
        ("NODE_EXTRA_CA_CERTS", ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")),
        ("npm_config_cafile", ("npm_config_cafile", "SSL_CERT_FILE")),
        (authorities, ("npm_config_cafile", "SSL_CERT_FILE")),
        ("YARN_HTTP_PROXY", ("HTTP_PROXY", "http_proxy")),
        ("YARN_HTTPS_PROXY", ("HTTPS_PROXY", "https_proxy")),
    ):
        value = next((base[other] for other in known if base.get(other)), "")
        if value:
            told[name] = value
    if registry:
        told |= {
            "npm_config_registry": registry,
            "YARN_NPM_REGISTRY_SERVER": registry.rstrip("/"),
        }
        if manager.yarn < 2:
            told["YARN_REGISTRY"] = registry
        if registry.startswith("http://"):
            host = registry.removeprefix("http://").partition("/")[0].partition(":")[0]
            told["YARN_UNSAFE_HTTP_WHITELIST"] = host
    return told


def script_environment(
    manifest: Mapping[str, object], *, event: str, line: str, directory: str, start: str
) -> dict[str, str]:
    """Return the environment that npm gives the script of a package (npm-run-script(1))."""
    found = {
        "INIT_CWD": start,
        "npm_command": "rebuild",
        "npm_lifecycle_event": event,
        "npm_lifecycle_script": line,
        "npm_node_execpath": "node",
        "npm_package_json": f"{directory}/package.json",
        "npm_package_name": str(manifest.get("name", "")),
        "npm_package_version": str(manifest.get("version", "")),
    }
    config = manifest.get("config")
    for name, value in config.items() if isinstance(config, dict) else ():
        if isinstance(value, str | int | float):
            found[f"npm_package_config_{name}"] = str(value)
    return found


def program_path(directory: str, base: str) -> str:
    """Return the PATH of a script: every node_modules/.bin above its package, then ``base``."""
    places = []
    at = directory
    while at not in ("", "/"):
        if not at.endswith("/node_modules"):
            places.append(f"{at}/node_modules/.bin")
        at = at.rpartition("/")[0]
    return ":".join((*places, base))
