"""From the options of an app to the builds of its parts, and the hosts that these are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible.utils.vars import load_extra_vars
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import (
    RoleOptions,
    app_file,
    app_stack,
    of_a_stack,
    refuse_unknown,
    resolve,
    roles_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import REGISTERED

from rootfs_ansible.drive.build import Build
from rootfs_ansible.drive.part import PartBuild
from rootfs_ansible.errors import InputError
from rootfs_ansible.plan import part as parts
from rootfs_ansible.plan import stack as stacks
from rootfs_ansible.plan.part import Part
from rootfs_ansible.plan.stack import Stack

OPTION = "rootfs_parts"

_SHARED = {
    "rootfs_build_ca_bundle",
    "rootfs_build_proxy",
    "rootfs_epoch",
    "rootfs_prefix",
    "rootfs_secrets",
    "rootfs_store",
}
"""The options of the app that its parts have as well, beside those of the root image."""

_OF_A_PART = {"rootfs_build_env", "rootfs_build_packages"}
"""The options, beside those of its stack, that a part may have of its own."""

_OF_THE_APP = {"rootfs_app_dir", "rootfs_stack", OPTION}
"""What is never a part's, even where -e says it of every host."""


def parts_of(
    app: Build,
    known: tuple[Stack, ...],
    task_vars: Mapping[str, Any],
    templar: Templar,
    loader: DataLoader,
) -> tuple[PartBuild, ...]:
    """Return the builds of the parts of ``app``, whose variables are ``task_vars``; their stacks
    are among those that are ``known``.

    Raises ``InputError`` where a part, its stack or one of its options is not as it must be.
    """
    items = app.inputs.options.get(OPTION) or ()
    if not items:
        return ()
    if not app.inputs.stack.compiles:
        raise InputError(
            f"the stack {app.inputs.stack.name} compiles nothing that could take parts in",
            where=OPTION,
            hint="build what the part makes as an app of its own, and copy it from there",
        )
    making = _Making(app, known, task_vars, templar, loader)
    for part in parts.parse(items, app.directory):
        try:
            making.add(part)
        except InputError as error:
            raise InputError(
                f"part {part.directory} of {app.name}: {error.what}",
                where=error.where,
                details=error.details,
                hint=error.hint,
            ) from error
    return tuple(making.made)


class _Making:
    """The parts of an app in the making."""

    def __init__(
        self,
        app: Build,
        known: tuple[Stack, ...],
        task_vars: Mapping[str, Any],
        templar: Templar,
        loader: DataLoader,
    ) -> None:
        self._app = app
        self._variables = task_vars
        self._templar = templar
        self._loader = loader
        self._stacks = known
        # What -e says, it says of an app and of its parts.
        self._extra = set(load_extra_vars(loader)) - _OF_THE_APP
        self.made: list[PartBuild] = []

    def add(self, part: Part) -> None:
        """Make the build of a part."""
        app = self._app
        directory = app.directory / part.directory
        # The app's own file says what the app is, not what else is made of its directory.
        has_file = directory != app.directory
        chosen = part.stack or (app_stack(directory) if has_file else "")
        stack = stacks.detect(directory, self._stacks, chosen)
        if not stack.compiles:
            raise InputError(f"the stack {stack.name} compiles nothing", where=str(directory))
        stack_role = RoleOptions(stack.directory, self._loader)
        roles = roles_of(stack_role, self._loader)
        known = [name for role in roles for name in role.options]
        file = app_file(directory, known, stack.inventory_only) if has_file else {}
        if file.get(OPTION):
            raise InputError(
                "a part has no parts",
                where=str(directory),
                hint=f"name them all in {OPTION} of the app",
            )
        is_variable = OPTION in self._variables
        settable = {*of_a_stack(stack_role.options), *_OF_A_PART}
        settable -= set() if is_variable else set(stack.inventory_only)
        refuse_unknown(part.options, settable, f"{OPTION}, options")
        own = {option: value for option, value in file.items() if option in settable}
        view = self._view(stack, stack_role)
        if is_variable:
            # They are variables themselves, not what the app's own file says.
            said = {n: value for n, value in part.options.items() if n not in self._extra}
            view = {**view, **said}
        view["rootfs_app_dir"] = str(directory)
        inputs = replace(
            app.inputs,
            stack=stack,
            options=resolve(roles, {**own, **part.options}, view, self._templar),
            specs={entry: tuple(spec) for entry, spec in stack_role.specs.items()},
        )
        self.made.append(
            PartBuild(
                part,
                inputs,
                self._host(part),
                app.docker_host,
                app.engine,
                app=app.directory,
                ignore=app.inputs.stack.ignore,
            )
        )

    def _view(self, stack: Stack, stack_role: RoleOptions) -> dict[str, Any]:
        """Return the app's variables that are its part's as well.

        Those of their stack are the app's alone where it has the same one, but for what says where
        something is reached.
        """
        left_out = {
            name
            for name in self._variables
            if name.startswith("rootfs_") and name not in {*_SHARED, REGISTERED}
        }
        if stack.directory == self._app.inputs.stack.directory:
            left_out |= set(of_a_stack(stack_role.options)) - set(stack.places)
        left_out -= self._extra
        return {name: value for name, value in self._variables.items() if name not in left_out}

    def _host(self, part: Part) -> str:
        """Return the name of the host that a part is while it is built: one that no other has."""
        # A stack may be called by the path of its role.
        called = part.stack.rpartition("/")[2] if part.directory == "." else part.directory
        words = re.sub(r"[^A-Za-z0-9_-]+", "-", called).strip("-") or "part"
        groups = self._variables.get("groups") or {}
        hosts = set(groups.get("all") or ()) - set(groups.get("rootfs_parts") or ())
        taken = {*groups, *hosts, *(other.name for other in self.made)}
        name, number = f"{self._app.name}.{words}", 1
        while name in taken:
            number += 1
            name = f"{self._app.name}.{words}-{number}"
        return name
