#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: commit
short_description: Make an image of the container that a host is
version_added: 0.1.0
description:
  - Commits the file system of a container as an image whose configuration holds nothing but two
    labels, C(rootfs.builder.key) and C(rootfs.builder.stage). The container's environment and
    what is in memory there (C(/run/rootfs)) do not get into it.
  - Does nothing if the engine has the image with that key.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
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
  name:
    description: The name of the container. By default the one that the host is now.
    type: str
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Commit the build image
  rootfs.builder.commit:
    image: rootfs.builder/stack-node-build:0123456789ab
    key: "{{ rootfs_plan.stages.build_image.key }}"
    stage: build_image
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
