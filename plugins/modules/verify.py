#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Prove that an image works as it is shipped
version_added: 0.1.0
description:
  - Runs what C(rootfs_smoke) says of an image that was built, or what its stack says, on a root
    that cannot be written to, without capabilities and without network unless it declares one.
  - Traces which files its processes look for. What is missing and was in a container of its build
    fails the task, with who wanted it, which package owns it, and the line that ships it.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  image:
    description: The name of the image in the store, or its digest.
    type: str
    required: true
  state:
    description: C(planned) says what it is traced with, and whether that has to be made first.
    type: str
    choices: [planned, verified]
    default: verified
  store:
    description: The store; by default that of a build.
    type: path
  tracer:
    description: The image that strace comes from. It has to be there.
    type: str
  smoke:
    description: What is said over the smoke run of the image, as in C(rootfs_smoke), this time.
    type: dict
  root_image:
    description: >-
      With C(planned), what the tracer is made from; by default the image's own root image.
    type: str
  root_key:
    description: The key of that.
    type: str
extends_documentation_fragment: [rootfs.builder.attributes.step]
"""

EXAMPLES = r"""
- name: Verify an image
  rootfs.builder.verify:
    image: node-web
    tracer: rootfs.builder/tracer:0123456789ab
"""

RETURN = r"""
rootfs_result:
  description: >-
    The proof (C(proved), C(smoke), C(findings), C(passed_over), C(untouched), sizes in bytes).
  returned: with C(verified)
  type: dict
rootfs_summary:
  description: The same for a person.
  returned: with C(verified)
  type: str
tracer:
  description: >-
    The image to trace with (C(image), C(key)), what it is made from, and whether it is there.
  returned: with C(planned)
  type: dict
possible:
  description: Whether it is there, or can be made.
  returned: with C(planned)
  type: bool
"""
