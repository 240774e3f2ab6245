#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_import
short_description: Make an image of one layer from a root file system
version_added: 0.1.0
description:
  - Imports a plain tar as an image whose configuration holds nothing but two labels,
    C(rootfs.builder.key) and C(rootfs.builder.stage). The same archive gives the same image.
  - The tar is a file, or what a program writes. That program ends with the run, however
    C(ansible-playbook) ends, and nothing that it wrote stays.
  - Does nothing if the engine has the image with that key.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  src:
    description: The archive, a file of the controller. One of O(src) and O(argv) is needed.
    type: path
  argv:
    description: A program of the controller, and its arguments, that writes the archive to its
      output. It gets the C(environment) of the task.
    type: list
    elements: str
  image:
    description: The name of the image, with a tag.
    type: str
    required: true
  key:
    description: The key of the stage, the sha256 of all it depends on.
    type: str
    required: true
  stage:
    description: The name of the stage.
    type: str
    required: true
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Import the root image
  rootfs.builder.image_import:
    src: /var/tmp/root.tar
    image: rootfs.builder/root:0123456789ab
    key: "{{ root_image_key }}"
    stage: root_image

- name: Make a root image
  rootfs.builder.image_import:
    argv: [mmdebstrap, --variant=minbase, trixie, "-"]
    image: rootfs.builder/root:0123456789ab
    key: "{{ root_image_key }}"
    stage: root_image
"""

RETURN = r"""
image:
  description: The name of the image.
  type: str
  returned: success
id:
  description: The id of the image; empty in check mode if it is not there.
  type: str
  returned: success
"""
