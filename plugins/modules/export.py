#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: export
short_description: Harvest the outputs of a stage and what they need
version_added: 0.1.0
description:
  - Sends the exporter over the host's connection, runs it there with the container's Python, and
    fetches the layers and the fragment that it wrote.
  - What comes back is checked entry by entry as untrusted input before a byte is kept in the store,
    under the key of the stage in the fact C(rootfs_plan).
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  stage:
    description: The stage whose outputs (in the stack's C(meta/stack.yml)) are harvested.
    type: str
    choices: [runtime, compile, system]
    required: true
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Harvest the results
  rootfs.builder.export:
    stage: compile
"""

RETURN = r"""
layers:
  description: The layers, with their digests and sizes in bytes.
  returned: success
  type: list
  elements: dict
files:
  description: The number of paths.
  returned: success
  type: int
needs:
  description: The distribution packages that the results need.
  returned: success
  type: list
  elements: str
omitted:
  description: The number of paths that are not shipped, or not as they were.
  returned: success
  type: int
"""
