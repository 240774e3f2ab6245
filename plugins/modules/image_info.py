#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Find out whether the engine has an image
version_added: 0.1.0
description:
  - Looks up an image by its name, and by its key if one is given.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  image:
    description: The name or id of the image.
    type: str
    required: true
  key:
    description: The key that the image must have as its label C(rootfs.builder.key).
    type: str
    default: ""
extends_documentation_fragment: [rootfs.builder.attributes.looks]
"""

EXAMPLES = r"""
- name: Find the root image
  rootfs.builder.image_info:
    image: rootfs.builder/root:0123456789ab
  register: root_image
"""

RETURN = r"""
exists:
  description: Whether the engine has the image, with that key.
  type: bool
  returned: success
id:
  description: The id of the image.
  type: str
  returned: if RV(exists)
labels:
  description: The labels of the image.
  type: dict
  returned: if RV(exists)
size:
  description: The size of the image in bytes.
  type: int
  returned: if RV(exists)
"""
