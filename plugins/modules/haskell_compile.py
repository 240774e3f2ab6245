"""Compiling a Haskell project, in its build container."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: haskell_compile
short_description: Compile a Haskell project
description:
  - Runs in a build container that has the project's sources, one step after the other.
  - C(fetch) finds out, by the Cabal library itself, what the executables need. It says which
    packages of the distribution hold that, and fetches what the distribution lacks from Hackage.
    C(build) compiles and installs, and says what is to be shipped.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  step:
    description: What is done.
    type: str
    required: true
    choices: [fetch, build]
  prefix:
    description: The directory of the sources.
    type: path
    required: true
  cabal_file:
    description:
      - The C(.cabal) file of the only package, below O(prefix); empty where C(cabal.project) says
        which packages there are.
    type: str
    default: ""
  executables:
    description: Executables to build, as C(NAME) or C(PACKAGE:NAME); by default all.
    type: list
    elements: str
    default: []
  main:
    description: The executable that the image runs; by default the only one.
    type: str
    default: ""
  command_needed:
    description: Whether it is an error that nothing says which executable the image runs.
    type: bool
    default: true
  flags:
    description: Flags of packages, by name, as C(+this -that).
    type: dict
    default: {}
  repository:
    description:
      - Where what the distribution lacks comes from, C(https://…) or C(file+noindex:///…).
      - By default nowhere.
    type: str
    default: ""
  system_packages:
    description:
      - The distribution's package of a foreign library, a pkg-config module or a build tool, by
        name, where its rules for names do not tell.
    type: dict
    default: {}
  profiling:
    description: Whether executables are built for profiling.
    type: bool
    default: false
  dynamic:
    description: Whether executables load Haskell's libraries from files of their own.
    type: bool
    default: false
  strip:
    description: Whether what is installed loses its symbols.
    type: bool
    default: true
  plan:
    description: What the step C(fetch) returned; required by the step C(build).
    type: dict
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Find what the project needs
  rootfs.builder.haskell_compile:
    step: fetch
    prefix: /app
    cabal_file: web.cabal
  register: found
"""

RETURN = r"""
packages:
  description: The distribution's packages that the compile needs.
  returned: step fetch
  type: list
  elements: str
plan:
  description: What is to be compiled, for the step C(build).
  returned: step fetch
  type: dict
compiled:
  description: What the build found out, also as the fact C(rootfs_compiled).
  returned: step build
  type: dict
  contains:
    command:
      description: The command of the image in exec form.
      type: list
      elements: str
    labels:
      description: OCI annotations.
      type: dict
    programs:
      description: The executables and the data files of the project's own packages.
      type: list
      elements: str
    libraries:
      description: The files of Haskell's libraries that dynamic executables load.
      type: list
      elements: str
    data:
      description: The directories of libraries' data.
      type: list
      elements: str
    licences:
      description: The licences of the libraries that the executables are linked from.
      type: list
      elements: str
    components:
      description: The packages that the executables are linked from, with their versions, and GHC.
      type: list
      elements: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_build import Build, Manner
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_fetch import Fetch, Wishes
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_tools import Tools
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError, runner


def main() -> None:
    """Run one step."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "required": True, "choices": ["fetch", "build"]},
            "prefix": {"type": "path", "required": True},
            "cabal_file": {"type": "str", "default": ""},
            "executables": {"type": "list", "elements": "str", "default": []},
            "main": {"type": "str", "default": ""},
            "command_needed": {"type": "bool", "default": True},
            "flags": {"type": "dict", "default": {}},
            "repository": {"type": "str", "default": ""},
            "system_packages": {"type": "dict", "default": {}},
            "profiling": {"type": "bool", "default": False},
            "dynamic": {"type": "bool", "default": False},
            "strip": {"type": "bool", "default": True},
            "plan": {"type": "dict"},
        },
        required_if=[("step", "build", ["plan"])],
        supports_check_mode=False,
    )
    arguments = module.params

    # Tools read and write the sources in the encoding of the locale.
    tools = Tools(runner(module, LANG="C.UTF-8", LC_ALL="C.UTF-8"))
    result: dict[str, Any] = {"changed": True}
    try:
        if arguments["step"] == "fetch":
            search = Fetch(
                Path(arguments["prefix"]),
                arguments["cabal_file"],
                tools,
                Wishes(
                    executables=tuple(arguments["executables"]),
                    main=arguments["main"],
                    command_needed=arguments["command_needed"],
                    flags=arguments["flags"],
                    repository=arguments["repository"],
                    profiling=arguments["profiling"],
                    system_packages=arguments["system_packages"],
                ),
            )
            result |= search.fetch()
            result["warnings"] = search.warnings
        else:
            manner = Manner(arguments["dynamic"], arguments["profiling"], arguments["strip"])
            compiled = Build(arguments["plan"], tools, manner).build()
            result |= {"compiled": compiled, "ansible_facts": {"rootfs_compiled": compiled}}
    except StepError as error:
        module.fail_json(msg=str(error), error=error.to_json())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
