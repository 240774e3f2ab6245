"""The description of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: python_project
short_description: Find out what Python project a directory holds
description:
  - Reads C(pyproject.toml) and finds the lock file in a directory of the controller. What lock
    files and files of requirements say is read later, in the build container, by the tools that
    write them.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  directory:
    description:
      - The directory of the app, with a C(pyproject.toml), a C(requirements.txt) or a C(setup.py).
    type: path
    required: true
  lock:
    description:
      - The file that says what is installed, below O(directory); by default the lock file that is
        there, else C(requirements.txt), else the project's own file.
    type: str
    default: ""
  extras:
    description: Extras of the project that are installed as well.
    type: list
    elements: str
    default: []
  groups:
    description: Groups of dependencies that are installed as well.
    type: list
    elements: str
    default: []
  project:
    description:
      - Whether the project is shipped as a package or as its files; C(auto) is as a package where
        something says how it is built.
    type: str
    default: auto
    choices: [auto, package, files]
  distribution_version:
    description: The version of Python that the project has to allow; by default any.
    type: str
    default: ""
extends_documentation_fragment: [rootfs.builder.attributes.looks]
"""

EXAMPLES = r"""
- name: Read the project
  rootfs.builder.python_project:
    directory: examples/python-web
  register: found
"""

RETURN = r"""
project:
  description: The project, also as the fact C(rootfs_project).
  returned: success
  type: dict
  contains:
    context:
      description: The directory that is copied into the build container.
      type: str
    labels:
      description: OCI annotations.
      type: dict
    python:
      description:
        - C(name), C(lock) (the file that says what is installed) and C(kind) (whose it is),
          C(package) (whether the project is installed), C(requirements).
      type: dict
"""
