"""Byte code beside Python sources, the same on every machine."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: python_bytecode
short_description: Compile Python sources to byte code that is the same on every machine
description:
  - Compiles all sources below a directory. The byte code holds neither the time of its source nor
    any other of the build, and Python checks it against nothing (PEP 552, C(unchecked-hash)).
  - What is there already is compiled anew; it counts as changed where its bytes differ.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  path:
    description: The directory.
    type: path
    required: true
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Compile the standard library
  rootfs.builder.python_bytecode:
    path: /usr/lib/python3.13
"""

RETURN = r""" # """

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.rootfs.builder.plugins.module_utils.python_bytecode import compile_all
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError, runner


def main() -> None:
    """Compile one directory."""
    module = AnsibleModule(
        argument_spec={"path": {"type": "path", "required": True}}, supports_check_mode=False
    )
    path = Path(module.params["path"])
    if not path.is_dir():
        module.fail_json(msg=f"{path} is no directory")

    try:
        changed = compile_all(runner(module), [path])
    except StepError as error:
        module.fail_json(msg=str(error), error=error.to_json())
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
