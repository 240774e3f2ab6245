#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan an app, and find what is there already
version_added: 0.1.0
description:
  - Without O(project) it finds the stack of the app in C(rootfs_app_dir), resolves every option
    (roles' defaults, the app's own C(rootfs.yml), Ansible's variables) and computes the key of the
    image. An image whose key is in the store is brought to where it is wanted, and nothing else is
    to be done.
  - With O(project), what the stack's C(inspect) found, it computes the key of each stage and
    says which of them are to be run.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  project:
    description: What the stack read of the project, the fact C(rootfs_project).
    type: dict
attributes:
  check_mode:
    description: Nothing is loaded or written.
    support: full
"""

EXAMPLES = r"""
- name: Find out what the app is
  rootfs.builder.plan:

- name: Plan its stages
  rootfs.builder.plan:
    project: "{{ rootfs_project }}"
"""

RETURN = r"""
ansible_facts:
  description: >-
    The resolved options by their names, and C(rootfs_plan) with C(role), C(context), C(ignore),
    C(key), C(cached) and C(stages) (each with C(key), C(image) and C(run)).
  returned: success
  type: dict
rootfs_result:
  description: The image that is there already.
  returned: when the image is cached
  type: dict
rootfs_summary:
  description: The same for a person.
  returned: when the image is cached
  type: str
"""
