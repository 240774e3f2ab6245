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
    image. An image whose key is in the store is brought to where it is wanted, if C(rootfs_policy)
    allows what is in it, and nothing else is to be done.
  - With O(project), what the stack's C(inspect) found, it computes the key of each stage and
    says which of them are to be run. The parts of the app, hosts with the variable
    C(rootfs_part), are planned so before it.
  - Its result is to be registered as C(rootfs_plan), where the collection's other actions look for
    it. Facts would do for a program of a build container what variables must not.
  - Runs on the controller, whatever the host's connection is.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  project:
    description: What the stack read of the project, the fact C(rootfs_project).
    type: dict
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Find out what the app is
  rootfs.builder.plan:
  register: rootfs_plan

- name: Plan its stages
  rootfs.builder.plan:
    project: "{{ rootfs_project }}"
  register: rootfs_plan
"""

RETURN = r"""
role:
  description: The role of the app's stack.
  returned: success
  type: str
context:
  description: The directory whose files are the app's sources.
  returned: success
  type: str
ignore:
  description: The patterns of files that are none.
  returned: success
  type: list
  elements: str
sources:
  description: The digest of the sources.
  returned: success
  type: str
cached:
  description: Whether the image is there.
  returned: success
  type: bool
stages:
  description: The stages by name, each with C(key), C(image) and C(run).
  returned: with O(project)
  type: dict
parts:
  description:
    - The parts of the app with the C(host) that each is, C(app), C(number), and the keys C(key) and
      C(compiled).
  returned: success
  type: list
  elements: dict
project:
  description: What the stack read of the project.
  returned: success
  type: dict
docker_host:
  description: The engine, as E(DOCKER_HOST) would name it.
  returned: success
  type: str
options:
  description: The resolved options that roles of every stack may read.
  returned: without O(project), when the image is to be built
  type: dict
own_options:
  description: The options of its stack that the app's own C(rootfs.yml) decides.
  returned: without O(project), when the image is to be built
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
