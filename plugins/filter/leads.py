"""The apps that make what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

DOCUMENTATION = """
name: leads
short_description: The first app for each key of a stage
version_added: 0.1.0
description:
  - Of the apps that share a stage (the same key), the first one makes it.
options:
  _input:
    description: The names of the hosts of the play, in order.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts, with the plan that M(rootfs.builder.plan) sets.
    type: dict
    required: true
  stage:
    description: The name of the stage.
    type: str
    required: true
author: the rootfs-ansible founders (@rootfs-ansible)
"""

EXAMPLES = """
- name: Make the image once
  ansible.builtin.include_role:
    name: stack_node
    tasks_from: runtime
  when: inventory_hostname in (ansible_play_hosts_all | rootfs.builder.leads(hostvars, 'runtime'))
"""

RETURN = """
_value:
  description: The names of the hosts that make the stage.
  type: list
  elements: str
"""


def leads(hosts: Iterable[str], hostvars: Mapping[str, Any], stage: str) -> list[str]:
    """Return the first host for each key of a stage."""
    first: dict[str, str] = {}
    for host in hosts:
        # An app whose project cannot be read has no stages, and makes nothing for others.
        stages = hostvars[host].get("rootfs_plan", {}).get("stages", {})
        if stage in stages:
            first.setdefault(stages[stage]["key"], host)
    return list(first.values())


class FilterModule:
    """Ansible's interface to the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"leads": leads}
