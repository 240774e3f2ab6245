#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: choose
short_description: Find the app that has a directory, or name a new one
version_added: 0.1.0
description:
  - Looks for the host of group C(apps) whose C(rootfs_app_dir) is O(directory). Where there is
    none, the directory's name is that of a new host; a digest of its path follows where the
    inventory has the name already.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  directory:
    description: The directory of an app.
    type: path
    required: true
extends_documentation_fragment: [rootfs.builder.attributes.looks]
"""

EXAMPLES = r"""
- name: Find the app
  rootfs.builder.choose:
    directory: examples/node-web
  register: chosen
"""

RETURN = r"""
host:
  description: The name of the host, or one for it made of the directory's name.
  returned: success
  type: str
directory:
  description: The directory, absolute and without links.
  returned: success
  type: str
"""
