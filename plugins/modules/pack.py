#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pack
short_description: Make the image of what its stages left
version_added: 0.1.0
description:
  - Links the fragments of the stages, puts the image into the store, and brings it to where it is
    wanted, which is the engine and the formats of C(rootfs_format).
  - An image that C(rootfs_policy) does not allow is not brought anywhere, and the task fails with
    all that was found in it.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options: {}
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Pack the image
  rootfs.builder.pack:
"""

RETURN = r"""
rootfs_result:
  description: >-
    The image (C(image), C(digest), C(size) in bytes, C(layers), C(candidates), C(manifest),
    C(layout)).
  returned: success
  type: dict
rootfs_summary:
  description: The same for a person.
  returned: success
  type: str
"""
