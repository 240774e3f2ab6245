"""The options of an app, from role defaults, its own rootfs.yml and Ansible's variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible import constants
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from rootfs_ansible.errors import InputError, suggestion

COLLECTION = Path(__file__).resolve().parents[2]
APP_FILE = "rootfs.yml"

PART = "rootfs_part"
"""The variable of a host that is a part of an app: C(app), the app's host, and which C(number)."""

_FACTS = {
    "rootfs_applied_app",
    "rootfs_applied_role",
    "rootfs_applied_roles",
    "rootfs_chosen",
    "rootfs_compiled",
    "rootfs_container",
    "rootfs_docker_host",
    "rootfs_needed_packages",
    PART,
    "rootfs_on_controller",
    "rootfs_plan",
    "rootfs_project",
}
"""What the playbook itself sets, under the prefix of the options."""

OF_EVERY_STACK = {
    "rootfs_app_dir",
    "rootfs_build_packages",
    "rootfs_command",
    "rootfs_entrypoint",
    "rootfs_epoch",
    "rootfs_packages",
    "rootfs_prefix",
    "rootfs_user",
    "rootfs_workdir",
}
"""What roles of every stack may read as variables (playbooks/parts/plan.yml holds them, and
docs/stacks.md tells of them)."""

_OF_THE_CONTROLLER = {
    "rootfs_app_dir",
    "rootfs_build_ca_bundle",
    "rootfs_build_proxy",
    "rootfs_format",
    "rootfs_image_name",
    "rootfs_image_tag",
    "rootfs_load",
    "rootfs_output",
    "rootfs_policy",
    "rootfs_policy_allow",
    "rootfs_roles",
    "rootfs_secrets",
    "rootfs_store",
}
_OF_THE_ROOT_IMAGE = "root_image_"
"""What an app may not say of itself: it reads or writes files of the controller, runs there (tasks
of roles do, in part), names images in the engine, is shared with other apps, or says what these
may hold."""


def role_directories(task_vars: Mapping[str, Any]) -> tuple[tuple[Path, str], ...]:
    """Return the directories that hold roles, as Ansible looks for them, each with the prefix of
    its roles' names: the roles path, whose roles have none, then every collection that is there.

    A playbook's own directory is the last place of the roles path, as it is for Ansible. The
    playbook is the one that is run, also where that imports ours.
    """
    own = COLLECTION / "roles"
    playbooks = [Path(place).parent for place in AnsibleCollectionConfig.playbook_paths]
    playbooks.append(Path(str(task_vars.get("playbook_dir", "."))))
    beside = [playbook / "roles" for playbook in playbooks]
    places: dict[Path, Path] = {}
    for place in (*beside, *map(Path, constants.DEFAULT_ROLES_PATH), *playbooks):
        if place.is_dir() and place.resolve() != own:
            places.setdefault(place.resolve(), place)
    collections = {"rootfs.builder.": own}
    for root in AnsibleCollectionConfig.collection_paths:
        for collection in sorted(Path(root).glob("ansible_collections/*/*")):
            # The first collection of a name hides the others.
            name = f"{collection.parent.name}.{collection.name}."
            collections.setdefault(name, collection / "roles")
    return (
        *((place, "") for place in places.values()),
        *((roles, prefix) for prefix, roles in collections.items() if roles.is_dir()),
    )


def app_stack(directory: Path) -> str:
    """Return the stack that the app's own rootfs.yml names; its other options depend on it."""
    return str(_read(directory / APP_FILE).get("rootfs_stack") or "")


class RoleOptions:
    """What a role declares: the names of its options by entry point, and their defaults."""

    def __init__(self, role: Path, loader: DataLoader) -> None:
        self.name = role.name
        self.defaults: dict[str, Any] = _load(loader, role / "defaults" / "main.yml")
        specs = _load(loader, role / "meta" / "argument_specs.yml").get("argument_specs", {})
        self.specs: dict[str, dict[str, Any]] = {
            entry: spec.get("options", {}) for entry, spec in specs.items()
        }

    @property
    def options(self) -> dict[str, Any]:
        """The specification of every option of every entry point.

        What an entry point requires may be known only once it is run; what ``main``
        requires must be there from the start.
        """
        return {
            name: spec if entry == "main" else {**spec, "required": False}
            for entry, specs in sorted(self.specs.items(), key=lambda item: item[0] == "main")
            for name, spec in specs.items()
        }


def roles_of(stack_role: RoleOptions, loader: DataLoader) -> tuple[RoleOptions, ...]:
    """Return the roles whose options an app of a stack has."""
    own = COLLECTION / "roles"
    return RoleOptions(own / "rootfs", loader), RoleOptions(own / "root_image", loader), stack_role


def app_file(
    directory: Path, known: Iterable[str], inventory_only: Iterable[str] = ()
) -> dict[str, Any]:
    """Return what the app's own rootfs.yml says: plain values, never templates.

    Raises ``InputError`` for anything but options of the app, such as those that its stack keeps
    for the inventory: its author need not be somebody who may run commands on the controller.
    """
    path = directory / APP_FILE
    data = _read(path)
    others = [
        str(name)
        for name in data
        if name in _OF_THE_CONTROLLER.union(inventory_only)
        or str(name).startswith(_OF_THE_ROOT_IMAGE)
    ]
    if others:
        raise InputError(
            "an app cannot say this of itself",
            where=str(path),
            details=sorted(others),
            hint="set it in the inventory, or with -e",
        )
    refuse_unknown(data, set(known), str(path))
    return data


def options_of(
    directory: Path, options: Mapping[str, Any], task_vars: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the resolved ``options`` that roles see once the play holds them as variables:
    ``options`` of every stack, ``own_options`` of the app's stack that its rootfs.yml decides. The
    host of a part has no variables but these: it is told all of its stack.

    What may be a secret of the build is none of them.
    """
    every = {name: value for name, value in options.items() if name in OF_EVERY_STACK}
    own = set(options)
    if PART not in task_vars:
        own &= set(_read(directory / APP_FILE)) - set(task_vars)
    return {"options": every, "own_options": {name: options[name] for name in of_a_stack(own)}}


def of_a_stack(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are options of a stack, not of every app, sorted."""
    return sorted(n for n in names if not n.startswith(("rootfs_", _OF_THE_ROOT_IMAGE)))


def resolve(
    roles: Iterable[RoleOptions],
    own: Mapping[str, Any],
    task_vars: Mapping[str, Any],
    templar: Templar,
) -> dict[str, Any]:
    """Return every option of ``roles``, typed: a role's default, the app's own value over it, an
    Ansible variable over both.

    Raises ``InputError`` with every value that is not as its role's argument_specs say, and where
    a program that ran on a host answered with facts of these names: it may be one of a build.
    """
    roles = tuple(roles)
    known = {
        name: spec
        for role in roles
        for name, spec in role.options.items()
        # An entry point may require what the playbook sets: no option, and decided by others.
        if name not in _FACTS
    }
    refuse_facts(known, task_vars)
    if "rootfs_plan" not in task_vars:
        # Once a build has begun, roles register results of their own under these prefixes.
        prefixes = tuple(f"{role.name}_" for role in roles)
        given = [name for name in task_vars if name.startswith(prefixes)]
        refuse_unknown(given, {*known, *_FACTS}, "variables")
    defaults = {name: value for role in roles for name, value in role.defaults.items()}
    layered = {**defaults, **own, **task_vars}
    view = templar.copy_with_new_env(available_variables=layered)
    values = {
        name: view.template(layered[name])
        for name in sorted({*known, *defaults})
        if layered.get(name) is not None
    }
    checked = ArgumentSpecValidator(known).validate(values)
    if checked.error_messages:
        raise InputError("options are not as they must be", details=checked.error_messages)
    return {
        name: value for name, value in checked.validated_parameters.items() if value is not None
    }


def refuse_facts(names: Iterable[str], task_vars: Mapping[str, Any]) -> None:
    """Raise ``InputError`` where facts of the host have one of these ``names``, which decide."""
    facts = set(task_vars.get("ansible_facts") or ()) & set(names)
    if facts:
        raise InputError(
            "facts of the host have the names of options",
            where=str(task_vars.get("inventory_hostname", "")),
            details=sorted(facts),
            hint="a module that ran in its container returned them, or a fact cache kept them;"
            " options are variables of the inventory or of -e",
        )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(data, dict | None):
        raise InputError("expected a mapping of options", where=str(path))
    return data or {}


def refuse_unknown(names: Iterable[str], known: set[str], where: str) -> None:
    """Raise ``InputError`` with those of ``names`` that are no option, and the nearest that is."""
    unknown = sorted(set(map(str, names)) - known)
    problems = [name + suggestion(name, known) for name in unknown]
    if problems:
        raise InputError("there is no such option", where=where, details=problems)


def _load(loader: DataLoader, path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return loader.load_from_file(str(path), trusted_as_template=True) or {}
