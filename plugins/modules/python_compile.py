"""Compiling a Python project, in its build container."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: python_compile
short_description: Compile a Python project
description:
  - Runs in a build container that has the project's sources, one step after the other.
  - C(fetch) fetches the dependencies, and what builds those that come as sources. C(build) makes
    wheels of these and of the project, and installs all. C(finish) leaves what production needs,
    compiles byte code, and says what is to be shipped.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  step:
    description: What is done.
    type: str
    required: true
    choices: [fetch, build, finish]
  prefix:
    description: The directory of the sources.
    type: path
    required: true
  project:
    description: The project, as C(python) of what M(rootfs.builder.python_project) returns.
    type: dict
    required: true
  extras:
    description: Extras of the project that are installed as well.
    type: list
    elements: str
    default: []
  groups:
    description: Groups of dependencies that are installed as well.
    type: list
    elements: str
    default: []
  no_binary:
    description: Packages that are compiled from their sources though there is a wheel.
    type: list
    elements: str
    default: []
  index:
    description: The index that packages come from; by default pip's own.
    type: str
    default: ""
  extra_indexes:
    description: Further indexes.
    type: list
    elements: str
    default: []
  tools:
    description: The requirements of the tools that read lock files, by their names.
    type: dict
    default: {}
  plan:
    description: What the step C(fetch) returned; required by the step C(build).
    type: dict
  commands:
    description: Commands that the step C(build) runs once all is installed, in exec form.
    type: list
    elements: list
    default: []
  main:
    description: Which of several scripts the image runs.
    type: str
    default: ""
  command:
    description: What the image runs, where an option says it.
    type: list
    elements: str
    default: []
  excluding:
    description: What packages install and nobody reads, as globs below C(/usr/local).
    type: list
    elements: str
    default: []
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Fetch the dependencies
  rootfs.builder.python_compile:
    step: fetch
    prefix: /app
    project: "{{ rootfs_project.python }}"
  register: fetched
"""

RETURN = r"""
plan:
  description: What is to be built, for the step C(build).
  returned: step fetch
  type: dict
compiled:
  description: What the build found out, also as the fact C(rootfs_compiled).
  returned: step finish
  type: dict
  contains:
    command:
      description: The command of the image in exec form.
      type: list
      elements: str
    scripts:
      description: The files that the image starts, which have to be in it.
      type: list
      elements: str
    installed:
      description: The files that the project's own packages installed.
      type: list
      elements: str
    files:
      description: The directory of the project, where it is shipped as its files.
      type: list
      elements: str
    dependencies:
      description: The paths of all other packages.
      type: list
      elements: str
    components:
      description: What was fetched, with the digests of the archives.
      type: list
      elements: dict
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootfs.builder.plugins.module_utils.python_build import Build
from ansible_collections.rootfs.builder.plugins.module_utils.python_fetch import Fetch, Wishes
from ansible_collections.rootfs.builder.plugins.module_utils.python_shipped import Finish
from ansible_collections.rootfs.builder.plugins.module_utils.python_tools import Tools
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError, runner


def main() -> None:
    """Run one step."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "required": True, "choices": ["fetch", "build", "finish"]},
            "prefix": {"type": "path", "required": True},
            "project": {"type": "dict", "required": True},
            "extras": {"type": "list", "elements": "str", "default": []},
            "groups": {"type": "list", "elements": "str", "default": []},
            "no_binary": {"type": "list", "elements": "str", "default": []},
            "index": {"type": "str", "default": ""},
            "extra_indexes": {"type": "list", "elements": "str", "default": []},
            "tools": {"type": "dict", "default": {}},
            "plan": {"type": "dict"},
            "commands": {"type": "list", "elements": "list", "default": []},
            "main": {"type": "str", "default": ""},
            "command": {"type": "list", "elements": "str", "default": []},
            "excluding": {"type": "list", "elements": "str", "default": []},
        },
        required_if=[("step", "build", ["plan"])],
        supports_check_mode=False,
    )
    arguments = module.params

    run = runner(module)
    prefix, project = Path(arguments["prefix"]), arguments["project"]
    tools = Tools(run, dict(os.environ))
    result: dict[str, Any] = {"changed": True}
    try:
        if arguments["step"] == "fetch":
            wishes = Wishes(
                extras=tuple(arguments["extras"]),
                groups=tuple(arguments["groups"]),
                no_binary=tuple(arguments["no_binary"]),
                index=arguments["index"],
                extra_indexes=tuple(arguments["extra_indexes"]),
                tools=arguments["tools"],
            )
            result["plan"] = Fetch(prefix, project, tools, wishes).fetch()
        elif arguments["step"] == "build":
            build = Build(prefix, arguments["plan"], tools)
            build.build(arguments["commands"])
            for warning in build.warnings:
                module.warn(warning)
        else:
            compiled = Finish(prefix, project, run).finish(
                arguments["excluding"], arguments["main"], arguments["command"]
            )
            result |= {"compiled": compiled, "ansible_facts": {"rootfs_compiled": compiled}}
    except StepError as error:
        module.fail_json(msg=str(error), error=error.to_json())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
