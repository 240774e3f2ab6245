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
        RV(project.toolchain) is the range; otherwise RV(project.toolchain) is empty.
    type: str
    default: ""
  node:
    description:
      - The path of node in the image.
    type: path
    default: /usr/bin/node
  command_needed:
    description:
      - Whether a start script that only a shell can run is an error. Not so where something else
        names the command.
    type: bool
    default: true
attributes:
  check_mode:
    description: Changes nothing, ever.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Read the project
  rootfs.builder.node_project:
    directory: examples/node-web
    distribution_version: 20.19.2
  register: found
"""

RETURN = r"""
project:
  description: The project.
  returned: success
  type: dict
  contains:
    name:
      description: The name of the package.
      type: str
    version:
      description: The version of the package.
      type: str
    sources:
      description: The directory that is copied into the build container, the workspace root's.
      type: str
    directory:
      description: The directory of the app below RV(project.sources).
      type: str
    node_range:
      description: The versions of node that it runs on.
      type: str
    toolchain:
      description: The same where the distribution's node is not among them, else empty.
      type: str
    package_manager:
      description: C(name), C(version), C(lock) and C(lock_version).
      type: dict
    command:
      description: >-
        C(arguments), C(environment), C(origin), and C(program) where the first argument is the
        executable of a dependency.
      type: dict
    labels:
      description: OCI annotations.
      type: dict
    environment:
      description: The environment of the image.
      type: dict
    ports:
      description: Ports, with their protocol.
      type: list
      elements: str
    volumes:
      description: Directories that the app writes.
      type: list
      elements: str
    workspaces:
      description: The packages of the repository, each with its C(name) and C(directory).
      type: list
      elements: dict
    scripts:
      description: The names of the scripts of package.json.
      type: list
      elements: str
    manifests:
      description: The files that decide C(node_modules).
      type: list
      elements: str
    shipped:
      description: C(paths) and C(excluding), from the field C(files).
      type: dict
    typescript:
      description: Whether it has a C(tsconfig.json).
      type: bool
"""
