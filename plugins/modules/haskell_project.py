"""The description of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: haskell_project
short_description: Find out which Haskell packages a directory holds
description:
  - Looks at a directory of the controller. What its files say is read later, in the build
    container, by the Cabal library.
author: the rootfs-ansible founders
version_added: 0.1.0
options:
  directory:
    description:
      - The directory of the app, with one C(.cabal) file or a C(cabal.project).
    type: path
    required: true
  repository:
    description: The Hackage repository that is to be used, to see that it is one.
    type: str
    default: ""
extends_documentation_fragment: [rootfs.builder.attributes.looks]
"""

EXAMPLES = r"""
- name: Look at the project
  rootfs.builder.haskell_project:
    directory: examples/haskell-web
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
    haskell:
      description: C(cabal_file), empty where C(cabal.project) says which packages there are.
      type: dict
"""
