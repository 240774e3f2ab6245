"""Harvesting a stage: the exporter runs where the files are, and what comes back is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.plugin_utils.action import RootfsAction
from ansible_collections.rootfs.builder.plugins.plugin_utils.build import build_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.options import PART
from ansible_collections.rootfs.builder.plugins.plugin_utils.planned import Planned

from rootfs_ansible import exporter
from rootfs_ansible.drive.archives import lookup
from rootfs_ansible.drive.build import Build
from rootfs_ansible.errors import InputError, RootfsError
from rootfs_ansible.model.manifest import Fragment
from rootfs_ansible.model.request import ExportRequest, Scope
from rootfs_ansible.store.layout import read_fragment
from rootfs_ansible.store.paths import INDEX

IN_MEMORY = "/run/rootfs"
EXPORTED = "/var/tmp/rootfs-export"  # noqa: S108 (in the container, which is removed)
STARTED = f"{IN_MEMORY}/started"
PYTHON = "/usr/bin/python3"
REFUSED = 3


class ActionModule(RootfsAction):
    """Send the exporter and its request over the host's connection, and fetch what it wrote."""

    _supports_check_mode = False

    def perform(self, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was harvested: layers, files, needs and omissions."""
        stage = str(self._task.args["stage"])
        build = build_of(task_vars, self._templar, self._loader)
        planned = Planned.of(task_vars)
        view = {**task_vars, **build.inputs.options, "rootfs_project": planned.project}
        # What the stack ships of an app is nothing that a part has.
        outputs = [] if PART in task_vars else self._outputs(build, stage, view)
        request = build.request(planned.plan, stage, outputs, planned.project)
        if build.docker_host:
            # To fetch a file the connection runs "docker cp", which it does not tell the engine.
            os.environ["DOCKER_HOST"] = build.docker_host
        with build.store.scratch() as directory:
            self._run(request, directory, task_vars)
            fragment = read_fragment(directory)
            build.store.require(sum(layer.size for layer in fragment.layers))
            for layer in fragment.layers:
                name = f"{layer.name}.tar"
                self._connection.fetch_file(f"{EXPORTED}/{name}", str(directory / name))
            if request.scope is not Scope.OUTPUTS:
                self._connection.fetch_file(f"{EXPORTED}/{INDEX}", str(directory / INDEX))
            # What the compile found out comes from the container, as the files do.
            found = task_vars.get("rootfs_compiled") or {}
            build.keep(planned.plan, stage, fragment, directory, found, self._archives(fragment))
        return {
            "changed": True,
            "layers": [layer.to_json() for layer in fragment.layers],
            "files": len(fragment.entries),
            "needs": sorted({need.package for need in fragment.needs}),
            "omitted": len(fragment.omitted),
            "warnings": [
                *(
                    f"{item.path}: {item.reason}"
                    for item in sorted(fragment.omitted)
                    if item.kind == "program"
                ),
                *(self._started() if stage == "system" and planned.plan.roles.applied else ()),
            ],
        }

    def _archives(self, fragment: Fragment) -> str:
        """Return what apt's lists say of the packages that are shipped."""
        if not fragment.packages:
            return ""
        answer = self._low_level_execute_command(lookup(fragment.packages), sudoable=False)
        return str(answer["stdout"])

    def _started(self) -> list[str]:
        """Return a warning where roles had services started, which a staging container has not."""
        answer = self._low_level_execute_command(f"cat {STARTED}", sudoable=False)
        units = sorted(set(answer["stdout"].split())) if answer["rc"] == 0 else []
        return [f"no service is started at a build, as roles asked: {', '.join(units)}"] * bool(
            units
        )

    def _run(self, request: ExportRequest, directory: Path, task_vars: Mapping[str, Any]) -> None:
        program = directory / "exporter.pyz"
        exporter.zipapp(program)
        asked = directory / "request.json"
        asked.write_text(json.dumps(request.to_json()), encoding="utf-8")
        for path in (program, asked):
            self._connection.put_file(str(path), f"{IN_MEMORY}/{path.name}")
        python = self._templar.template(task_vars.get("ansible_python_interpreter", PYTHON))
        answer = self._low_level_execute_command(
            f"{python} {IN_MEMORY}/{program.name} --root / --request {IN_MEMORY}/{asked.name}"
            f" --output {EXPORTED}",
            sudoable=False,
        )
        if answer["rc"] == REFUSED:
            raise _refusal(answer["stdout"])
        if answer["rc"] != 0:
            raise RootfsError(
                "the exporter failed",
                where=str(self._connection.transport),
                details=(answer["stderr"] or answer["stdout"]).splitlines()[-20:],
                hint="this is a defect of rootfs-ansible; please report it with these lines",
            )
        self._connection.fetch_file(f"{EXPORTED}/fragment.json", str(directory / "fragment.json"))

    def _outputs(
        self, build: Build, stage: str, variables: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        """Return the stack's outputs, templates filled in, without those whose ``when`` fails."""
        path = build.inputs.stack.directory / "meta" / "stack.yml"
        data = self._loader.load_from_file(str(path), trusted_as_template=True)
        view = self._templar.copy_with_new_env(available_variables=dict(variables))
        found = []
        for output in data.get("outputs", {}).get(stage, []):
            condition = output.get("when", True)
            if view.evaluate_conditional(condition):
                filled = view.template({key: output[key] for key in output if key != "when"})
                paths = filled.get("path")
                found += (
                    [{**filled, "path": path} for path in paths]
                    if isinstance(paths, list)
                    else [filled]
                )
        return found


def _refusal(text: str) -> RootfsError:
    try:
        return RootfsError.from_json(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError("the exporter refused, and its reason cannot be read") from error
