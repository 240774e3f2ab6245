"""The roles that an app has applied to its staging container, as its variables say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.playbook.role import Role as LoadedRole
from ansible.playbook.role.include import RoleInclude
from ansible.template import Templar
from ansible.utils.collection_loader._collection_finder import _get_collection_role_path
from ansible.vars.manager import VariableManager
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import role_directories

from rootfs_ansible.drive.build import Build
from rootfs_ansible.errors import InputError
from rootfs_ansible.model.plan import Role, Roles
from rootfs_ansible.plan.roles import SOURCES, find_roles, roles_of

_OF_THE_RUN = {
    "app",
    "environment",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "vars",
}
"""What Ansible itself sets: where things are, and what else is built, decides nothing."""


def roles_of_app(
    build: Build, task_vars: Mapping[str, Any], templar: Templar, loader: DataLoader
) -> Roles:
    """Return the roles of ``rootfs_roles``: the team's, a collection's, or the app's own (in its
    directory ``roles``); and the digest of what decides their result.

    The app's come last: tasks run on the controller in part, and who writes the app need not be
    who writes the inventory, which means the team's role by its name. Raises ``InputError`` for a
    role that is nowhere, and for one that Ansible cannot read.
    """
    own = build.directory / "roles"
    places = role_directories(task_vars)
    searches = (*places, (own, "")) if own.is_dir() else places
    path = [place for place, prefix in searches if not prefix]
    found = find_roles(build.inputs.options["rootfs_roles"], path, _in_collection)
    _check(found, loader)
    options = build.inputs.of_roles()
    given = {
        **{
            name: value
            for name, value in task_vars.items()
            if name not in _OF_THE_RUN and not name.startswith(("ansible_", "rootfs_"))
        },
        **options,
        SOURCES: "",
    }
    view = templar.copy_with_new_env(available_variables={**task_vars, **options})

    def value(name: str) -> object:
        try:
            return view.template(given[name])
        except AnsibleError:
            # It refers to what only the run knows (facts, defaults of a role): it counts as it is
            # written, with the variables that it names.
            return str(given[name])

    return roles_of(found, searches, given, value)


def _check(roles: Iterable[Role], loader: DataLoader) -> None:
    """Refuse roles that Ansible cannot read: met in the middle of a play, one ends that for every
    app."""
    variables = VariableManager(loader=loader)
    play = Play.load({"name": "roles", "hosts": "all"}, variable_manager=variables, loader=loader)
    wrong = []
    for role in roles:
        try:
            include = RoleInclude.load(
                role.reference, play=play, variable_manager=variables, loader=loader
            )
            LoadedRole.load(include, play)
        except AnsibleError as error:
            wrong.append(f"{role.name}: {_told(error)}")
    if wrong:
        raise InputError(
            "Ansible cannot read this",
            where="rootfs_roles",
            details=wrong,
            hint="mend the role, or install what it depends on (ansible-galaxy)",
        )


def _told(error: AnsibleError) -> str:
    """Return what an error of Ansible says, with the line that it is about."""
    place = str(getattr(error, "_formatted_source_context", None) or "").partition("\n")[0]
    return f"{error} ({place.removeprefix('Origin: ')})" if place else str(error)


def _in_collection(name: str) -> Path | None:
    found = _get_collection_role_path(name)
    return Path(found[1]) if found else None
