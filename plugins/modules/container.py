#!/usr/bin/python
"""Documentation of the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container
short_description: Start, disconnect or remove the container that a host is for a while
version_added: 0.1.0
description:
  - Starts a build or staging container that waits until it is removed, and puts the app's sources,
    a CA bundle and secrets into it. Register the result as C(rootfs_container).
  - The container belongs to the run. However C(ansible-playbook) ends, also by an interrupt or
    C(kill -9), the container and the run's network are removed; what an earlier run of this host
    left is removed at the start.
  - Runs on the controller, whatever the host's connection is, with the engine of the variable
    C(rootfs_docker_host), else of E(DOCKER_HOST), else of the default socket.
author: the rootfs-ansible founders (@rootfs-ansible)
options:
  state:
    description:
      - V(started) starts a container, or gives the one that runs its network back.
      - V(offline) takes the network from a running container, which keeps its loopback.
      - V(absent) kills and removes it.
    type: str
    choices: [started, offline, absent]
    default: started
  name:
    description:
      - The name of the container. By default one of the run, the host and O(purpose) when it is
        started, and otherwise the one that is registered as C(rootfs_container).
    type: str
  purpose:
    description: What the container is for; a label, and part of its name.
    type: str
    default: build
  image:
    description: The image; required with O(state=started). It must have C(sleep) and C(sh).
    type: str
  sources:
    description:
      - A directory of the controller whose files are put at O(prefix), with owner root, modes
        0644 or 0755, and one time.
      - Links stay links. What its C(.dockerignore) matches is left out.
    type: path
  sources_digest:
    description: The digest that O(sources) must have, as the plan says; by default any.
    type: str
    default: ""
  ignore:
    description:
      - Patterns as in C(.dockerignore) that come before the directory's own, so that the app can
        take them back with C(!).
    type: list
    elements: str
    default: []
  parts:
    description:
      - Whether the results of the app's parts (C(rootfs_parts)), which have been compiled, are put
        over O(sources).
    type: bool
    default: false
  prefix:
    description:
      - Where the sources are in the container. By default the variable C(rootfs_prefix), else
        C(/app).
    type: path
  ca_bundle:
    description:
      - A file of the controller with the certificate authorities that the container trusts, which
        sees it as C(/run/rootfs/ca.pem). By default the variable C(rootfs_build_ca_bundle).
      - curl, git, OpenSSL, Python's requests and apt in the container are told of it.
    type: path
  secrets:
    description:
      - Files of the controller that the container sees as C(/run/rootfs/secrets/NAME), by name.
        By default the variable C(rootfs_secrets).
      - They are in memory only, mode 0400. No layer, log or history keeps them. A file that is
        encrypted with Ansible's vault is decrypted on the way, also in memory.
    type: dict
  environment:
    description:
      - Environment variables of the container, over C(SOURCE_DATE_EPOCH) and the proxies of the
        variable C(rootfs_build_proxy). Where O(purpose=build), the variable C(rootfs_build_env) is
        over these.
    type: dict
    default: {}
  network:
    description:
      - A network that the engine has, or V(host), or V(none). By default one of the run's own,
        whose containers reach the outside but not each other.
    type: str
    default: ""
  keep:
    description:
      - Whether the container outlives the run, for tests that are several playbooks. It is then
        removed by O(state=absent) only, its default name is that of no run, and its network is
        the engine's default.
    type: bool
    default: false
  pull:
    description: Whether an image that the engine does not have is pulled.
    type: bool
    default: false
extends_documentation_fragment: [rootfs.builder.attributes.foretells]
"""

EXAMPLES = r"""
- name: Start the build container
  rootfs.builder.container:
    state: started
    image: rootfs.builder/stack-node-build:0123456789ab
    sources: /srv/shop
    ignore: [node_modules, .git]
  register: rootfs_container

- name: Take the network from it
  rootfs.builder.container:
    state: offline

- name: Remove it
  rootfs.builder.container:
    state: absent
"""

RETURN = r"""
container:
  description: The name of the container.
  type: str
  returned: success
  sample: rootfs-83182b8b89ee-shop-build
"""
