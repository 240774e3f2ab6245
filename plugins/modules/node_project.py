"""The description of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_project
short_description: Read what a Node project says of itself
description:
  - Reads C(package.json), the lock file and the workspaces of a directory of the controller.
  - Nothing is run and nothing is fetched.
  - All that is wrong with one C(package.json) comes in one message.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  directory:
    description:
      - The directory of the app. It may be a member of a workspace whose root lies above it.
    type: path
    required: true
  prefix:
    description:
      - Where the sources are in the build container and the app is in the image.
    type: path
    required: true
  workspace:
    description:
      - The workspace to build, by the name of its package or its directory below the root.
      - By default the app in O(directory) itself.
    type: str
    default: ""
  version:
    description:
      - The range of versions of node, in place of C(engines.node).
    type: str
    default: ""
  distribution_version:
    description:
      - The version of node that the distribution has. Where it lies outside of the range,
        RV(project.toolchain) is the range; otherwise it is empty.
    type: str
    default: ""
  build:
    description:
      - The scripts that build it, by name. A package of the repository that the app needs, and
        that has none of them, is built by its C(build).
      - V(auto) is C(build) where there is one, V(true) is C(build), V(false) is none.
    type: list
    elements: str
    default: [auto]
  entrypoint:
    description: The entry point of the image, where the inventory gives one.
    type: list
    elements: str
    default: []
  command:
    description:
      - The command of the image, where the inventory gives one. It is read as the start script
        would be, which then may need a shell; what the image runs is as given.
    type: list
    elements: str
    default: []
  command_needed:
    description: Whether it is an error that nothing says what the image runs.
    type: bool
    default: true
  working_directory:
    description: Where the image starts, by default in the app's directory.
    type: str
    default: ""
extends_documentation_fragment: [rootfs.builder.attributes.looks]
"""

EXAMPLES = r"""
- name: Read the project
  rootfs.builder.node_project:
    directory: examples/node-web
    prefix: /app
    distribution_version: 20.19.2
  register: found
"""

RETURN = r"""
project:
  description: The project, also as the fact C(rootfs_project).
  returned: success
  type: dict
  contains:
    context:
      description: The directory that is copied into the build container, the workspace root's.
      type: str
    toolchain:
      description: >-
        The range of versions of node where the distribution's is not among them, else empty.
      type: str
    entrypoint:
      description: >-
        The program of C(bin) where nothing else says how it starts: arguments are given to it where
        the image runs.
      type: list
      elements: str
    command:
      description: >-
        The command in exec form, as far as it is known before the build; empty where the
        inventory gives it, and where the entry point is all.
      type: list
      elements: str
    environment:
      description: The environment of the image.
      type: dict
    working_directory:
      description: The working directory of the image.
      type: str
    ports:
      description: Ports, with their protocol.
      type: list
      elements: str
    volumes:
      description: Directories that the app writes.
      type: list
      elements: str
    labels:
      description: OCI annotations.
      type: dict
    node:
      description: >-
        What M(rootfs.builder.node_compile) is told (the package manager and its lock, the
        workspaces, the scripts that build, what is shipped).
      type: dict
"""
