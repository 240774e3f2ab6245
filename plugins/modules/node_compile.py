"""Compiling a Node project, in its build container."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_compile
short_description: Compile a Node project
description:
  - Runs in a build container that has the project's sources, one step after the other.
  - C(fetch) fetches the dependencies and runs none of their scripts. C(scripts) runs the install
    scripts of what is needed, and compiles addons. C(build) runs the C(build) scripts. C(finish)
    leaves in C(node_modules) what production needs, and says what is to be shipped.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  step:
    description: What is done.
    type: str
    required: true
    choices: [fetch, scripts, build, finish]
  prefix:
    description: The directory of the sources.
    type: path
    required: true
  project:
    description: The project, as C(node) of what M(rootfs.builder.node_project) returns.
    type: dict
    required: true
  registry:
    description: The npm registry; by default the one that the project or npm itself names.
    type: str
    default: ""
  hooks:
    description:
      - The scripts of the project itself that run as part of the installation.
    type: list
    elements: str
    default: [install, postinstall]
  offline:
    description: Whether the container has no network, which decides what an error advises.
    type: bool
    default: true
  files:
    description:
      - What of the app is shipped, as paths below its directory; by default what the field
        C(files) of C(package.json) says, or all of it.
    type: list
    elements: str
    default: []
  build_only:
    description: Packages that only the build used, and that are left out where there was one.
    type: list
    elements: dict
    default: []
    suboptions:
      package:
        description: The name of the package, as a glob.
        type: str
        required: true
      unless:
        description: A file of the app's directory, as a glob, that makes it needed.
        type: str
  configurations:
    description:
      - Configurations in TypeScript that a program would compile at every start, as globs of the
        app's directory. They are compiled once.
    type: list
    elements: str
    default: []
  excluding:
    description: What of the app is never shipped, as globs below each package of the sources.
    type: list
    elements: str
    default: []
  typescript_excluding:
    description:
      - What of the app is never shipped besides where a build compiled TypeScript that nothing
        reads any more, as globs below each package of the sources.
    type: list
    elements: str
    default: []
  dependencies_excluding:
    description: What is never shipped of C(node_modules), as globs below each of them.
    type: list
    elements: str
    default: []
  types_excluding:
    description:
      - What is never shipped of C(node_modules) besides where the compiler of TypeScript is no
        production dependency.
    type: list
    elements: str
    default: []
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Fetch the dependencies, and run none of their scripts
  rootfs.builder.node_compile:
    step: fetch
    prefix: /app
    project: "{{ rootfs_project.node }}"
"""

RETURN = r"""
packages:
  description: The scripts that were run, as C(PACKAGE SCRIPT).
  returned: steps scripts and build
  type: list
  elements: str
compiled:
  description: What the build found out, also as the fact C(rootfs_compiled).
  returned: step finish
  type: dict
  contains:
    entrypoint:
      description: The entry point of the image, of a program whose arguments are given to it.
      type: list
      elements: str
    command:
      description: The command of the image in exec form, of all else.
      type: list
      elements: str
    scripts:
      description: The files that the image starts, which have to be in it.
      type: list
      elements: str
    dependencies:
      description: The node_modules directories to ship.
      type: list
      elements: str
    dependencies_excluding:
      description: The globs of the files of node_modules that are not shipped.
      type: list
      elements: str
    files:
      description: The paths and globs of the app to ship.
      type: list
      elements: str
    excluding:
      description: The globs of the app's files that are not shipped.
      type: list
      elements: str
    components:
      description: Node itself, where it is no package of the distribution.
      type: list
      elements: dict
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootfs.builder.plugins.module_utils.node_build import NodeBuild
from ansible_collections.rootfs.builder.plugins.module_utils.node_shipped import Rules
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError, runner


def main() -> None:
    """Run one step."""
    module = AnsibleModule(
        argument_spec={
            "step": {
                "type": "str",
                "required": True,
                "choices": ["fetch", "scripts", "build", "finish"],
            },
            "prefix": {"type": "path", "required": True},
            "project": {"type": "dict", "required": True},
            "registry": {"type": "str", "default": ""},
            "hooks": {"type": "list", "elements": "str", "default": ["install", "postinstall"]},
            "offline": {"type": "bool", "default": True},
            "files": {"type": "list", "elements": "str", "default": []},
            "build_only": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "package": {"type": "str", "required": True},
                    "unless": {"type": "str"},
                },
            },
            **{
                name: {"type": "list", "elements": "str", "default": []}
                for name in (
                    "configurations",
                    "excluding",
                    "typescript_excluding",
                    "dependencies_excluding",
                    "types_excluding",
                )
            },
        },
        supports_check_mode=False,
    )
    arguments = module.params

    build = NodeBuild(
        Path(arguments["prefix"]),
        arguments["project"],
        runner(module),
        dict(os.environ),
        registry=arguments["registry"],
    )
    result: dict[str, Any] = {"changed": True}
    try:
        if arguments["step"] == "fetch":
            build.fetch()
        elif arguments["step"] == "scripts":
            result["packages"] = build.scripts(arguments["hooks"], offline=arguments["offline"])
        elif arguments["step"] == "build":
            result["packages"] = build.build(offline=arguments["offline"])
        else:
            compiled = build.finish(
                Rules(
                    files=tuple(arguments["files"]),
                    excluding=tuple(arguments["excluding"]),
                    typescript=tuple(arguments["typescript_excluding"]),
                    dependencies=tuple(arguments["dependencies_excluding"]),
                    types=tuple(arguments["types_excluding"]),
                    configurations=tuple(arguments["configurations"]),
                    build_only=tuple(arguments["build_only"]),
                )
            )
            result |= {"compiled": compiled, "ansible_facts": {"rootfs_compiled": compiled}}
    except StepError as error:
        module.fail_json(msg=str(error), error=error.to_json())
    for warning in build.warnings:
        module.warn(warning)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
