#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_copy
short_description: Copy a path of an image into the container that a host is
version_added: 0.1.0
description:
  - Copies a file or a directory of an image, which is not run, into a container, as C(COPY --from)
    does. A directory is merged into one that is there. Modes and owners are the image's.
  - Nothing is written, and nothing has changed, where all of it is there already; its times do
    not count.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  image:
    description: The name of the image.
    type: str
    required: true
  src:
    description: The path in the image.
    type: path
    required: true
  dest:
    description: What the path becomes in the container; directories above it are made.
    type: path
    required: true
  pull:
    description: Whether an image that the engine does not have is pulled.
    type: bool
    default: true
  name:
    description: The name of the container. By default the one that the host is now.
    type: str
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Take a compiler from the image that its makers publish
  rootfs.builder.image_copy:
    image: example.org/compiler:1.2
    src: /usr/local/compiler
    dest: /opt/compiler
"""

RETURN = r""" # """
