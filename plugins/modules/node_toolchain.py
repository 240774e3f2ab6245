"""A node that the distribution lacks, from the npm registry."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_toolchain
short_description: Install a node that the distribution lacks
description:
  - Takes node and its headers from the npm registry's own packages of node, and an npm that fits
    it. npm checks the integrity of each.
  - The newest release of the lowest even major (those get long-term support) that satisfies the
    range is taken, else the newest release that does.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  version:
    description: The versions of node that are wanted, as a range.
    type: str
    required: true
  prefix:
    description: Where node, its headers and npm are installed.
    type: path
    default: /usr/local
  npm:
    description: The npm that fetches them, with the node that it runs on.
    type: list
    elements: str
    default: [/usr/bin/node, /usr/bin/npm]
  registry:
    description: The npm registry; by default the one that npm itself names.
    type: str
    default: ""
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Install node 22
  rootfs.builder.node_toolchain:
    version: ^22.12.0
"""

RETURN = r"""
node:
  description: The version of node.
  returned: success
  type: str
npm:
  description: The version of npm.
  returned: success
  type: str
"""

import json
import os
import platform
import shutil
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootfs.builder.plugins.module_utils import (
    node_advice,
    node_release,
    node_tools,
)
from ansible_collections.rootfs.builder.plugins.module_utils.node_settings import (
    secret_environment,
)
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

LICENCE = "share/doc/node/LICENSE"


class Toolchain:
    """The installation of one version of node."""

    def __init__(self, module: AnsibleModule, scratch: Path) -> None:
        self._module = module
        self._scratch = scratch
        self._prefix = Path(module.params["prefix"])
        self._environment = {
            **node_tools.environment(
                os.environ,
                prefix="/usr",
                registry=module.params["registry"],
                manager=node_tools.Manager("npm"),
            ),
            **secret_environment(),
            # The image that is made of this container keeps no cache.
            "npm_config_cache": str(scratch / "cache"),
        }

    def chosen(self, wanted: str) -> str:
        """Return the version of node to install."""
        package = self._package()
        version = node_release.choose(self._versions(package, wanted))
        if version:
            return version
        available = node_release.available(self._versions(package, ""))
        raise StepError(
            f"there is no node that satisfies {wanted}",
            package,
            (f"available: {release}" for release in available),
            "correct engines.node in package.json, or set stack_node_version",
        )

    def installed(self) -> str:
        """Return the version of node that is installed already; empty where none is."""
        program = self._prefix / "bin" / "node"
        if not program.is_file():
            return ""
        code, output, _ = self._module.run_command([str(program), "--version"])
        return "" if code else str(output).strip().removeprefix("v")

    def install(self, version: str) -> None:
        """Install node, its headers and licence, then the npm that fits it."""
        self._npm(
            "install", "--prefix", str(self._scratch), "--no-save", f"{self._package()}@{version}"
        )
        held = self._scratch / "node_modules" / self._package()
        headers = self._prefix / "include" / "node"
        shutil.rmtree(headers, ignore_errors=True)
        shutil.copytree(held / "include" / "node", headers)
        licence = self._prefix / LICENCE
        licence.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(held / "LICENSE", licence)
        program = self._prefix / "bin" / "node"
        program.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(held / "bin" / "node", program)
        program.chmod(0o755)
        npm = f"npm@{node_release.npm_range(version)}"
        self._npm("install", "--global", "--prefix", str(self._prefix), npm)
        # Addons without an install script of their own are compiled by npm's node-gyp.
        link = self._prefix / "bin" / "node-gyp"
        link.unlink(missing_ok=True)
        link.symlink_to("../lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js")

    def npm_version(self) -> str:
        """Return the version of the npm beside node."""
        manifest = self._prefix / "lib" / "node_modules" / "npm" / "package.json"
        return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])

    def _package(self) -> str:
        machine = platform.machine()
        try:
            return node_release.package(machine)
        except LookupError as error:
            raise StepError(
                f"the npm registry has no node for the machine {machine}",
                hint="set stack_node_version to a range that the distribution's node satisfies",
            ) from error

    def _versions(self, package: str, wanted: str) -> list[str]:
        """Return the versions in a range; npm lists all of a package under another field."""
        asked = (f"{package}@{wanted}", "version") if wanted else (package, "versions")
        found = json.loads(self._npm("view", *asked, "--json", nothing="[]") or "[]")
        return [found] if isinstance(found, str) else [str(version) for version in found]

    def _npm(self, *arguments: str, nothing: str = "") -> str:
        options = ["--ignore-scripts", "--loglevel=http"]
        code, output, errors = self._module.run_command(
            [*self._module.params["npm"], *arguments, *options], environ_update=self._environment
        )
        if code and nothing and "E404" in errors and "No match found" in errors:
            return nothing
        if code:
            lines = node_advice.cleaned(output, errors)
            raise StepError(
                f"npm {arguments[0]} failed",
                "node could not be fetched",
                lines,
                node_advice.fetch_advice(node_tools.Manager("npm"), lines),
            )
        return str(output)


def main() -> None:
    """Install node where it is not there yet."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "prefix": {"type": "path", "default": "/usr/local"},
            "npm": {
                "type": "list",
                "elements": "str",
                "default": ["/usr/bin/node", "/usr/bin/npm"],
            },
            "registry": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    if module.check_mode and not shutil.which(module.params["npm"][0]):
        # The npm that knows the versions is what an earlier task would have installed.
        module.exit_json(changed=True, node="", npm="")
    with tempfile.TemporaryDirectory(prefix="node-") as scratch:
        toolchain = Toolchain(module, Path(scratch))
        try:
            version = toolchain.chosen(module.params["version"])
            changed = toolchain.installed() != version
            if changed and not module.check_mode:
                toolchain.install(version)
            npm = "" if changed and module.check_mode else toolchain.npm_version()
        except StepError as error:
            module.fail_json(msg=str(error), error=error.to_json())
    module.exit_json(changed=changed, node=version, npm=npm)


if __name__ == "__main__":
    main()
