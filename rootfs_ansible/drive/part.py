"""The way of one part of an app, from its own build container to that of the app."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rootfs_ansible.drive.build import NO_ROLES, Build
from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.drive.results import Results, moved
from rootfs_ansible.errors import InputError, StoreError, UntrustedError
from rootfs_ansible.exporter import globs
from rootfs_ansible.model.manifest import Entry, Fragment, Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.plan import Plan, Roles, Stage
from rootfs_ansible.model.request import ExportRequest, Output, Scope
from rootfs_ansible.pack.link import resolved
from rootfs_ansible.plan.app import Inputs
from rootfs_ansible.plan.key import stage_key
from rootfs_ansible.plan.part import Part, patterns

_LAYER = "results"


class PartBuild(Build):
    """The build of a part: it is compiled, and its outputs are harvested, but nothing of it is
    staged or packed by itself.

    ``app`` is the directory of the app, ``ignore`` what is none of the app's sources; ``beside``
    are the other parts, which the build of the app makes known.
    """

    def __init__(
        self,
        part: Part,
        inputs: Inputs,
        name: str,
        docker_host: str,
        engine: Engine,
        *,
        app: Path,
        ignore: Sequence[str] = (),
    ) -> None:
        super().__init__(inputs, name, app / part.directory, docker_host, engine)
        self._part = part
        self._app = app
        self._app_ignore = tuple(ignore)
        self.beside: tuple[PartBuild, ...] = ()

    def plan(
        self,
        roles: Roles = NO_ROLES,  # noqa: ARG002 - nothing is staged for it
        *,
        shared_output: bool = False,  # noqa: ARG002 - it writes none
    ) -> Plan:
        """Plan the part: what it is, and the key of all that decides it."""
        return self._replan(self._begun())

    def plan_stages(
        self,
        plan: Plan,
        project: Mapping[str, Any],
        *,
        parts: Sequence[Plan] = (),
        engine_needed: bool = True,
    ) -> Plan:
        """Plan the stages up to the compile; a part has no runtime."""
        plan = super().plan_stages(plan, project, parts=parts, engine_needed=engine_needed)
        key = self.inputs.part(
            str(project.get("toolchain") or ""),
            plan.sources,
            self._below(plan.context),
            self._part.outputs,
        )
        images = tuple(stage for stage in plan.stages if stage.name not in ("runtime", "compile"))
        compiling = Stage("compile", key, run=self.harvest(key) is None)
        return replace(plan, stages=(*images, compiling))

    def request(
        self,
        plan: Plan,
        stage: str,  # noqa: ARG002 - it has one
        outputs: Iterable[Mapping[str, Any]],  # noqa: ARG002 - those of its stack are shipped
        project: Mapping[str, Any],  # noqa: ARG002
    ) -> ExportRequest:
        """Return what the exporter is asked for: its outputs, and nothing that they need."""
        return ExportRequest(
            layers=(_LAYER,),
            outputs=tuple(
                Output(layer=_LAYER, by=f"part {self.name}", path=path)
                for path in self._outputs(self.place(plan))
            ),
            scope=Scope.OUTPUTS,
            epoch=self._epoch,
        )

    def keep(
        self,
        plan: Plan,
        stage: str,
        fragment: Fragment,
        exported: Path,
        facts: Mapping[str, Any],  # noqa: ARG002 - of what it would run
        archives: str = "",  # noqa: ARG002 - of packages, of which it ships none
    ) -> None:
        """Check what an export gave, also that it is no more than the outputs, and keep it."""
        place = self.place(plan)
        self._check(fragment, place)
        super().keep(plan, stage, fragment, exported, {"place": str(place)})
        self.remember(plan)

    def left(self, compiled: str, app: ImagePath) -> Results:
        """Return what its compile with the key ``compiled`` left, for the build container that has
        the app's directory at ``app``."""
        found = self.harvest(compiled)
        if found is None:
            raise StoreError(
                f"its part {self.name} is not compiled",
                where=str(self.store.directory),
                hint="the compile of the part failed: see its message above, then build again",
            )
        return Results(
            part=self.name,
            entries=moved(
                found.fragment.entries,
                ImagePath(str(found.facts.get("place"))),
                app / self._part.into,
            ),
            layer=self.store.blob(found.fragment.layers[0].digest),
        )

    def not_sources(self, context: str) -> tuple[str, ...]:
        """Return, as patterns of .dockerignore for ``context``, what of the part is in nobody's
        sources."""
        return patterns(
            self._part,
            self.inputs.stack.ignore,
            self._below(context),
            os.path.relpath(self._app / self._part.into, context),
        )

    def _replan(self, plan: Plan) -> Plan:
        plan = super()._replan(plan)
        decides = {"image": plan.key, "outputs": self._part.outputs}
        return replace(plan, key=stage_key("whole part", decides), cached=False)

    def _ignore(self, context: str) -> tuple[str, ...]:
        own = self.not_sources(context)
        # Where its sources are the app's as well, what the app's stack makes is none of them.
        others = self._app_ignore if self._app.is_relative_to(context) else ()
        beside = [pattern for part in self.beside for pattern in part.not_sources(context)]
        return (*others, *super()._ignore(context), *own, *beside)

    def _outputs(self, place: ImagePath) -> tuple[str, ...]:
        return tuple(str(place / output) for output in self._part.outputs)

    def _check(self, fragment: Fragment, place: ImagePath) -> None:
        """Refuse what an honest exporter does not send, and links that lead out of the results."""
        named = globs.any_of(self._outputs(place))
        entries = {entry.path: entry for entry in fragment.entries}
        covered = {
            path
            for path in entries
            if any(named.fullmatch(above.text) for above in (*path.parents(), path))
        }
        above = {parent for path in covered for parent in path.parents()}
        strange = [
            str(path)
            for path, entry in sorted(entries.items())
            if path not in covered and not (path in above and entry.kind is Kind.DIRECTORY)
        ]
        if strange or len(fragment.layers) != 1:
            raise UntrustedError(
                "what the container sent back is more than the outputs of the part",
                where=f"part {self.name}",
                details=strange,
                hint="name outputs by paths without links; otherwise a program of the build has"
                " changed the export",
            )
        astray = list(_astray(entries, place))
        if astray:
            raise InputError(
                "links lead to what is not among the outputs of the part",
                where=f"part {self.name}",
                details=astray,
                hint="have the build write files, or name what they lead to in outputs as well",
            )


def _astray(entries: Mapping[ImagePath, Entry], place: ImagePath) -> Iterator[str]:
    for path, entry in sorted(entries.items()):
        if entry.kind is not Kind.SYMLINK:
            continue
        target = ImagePath(posixpath.join(str(path.parent), entry.link))
        inside = not entry.link.startswith("/") and target.is_below(place)
        if not inside or resolved(target, entries) is None:
            yield f"{path} leads to {entry.link}"
