"""The host of the inventory that an app's directory belongs to."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import app_directory

from rootfs_ansible.errors import InputError


class ActionModule(RootfsAction):
    """Find the app that has a directory, or a name for a new one."""

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return the name of the host and the directory, absolute."""
        given = str(self._task.args.get("directory") or "")
        directory = Path(given).expanduser().resolve()
        if not given or not directory.is_dir():
            raise InputError(
                "there is no such directory",
                where=given or "app",
                hint="give the directory of an app: -e app=DIR",
            )
        hostvars = task_vars["hostvars"]
        for host in task_vars["groups"].get("apps", []):
            if hostvars[host].get("rootfs_app_dir") and directory == app_directory(
                hostvars[host], self._templar
            ):
                return {"host": host, "directory": str(directory)}
        # Engines want lower case in an image's name, and Ansible no leading dash in a host's.
        name = re.sub(r"[^a-z0-9._-]+", "-", directory.name.lower()).strip("-._") or "app"
        if name in hostvars or name in task_vars["groups"]:
            # Another app has the name, and with it variables that are not this one's.
            name += "-" + hashlib.sha256(os.fsencode(directory)).hexdigest()[:8]
        return {"host": name, "directory": str(directory)}
