"""The way of one app through its stages, seen from the controller."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rootfs_ansible.drive import verify
from rootfs_ansible.drive.archives import with_archives
from rootfs_ansible.drive.delivery import STACK_LABEL, deliver, planned_outputs
from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.drive.keeper import Process
from rootfs_ansible.drive.results import Results, check_apart
from rootfs_ansible.drive.sources import Sources
from rootfs_ansible.errors import (
    EngineError,
    InputError,
    LinkError,
    PolicyError,
    StoreError,
    suggestion,
)
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.image import Image, ImageConfig
from rootfs_ansible.model.manifest import Fragment, Need, plain_name
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.plan import Plan, PlannedPart, Roles, Stage
from rootfs_ansible.model.policy import Policy, Verdict
from rootfs_ansible.model.request import Companion, ExportRequest, Output, Prune, Scope
from rootfs_ansible.model.smoke import Smoke
from rootfs_ansible.pack.components import said
from rootfs_ansible.pack.image import check_name, find_image, pack
from rootfs_ansible.pack.link import link, resolved, unwritable
from rootfs_ansible.pack.policy import evaluate, short_table, way_out
from rootfs_ansible.pack.provenance import Provenance
from rootfs_ansible.plan.app import Inputs
from rootfs_ansible.plan.key import role_digest, stage_key
from rootfs_ansible.plan.stack import LAYERS
from rootfs_ansible.store.layout import Descriptor, Store
from rootfs_ansible.store.paths import INDEX, keep_index, read_index

if TYPE_CHECKING:
    from rootfs_ansible.drive.part import PartBuild

Value = TypeVar("Value")

NO_ROLES = Roles()

APP = "app"
"""The uppermost layer, which is the app's own."""

COMPILING = ("build_image", "toolchain", "compile")
"""The stages of the build hierarchy that a stack without a compile has not."""

INIT = "/usr/bin/tini"

_CREDENTIALS = re.compile(r"//[^/\s]+@")
"""What a URL says before its host."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where engines look for a program where an image names no PATH."""


@dataclass(frozen=True, slots=True)
class Harvest:
    """What a stage left in the store: its fragment, what its role found out, and the digest of the
    index of what its container had (empty where there is none)."""

    fragment: Fragment
    facts: Mapping[str, Any]
    paths: str = ""


class Build:
    """One app's plan, its stages' harvests and its image; every method may be the first."""

    def __init__(
        self,
        inputs: Inputs,
        name: str,
        directory: Path,
        docker_host: str,
        engine: Engine,
        parts: Sequence[PartBuild] = (),
    ) -> None:
        self.inputs = inputs
        self.name = name
        self.directory = directory
        # Empty where no engine answers yet: the engine is then the usual one.
        self.docker_host = docker_host
        self.engine = engine
        self.parts = tuple(parts)
        for part in self.parts:
            part.beside = tuple(other for other in self.parts if other is not part)
        self.store = Store(Path(str(inputs.options["rootfs_store"])).expanduser())

    def plan(self, roles: Roles = NO_ROLES, *, shared_output: bool = False) -> Plan:
        """Plan the image: what the app is, the digest of its sources, whether it is there.

        ``roles`` are those that the app has applied; ``shared_output`` says that other apps have
        the same ``rootfs_output``. What can be refused before anything is built is refused here.
        """
        self._owner()
        check_name(self.tag)
        policy = self._policy()
        _refuse_unknown_keys(self.inputs.options["rootfs_outputs"], Output, "rootfs_outputs")
        _refuse_unknown_keys(
            self.inputs.options["rootfs_companions"], Companion, "rootfs_companions"
        )
        # Whatever is its stack's default: what the app says is wrong or not.
        Smoke.merged(self.inputs.options["rootfs_smoke"] or {}, {"runs": 1})
        _parsed(self._own_outputs(*LAYERS), Output.from_json, "rootfs_outputs")
        _parsed(self.inputs.options["rootfs_companions"], Companion.from_json, "rootfs_companions")
        _parsed(self.inputs.stack.companions, Companion.from_json, "companions")
        return self._replan(
            replace(
                self._begun(),
                outputs=planned_outputs(
                    self.name,
                    self.inputs.options["rootfs_format"],
                    str(self.inputs.options["rootfs_output"]),
                    shared=shared_output,
                ),
                roles=roles,
                policy=policy.digest,
                parts=tuple(
                    PlannedPart(self.name, number, part.name, part.plan().key)
                    for number, part in enumerate(self.parts)
                ),
            )
        )

    def plan_stages(
        self,
        plan: Plan,
        project: Mapping[str, Any],
        *,
        parts: Sequence[Plan] = (),
        engine_needed: bool = True,
    ) -> Plan:
        """Plan the stages, now that ``project`` (what the stack's inspection found) is known, and
        the stages of its ``parts`` are planned.

        Planning writes nothing: a dry run leaves all as it is. It needs no engine either: one that
        does not answer has no image.
        """
        context = str(project.get("context") or self.directory)
        planned = tuple(
            replace(known, key=part.key, compiled=part.stage("compile").key)
            for known, part in zip(plan.parts, parts, strict=True)
        )
        if (context, planned) != (plan.context, plan.parts):
            plan = self._replan(replace(plan, context=context, parts=planned))
        wanted = str(project.get("toolchain") or "")
        inputs = self.inputs
        prefix = f"rootfs.builder/stack-{inputs.stack.name}"

        def stage(name: str, key: str, repository: str) -> Stage:
            image = f"{repository}:{key[:12]}"
            return Stage(name, key, image, run=not self._has(image, engine_needed))

        runtime = stage("runtime", inputs.runtime(wanted), f"{prefix}-runtime")
        always = [
            stage("root_image", inputs.root_image(), "rootfs.builder/root"),
            replace(runtime, run=runtime.run or self.harvest(runtime.key) is None),
        ]
        if inputs.options["rootfs_verify"]:
            always.append(stage("tracer", inputs.tracer(), verify.TRACER))
        if not inputs.stack.compiles:
            none = (Stage(name, "", run=False) for name in COMPILING)
            staged = replace(plan, stages=(*always, *none))
            return self.plan_system(staged, project)[0]
        build = stage("build_image", inputs.build_image(), f"{prefix}-build")
        place, compiled = self._below(plan.context), [part.compiled for part in planned]
        compile_key = inputs.compile(wanted, plan.sources, place, compiled)
        return replace(
            plan,
            stages=(
                *always,
                build,
                stage("toolchain", inputs.toolchain(wanted), f"{prefix}-toolchain")
                if wanted
                else replace(build, name="toolchain", run=False),
                Stage("compile", compile_key, run=self.harvest(compile_key) is None),
            ),
        )

    def plan_system(self, plan: Plan, project: Mapping[str, Any]) -> tuple[Plan, tuple[str, ...]]:
        """Plan the system layer: return the plan with it, and the packages that staging installs.

        A build that needs nothing beyond its runtime has no system stage to run.
        """
        needs = self._needs(plan)
        declared = self.inputs.options["rootfs_packages"]
        outputs = self._own_outputs("system")
        if self.inputs.stack.compiles and not (needs or declared or outputs or plan.roles.applied):
            return plan.with_stage(Stage("system", "", run=False)), ()
        pinned = {plain_name(need.package): need.version for need in needs}
        packages = {f"{name}={version}" for name, version in pinned.items()}
        packages |= set(declared) - set(pinned)
        key = self.inputs.system(
            str(project.get("toolchain") or ""),
            [need.to_json() for need in needs],
            self._staged(plan),
        )
        stage = Stage("system", key, run=self.harvest(key) is None)
        return plan.with_stage(stage), tuple(sorted(packages))

    def request(
        self,
        plan: Plan,
        stage: str,
        outputs: Iterable[Mapping[str, Any]],
        project: Mapping[str, Any],
    ) -> ExportRequest:
        """Return what the exporter is asked for in a stage.

        ``outputs`` are those of the stack for this stage, their templates filled in.
        """
        options = self.inputs.options
        stack = self.inputs.stack
        layers = self._layers[stage]
        declared = [{"by": f"stack_{stack.name}", **output} for output in outputs]
        companions = list(stack.companions)
        lower: tuple[Fragment, ...] = ()
        if stage != "runtime":
            declared = self._own_outputs(*layers) + declared
            companions += options["rootfs_companions"]
            lower = (self._harvested(plan, "runtime").fragment,)
        if APP in layers:
            declared = self._volumes(project) + declared
        if stage == "system":
            declared += [
                {"by": self.name, "layer": "system", "package": package}
                for package in options["rootfs_packages"]
            ]
        return ExportRequest(
            layers=layers,
            outputs=_parsed(declared, Output.from_json, "outputs"),
            scope=Scope.BUILD if stage == "compile" else Scope.ALL,
            epoch=self._epoch,
            prune=_parsed(stack.prune if APP in layers else [], Prune.from_json, "prune"),
            companions=_parsed(companions, Companion.from_json, "companions"),
            provided=tuple(entry.path for fragment in lower for entry in fragment.entries),
            digests=tuple(
                (entry.path.text, entry.sha256)
                for fragment in lower
                for entry in fragment.entries
                if entry.sha256
            ),
            recorded=tuple(package.name for fragment in lower for package in fragment.packages),
            seeds=tuple(need for need in self._needs(plan) if need.direct)
            if stage == "system"
            else (),
            seed_layer="system" if stage == "system" else "",
        )

    def keep(
        self,
        plan: Plan,
        stage: str,
        fragment: Fragment,
        exported: Path,
        facts: Mapping[str, Any],
        archives: str = "",
    ) -> None:
        """Check what an export gave, and keep it under the key of its stage; ``archives`` is what
        apt says of its packages in that container."""
        said(facts)
        self.store.admit(fragment, exported, self._epoch)
        fragment = replace(fragment, packages=with_archives(fragment.packages, archives))
        record: dict[str, Any] = {"fragment": fragment.to_json(), "facts": dict(facts)}
        if (exported / INDEX).exists():
            record["paths"] = keep_index(self.store, read_index(exported))
        self.store.put_record(plan.stage(stage).key, record)

    def harvest(self, key: str) -> Harvest | None:
        """Return what the stage with this key left in the store; nothing unless all is there."""
        record = self.store.record(key)
        if record is None:
            return None
        try:
            fragment = Fragment.from_json(record.get("fragment"))
        except InputError:
            return None
        facts = record.get("facts")
        paths = str(record.get("paths") or "")
        if not self.store.holds(fragment) or not isinstance(facts, dict):
            return None
        if paths and not self.store.has(paths):
            return None
        return Harvest(fragment, facts, paths)

    def results(self, plan: Plan) -> tuple[Results, ...]:
        """Return what the app's parts were compiled to, for the app's own build container."""
        found = tuple(
            part.left(planned.compiled, self.place(plan))
            for part, planned in zip(self.parts, plan.parts, strict=True)
        )
        check_apart(found)
        return found

    def image(self, key: str) -> Image | None:
        """Return the finished image of that key, if the store has all of it."""
        record = self.store.record(key)
        if record is None:
            return None
        try:
            document = Document(record)
            found = Descriptor(document.text("digest"), document.integer("size"))
        except InputError:
            return None
        return find_image(self.store, self.tag, found)

    def pack(self, plan: Plan, project: Mapping[str, Any]) -> Image:
        """Link what the stages left into an image, and keep it in the store.

        One that is to be verified has no record until it is accepted.
        """
        if plan.roles.applied:
            self._check_options(plan)
        harvests = {
            stage: self._harvested(plan, stage) for stage in self._layers if plan.stage(stage).key
        }
        manifest = link([harvest.fragment for harvest in harvests.values()], LAYERS)
        found = list(harvests.values())[-1].facts
        config = self._config({**project, **found})
        self._check_programs(config, manifest)
        self._check_volumes(config, manifest)
        self._check_scripts(found.get("scripts", []), manifest)
        image = pack(
            self.store,
            manifest,
            config,
            self.tag,
            self._epoch,
            named=(*said(project), *said(found)),
            made=self._provenance(plan, project),
        )
        verify.keep(self.store, image, self._asked(plan, config, harvests))
        if not self.inputs.options["rootfs_verify"]:
            self.accept(image, plan)
        return image

    def prove(self, image: Image, plan: Plan, owner: Process) -> verify.Proof:
        """Run the packed image and judge the trace of it."""
        _, asked = verify.asked_of(self.store, image.digest)
        tracer = plan.stage("tracer").image
        return verify.verify(self.engine, owner, self.store, image, asked, tracer)

    def accept(self, image: Image, plan: Plan) -> None:
        """Record the packed image as what the plan gives: the next build finds it."""
        packed = self.store.descriptor(image.digest)
        stages = {stage.key for stage in plan.stages} | {part.compiled for part in plan.parts}
        self.store.put_record(
            plan.key,
            # The stages are for upkeep: it keeps them with the image.
            {"digest": packed.digest, "size": packed.size, "stages": sorted(stages - {""})},
        )
        self.remember(plan)

    def enforce(self, image: Image, *, dry: bool = False) -> tuple[str, ...]:
        """Refuse an image that the app's policy does not allow: before it is delivered, so that
        nothing has its name. Returns a warning for what the policy allows in vain.

        The policy is in no key: an image that is there is judged anew when the policy, or our
        code, is another, and nothing is built. A ``dry`` run leaves the store as it is.
        """
        policy = self._policy()
        verdict = self._verdict(image, policy, dry=dry)
        if verdict.findings:
            raise PolicyError(
                "the policy does not allow what is in the image",
                where=self.name,
                details=short_table(verdict.findings),
                hint=way_out(verdict.findings, policy, self.name, image.digest),
            )
        return tuple(
            f"rootfs_policy_allow.{stale} fits nothing that is in the image"
            for stale in verdict.stale
        )

    def deliver(self, image: Image, plan: Plan) -> bool:
        """Bring an image to where it is wanted: the index, the engine, and each planned output.

        Says whether anything was written.
        """
        load = bool(self.inputs.options["rootfs_load"])
        return deliver(self.store, self.engine if load else None, image, plan.outputs)

    def remember(self, plan: Plan) -> None:
        """Have the next plan look for the sources where this one found them."""
        if Path(plan.context) != self._context():
            self.store.put_record(self._context_key(), {"context": plan.context})

    def place(self, plan: Plan) -> ImagePath:
        """Return where the app's directory is in its build container."""
        return ImagePath(str(self.inputs.options["rootfs_prefix"])) / self._below(plan.context)

    def _asked(
        self, plan: Plan, config: ImageConfig, harvests: Mapping[str, Harvest]
    ) -> verify.Asked:
        """Return what whoever verifies the image has to know."""
        root = plan.stage("root_image")
        compiled = self.inputs.stack.compiles
        containers = {
            "compile": verify.BUILD,
            "system": verify.STAGING,
            "runtime": verify.STAGING,
        }
        found = [
            (container, harvests[stage].paths)
            for stage, container in containers.items()
            if stage in harvests
        ]
        return verify.Asked(
            self._smoke(config),
            tuple(item for item in found if item[1]),
            compiled,
            root.image,
            root.key,
        )

    def _smoke(self, config: ImageConfig) -> Smoke | None:
        """Return the image's smoke run: the app's own, over that of its stack for such an image."""
        kind = (
            "service"
            if any(not port.endswith("/udp") for port in config.ports)
            else "program"
            if config.command
            else "tool"
        )
        default = self.inputs.stack.smoke.get(kind, {})
        return Smoke.merged(self.inputs.options["rootfs_smoke"] or {}, default)

    @property
    def tag(self) -> str:
        """The name of the image, with its tag."""
        options = self.inputs.options
        return f"{options['rootfs_image_name']}:{options['rootfs_image_tag']}"

    @property
    def _layers(self) -> Mapping[str, tuple[str, ...]]:
        """The layers that each harvested stage brings, lowest first."""
        compiled = ("dependencies", APP)
        if not self.inputs.stack.compiles:
            return {"runtime": ("runtime",), "system": ("system", *compiled)}
        return {"runtime": ("runtime",), "system": ("system",), "compile": compiled}

    @property
    def _epoch(self) -> int:
        return int(self.inputs.options["rootfs_epoch"])

    def _has(self, image: str, engine_needed: bool) -> bool:
        try:
            return self.engine.image(image) is not None
        except EngineError:
            if engine_needed:
                raise
            return False

    def _provenance(self, plan: Plan, project: Mapping[str, Any]) -> Provenance:
        """Return what the image is made from; nothing of it says where on this host it is."""
        inputs, searches = self.inputs, self.inputs.searches
        # What the image calls by the same name is in every image.
        places = {str(self.directory), plan.context} - {str(inputs.options["rootfs_prefix"])}
        return Provenance(
            plan.key,
            {
                "stack": inputs.stack.name,
                "place": self._below(plan.context),
                "roles": [role.name for role in plan.roles.applied],
                "toolchain": str(project.get("toolchain") or ""),
                "options": _impersonal(inputs.parameters(), places),
            },
            {
                **inputs.digests(str(project.get("toolchain") or "")),
                "sources": plan.sources,
                **{f"part {part.number}": part.key for part in plan.parts},
                **{
                    f"role {role.name}": role_digest(Path(role.path), searches)
                    for role in plan.roles.applied
                },
            },
            self._locks(plan, project),
        )

    def _locks(self, plan: Plan, project: Mapping[str, Any]) -> dict[str, str]:
        """Return the SHA-256 of the files of the sources that pin what the stack fetched."""
        context = Path(plan.context).resolve()
        found = {}
        for name in project.get("locks") or ():
            path = (context / str(name)).resolve()
            if path.is_relative_to(context) and path.is_file():
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def _policy(self) -> Policy:
        options = self.inputs.options
        return Policy.parse(options["rootfs_policy"], options["rootfs_policy_allow"])

    def _verdict(self, image: Image, policy: Policy, *, dry: bool) -> Verdict:
        inputs = {"image": image.digest, "policy": policy.digest, "code": self.inputs.code}
        key = stage_key("policy", inputs)
        record = self.store.record(key)
        if record is not None:
            try:
                return Verdict.from_json(record)
            except InputError:
                pass
        manifest = Fragment.from_json(self.store.manifest(image.digest))
        verdict = evaluate(manifest, policy, self.store)
        if not dry:
            self.store.put_record(key, verdict.to_json())
        return verdict

    def _harvested(self, plan: Plan, stage: str) -> Harvest:
        found = self.harvest(plan.stage(stage).key)
        if found is None:
            raise StoreError(
                f"stage {stage} of {self.name} is not in the store",
                where=str(self.store.directory),
                hint="an earlier step failed (see its message above), or a role of the app ended"
                " the play (meta: end_play): mend that, and build again",
            )
        return found

    def _needs(self, plan: Plan) -> tuple[Need, ...]:
        """Return what the compile needs and the runtime does not bring."""
        if not self.inputs.stack.compiles:
            return ()
        runtime = {entry.path for entry in self._harvested(plan, "runtime").fragment.entries}
        needs = self._harvested(plan, "compile").fragment.needs
        return tuple(need for need in needs if need.path not in runtime)

    def _own_outputs(self, *layers: str) -> list[dict[str, Any]]:
        """Return the outputs that the app itself declares for these layers."""
        known = LAYERS[1:]
        # Where a stage brings both, a package is what others share, and a path the app's own.
        shared = APP if self.inputs.stack.compiles else "system"
        outputs = [
            {"by": self.name, "layer": shared if output.get("package") else APP, **output}
            for output in self.inputs.options["rootfs_outputs"]
        ]
        wrong = [str(output) for output in outputs if output["layer"] not in known]
        if wrong:
            raise InputError(
                f"an app's outputs go to the layers {', '.join(known)}",
                where="rootfs_outputs",
                details=wrong,
            )
        # The first that claims a path decides its layer: what a role wrote over a package's
        # file is the app's, and the layer of the packages the same for others.
        outputs.sort(key=lambda output: bool(output.get("package")))
        return [output for output in outputs if output["layer"] in layers]

    def _volumes(self, config: Mapping[str, Any]) -> list[dict[str, Any]]:
        uid, gid = self._owner()
        return [
            {
                "by": self.name,
                "layer": "app",
                "directory": volume,
                "uid": uid,
                "gid": gid,
            }
            for volume in self._volume_paths(config)
        ]

    def _config(self, project: Mapping[str, Any]) -> ImageConfig:
        """Return how the image runs: as the project says, and the app's options over that."""
        options = self.inputs.options
        prefix = str(options["rootfs_prefix"])
        entrypoint = options["rootfs_entrypoint"] or project.get("entrypoint") or []
        command = options["rootfs_command"] or project.get("command") or []
        if not command and not entrypoint:
            raise InputError(
                "nothing says what the image runs",
                where=self.name,
                hint="set rootfs_command to the program and its arguments, as a list",
            )
        if options["rootfs_init"] and not options["rootfs_entrypoint"]:
            entrypoint = [INIT, "--", *entrypoint]
        return ImageConfig(
            entrypoint=tuple(map(str, entrypoint)),
            command=tuple(map(str, command)),
            environment=_pairs(
                {
                    **self.inputs.stack.environment,
                    **project.get("environment", {}),
                    **options["rootfs_env"],
                }
            ),
            working_directory=str(
                options["rootfs_workdir"]
                or project.get("working_directory")
                # Roles leave no directory of the app's own.
                or (prefix if self.inputs.stack.compiles else "/")
            ),
            user=str(options["rootfs_user"]),
            ports=tuple(sorted(map(_port, options["rootfs_ports"] or project.get("ports", [])))),
            volumes=tuple(sorted(self._volume_paths(project))),
            labels=_pairs(
                {
                    **project.get("labels", {}),
                    STACK_LABEL: self.inputs.stack.name,
                    **options["rootfs_labels"],
                }
            ),
            architecture=self.inputs.architecture,
        )

    def _check_options(self, plan: Plan) -> None:
        """Refuse to keep under the plan's key an image that roles gave other options, or another
        policy."""
        if self._key(plan) != plan.key or self._policy().digest != plan.policy:
            raise InputError(
                "options are not what they were when the image was planned",
                where=self.name,
                hint="a role set facts with the names of options (set_fact): say options in the"
                " inventory, and build again",
            )

    def _check_programs(self, config: ImageConfig, manifest: Fragment) -> None:
        """Refuse an image whose first process could not start: what it names is not shipped."""
        words = [*config.entrypoint, *config.command]
        programs = [*words[:1], *(words[2:3] if words[0] == INIT else [])]
        entries = {entry.path: entry for entry in manifest.entries}
        search = dict(config.environment).get("PATH", DEFAULT_PATH).split(":")
        missing = [
            program
            for program in programs
            if not any(
                resolved(ImagePath(place) / program, entries)
                for place in ([config.working_directory] if "/" in program else search)
            )
        ]
        if missing:
            raise LinkError(
                f"the image starts {' and '.join(missing)}, which is not in it",
                where=self.name,
                hint="name a program of the image in rootfs_command, with its absolute path, or"
                " ship it: rootfs_packages, rootfs_outputs (rootfs_init: false does without tini)",
            )

    def _check_volumes(self, config: ImageConfig, manifest: Fragment) -> None:
        """Refuse a volume that the image's user cannot write, as a lower layer has it already."""
        closed = unwritable(map(ImagePath, config.volumes), *self._owner(), manifest)
        if closed:
            raise LinkError(
                f"the user of the image ({self.inputs.options['rootfs_user']}) cannot write its"
                " volumes",
                where=self.name,
                details=closed,
                hint="name directories in rootfs_volumes that no lower layer has, such as /data",
            )

    def _check_scripts(self, scripts: Sequence[Any], manifest: Fragment) -> None:
        """Refuse an image whose program would not find what it is told to run: ``scripts`` are the
        files that the stack says it starts with."""
        entries = {entry.path: entry for entry in manifest.entries}
        missing = [script for script in scripts if not resolved(ImagePath(str(script)), entries)]
        if missing:
            raise LinkError(
                f"the image starts {' and '.join(map(str, missing))}, which is not in it",
                where=self.name,
                hint="an option of the stack keeps it out (its README names them), or does not"
                " name it: change that, or ship it by rootfs_outputs",
            )

    def _volume_paths(self, config: Mapping[str, Any]) -> list[str]:
        prefix = ImagePath(str(self.inputs.options["rootfs_prefix"]))
        volumes = self.inputs.options["rootfs_volumes"] or config.get("volumes", [])
        return [str(prefix / str(volume)) for volume in volumes]

    def _owner(self) -> tuple[int, int]:
        """Return the user and the group that the image runs as."""
        user = str(self.inputs.options["rootfs_user"])
        match = re.fullmatch(r"([0-9]+)(?::([0-9]+))?", user)
        if match is None:
            raise InputError(
                f"rootfs_user is {user!r}, which is not uid or uid:gid",
                where=self.name,
                hint="give numbers: an orchestrator can tell from them that it is not root",
            )
        return int(match[1]), int(match[2] or match[1])

    def _begun(self) -> Plan:
        """Return the plan as far as it is known before anything is looked at."""
        stack = self.inputs.stack
        return Plan(
            name=self.name,
            stack=stack.name,
            role=stack.role,
            context=str(self._context()),
            ignore=(),
            inspects=stack.has("inspect"),
        )

    def _replan(self, plan: Plan) -> Plan:
        ignore = self._ignore(plan.context)
        sources = Sources(Path(plan.context), ignore).digest()
        replanned = replace(plan, ignore=ignore, sources=sources)
        key = self._key(replanned)
        return replace(replanned, key=key, cached=self.image(key) is not None)

    def _key(self, plan: Plan) -> str:
        """Return the key of the image that is planned, by the options as they are now."""
        place, parts = self._below(plan.context), [part.key for part in plan.parts]
        return self.inputs.image(plan.sources, plan.roles.digest, place, parts)

    def _ignore(self, context: str) -> tuple[str, ...]:
        """Return the patterns of what in ``context`` is none of the app's sources."""
        parts = [pattern for part in self.parts for pattern in part.not_sources(context)]
        # Its options decide by their values, not by the file that says them.
        return (*self.inputs.stack.ignore, *parts, "**/rootfs.yml")

    def _below(self, context: str) -> str:
        """Return the app's directory as it is named below that of its sources."""
        return os.path.relpath(self.directory, context)

    def _staged(self, plan: Plan) -> str:
        """Return the digest of what decides the result of the app's roles."""
        reads = plan.roles.reads_sources or not self.inputs.stack.compiles
        return stage_key(
            "staged", {"roles": plan.roles.digest, "sources": plan.sources if reads else ""}
        )

    def _context_key(self) -> str:
        return stage_key(
            "context", {"directory": str(self.directory), "role": str(self.inputs.stack.directory)}
        )

    def _context(self) -> Path:
        """Return the directory of the sources as the last inspection found it.

        It is only a guess where to look first: the plan is made anew once the project is read.
        """
        record = self.store.record(self._context_key()) or {}
        context = Path(str(record.get("context", self.directory)))
        return context if self.directory.is_relative_to(context) else self.directory


def _impersonal(value: Any, places: Collection[str]) -> Any:  # noqa: ANN401 - of an option of any kind
    """Return a value as JSON has it, without ``places`` of the host and without credentials."""
    if isinstance(value, Mapping):
        return {str(name): _impersonal(item, places) for name, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_impersonal(item, places) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _CREDENTIALS.sub("//", str(value))
    for place in sorted(places, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w.-])", ".", text)
    return text


def _pairs(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((str(name), str(value)) for name, value in values.items()))


def _port(port: object) -> str:
    text = str(port)
    return text if "/" in text else f"{text}/tcp"


def _refuse_unknown_keys(
    items: Iterable[Mapping[str, Any]], kind: type[Output] | type[Companion], name: str
) -> None:
    """Refuse keys that say nothing there: what they should change would go on unchanged."""
    # Who declares it is the app.
    known = {field.name for field in fields(kind)} - {"by"}
    unknown = [
        f"[{index}].{key}{suggestion(str(key), known)}"
        for index, item in enumerate(items)
        for key in item
        if key not in known
    ]
    if unknown:
        raise InputError(
            "there is no such key",
            where=name,
            details=unknown,
            hint=f"there are {', '.join(sorted(known))}",
        )


def _parsed(
    items: Iterable[Mapping[str, Any]], parse: Callable[[Document], Value], name: str
) -> tuple[Value, ...]:
    return Document({name: list(items)}, "the stack and the app").each(name, parse)
