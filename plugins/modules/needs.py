#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: needs
short_description: Plan the system layer from what a build's results need
version_added: 0.1.0
description:
  - Reads the needs that the compile stage recorded, leaves out what the runtime brings, and adds
    the system stage to the plan. Its result is to be registered as C(rootfs_plan).
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options: {}
extends_documentation_fragment: [rootfs.builder.attributes.looks]
"""

EXAMPLES = r"""
- name: Ask what the results need beyond the runtime
  rootfs.builder.needs:
  register: rootfs_plan
"""

RETURN = r"""
packages:
  description: The packages to install, at the versions that the build saw.
  returned: success
  type: list
  elements: str
"""
