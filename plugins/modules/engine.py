#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine
short_description: Find the container engine that answers, start or stop a private one
version_added: 0.1.0
description:
  - The engine is the one of E(DOCKER_HOST), else of the default socket, else a private one with
    its data, sockets and pid file in a directory of its own.
  - How it is reached becomes the fact C(rootfs_docker_host).
  - Runs on the controller, whatever the host's connection is. The role
    P(rootfs.builder.engine#role) installs what a private engine needs.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  state:
    description:
      - V(found) looks for an engine that answers; none is no error.
      - V(started) starts the private engine if none answers. What a killed one left is removed
        first. It outlives the playbook.
      - V(stopped) stops the private engine, and no other.
    type: str
    choices: [found, started, stopped]
    default: found
  directory:
    description:
      - The directory of the private engine, at most 69 characters long. By default
        C(/var/lib/rootfs-ansible/engine) for root and
        C(${XDG_STATE_HOME:-~/.local/state}/rootfs-ansible/engine) for others.
    type: path
  storage_driver:
    description: The engine's storage driver, by default V(overlay2), or V(vfs) where that fails.
    type: str
    default: ""
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Find an engine that answers
  rootfs.builder.engine:
    state: found
  register: engine
"""

RETURN = r"""
docker_host:
  description: How the engine is reached; empty if none answers.
  type: str
  returned: O(state) is not V(stopped)
  sample: unix:///var/run/docker.sock
missing:
  description:
    - The programs that this machine lacks to have the engine, or to reach its containers.
  type: list
  elements: str
  returned: O(state) is not V(stopped)
  sample: [docker, dockerd]
"""
