"""From Ansible's variables to the build of one app."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.rootfs.builder.plugins.plugin_utils.engine import docker_host_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import (
    COLLECTION,
    PART,
    RoleOptions,
    app_file,
    app_stack,
    refuse_facts,
    resolve,
    role_directories,
    roles_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.parts import parts_of

import rootfs_ansible
from rootfs_ansible.drive.build import Build
from rootfs_ansible.drive.engine import Engine, native_architecture
from rootfs_ansible.errors import InputError
from rootfs_ansible.plan import stack as stacks
from rootfs_ansible.plan.app import Inputs
from rootfs_ansible.plan.key import directory_digest

PACKAGE = Path(rootfs_ansible.__file__).parent


def build_of(task_vars: Mapping[str, Any], templar: Templar, loader: DataLoader) -> Build:
    """Return the build of the app, or the part of one, that is the task's host.

    Raises ``InputError`` where its directory, its stack or an option is not as it must be.
    """
    refuse_facts([PART], task_vars)
    if PART not in task_vars:
        return _build_of_app(task_vars, templar, loader)
    part = templar.template(task_vars[PART])
    app = {**task_vars["hostvars"].raw_get(part["app"]), "hostvars": task_vars["hostvars"]}
    # Its own variables say nothing of the app's, which those of the app may refer to.
    view = templar.copy_with_new_env(available_variables=app)
    found = _build_of_app(app, view, loader).parts[int(part["number"])]
    refuse_facts(found.inputs.options, task_vars)
    return found


def _build_of_app(task_vars: Mapping[str, Any], templar: Templar, loader: DataLoader) -> Build:
    directory = app_directory(task_vars, templar)
    places = role_directories(task_vars)
    chosen = str(templar.template(task_vars.get("rootfs_stack", "")) or "")
    known_stacks = stacks.find(places)
    stack = stacks.detect(directory, known_stacks, chosen or app_stack(directory))
    stack_role = RoleOptions(stack.directory, loader)
    roles = roles_of(stack_role, loader)
    known = [name for role in roles for name in role.options]
    view = {**task_vars, "rootfs_app_dir": str(directory)}
    options = resolve(roles, app_file(directory, known, stack.inventory_only), view, templar)
    docker_host = docker_host_of(task_vars, templar)
    engine = Engine(docker_host)
    inputs = Inputs(
        stack=stack,
        options=options,
        specs={entry: tuple(spec) for entry, spec in stack_role.specs.items()},
        searches=places,
        root_role=COLLECTION / "roles" / "root_image",
        collection=COLLECTION,
        code=directory_digest(PACKAGE, COLLECTION / "plugins", COLLECTION / "playbooks" / "parts"),
        # Where no engine answers, one of this machine is started, or this is a dry run.
        architecture=engine.architecture() if docker_host else native_architecture(),
    )
    make = partial(
        Build,
        inputs,
        name=str(task_vars["inventory_hostname"]),
        directory=directory,
        docker_host=docker_host,
        engine=engine,
    )
    return make(parts=parts_of(make(), known_stacks, view, templar, loader))


def shares_output(build: Build, task_vars: Mapping[str, Any]) -> bool:
    """Say whether another app of the play has the same ``rootfs_output``: it is a directory then.

    An app cannot say it in its own rootfs.yml, so the variables of the hosts are all there is.
    """
    if not build.inputs.options["rootfs_format"]:
        return False

    def place(output: object) -> Path:
        return Path(str(output or "")).expanduser().absolute()

    own = place(build.inputs.options["rootfs_output"])
    return any(
        place(task_vars["hostvars"][host].get("rootfs_output")) == own
        for host in task_vars.get("ansible_play_hosts_all") or ()
        if host != build.name
    )


def app_directory(task_vars: Mapping[str, Any], templar: Templar) -> Path:
    """Return the directory of the app; a relative one is below the inventory's directory."""
    given = str(templar.template(task_vars.get("rootfs_app_dir", "")) or "")
    if not given:
        raise InputError(
            "the app has no directory",
            where=str(task_vars.get("inventory_hostname", "")),
            hint="set rootfs_app_dir for this host",
        )
    return (Path(str(task_vars.get("inventory_dir") or ".")) / Path(given).expanduser()).resolve()
