"""The plan of an app: its stages, the key of each, and which of them are to be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rootfs_ansible.model.document import Document


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its key, the engine image it gives (if any), and whether it is to be run."""

    name: str
    key: str
    image: str = ""
    run: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return the stage as a JSON object."""
        return {"name": self.name, "key": self.key, "image": self.image, "run": self.run}

    @staticmethod
    def from_json(data: Document) -> Stage:
        """Return the stage that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Stage(
            data.text("name"), data.text("key"), data.text("image", ""), data.boolean("run")
        )


@dataclass(frozen=True, slots=True)
class Role:
    """A role that the app names, the directory of the controller that holds it, and by which
    words Ansible finds it there."""

    name: str
    path: str
    reference: str

    def to_json(self) -> dict[str, Any]:
        """Return the role as a JSON object."""
        return {"name": self.name, "path": self.path, "reference": self.reference}

    @staticmethod
    def from_json(data: Document) -> Role:
        """Return the role that ``to_json`` wrote; ``InputError`` where it is not one."""
        return Role(data.text("name"), data.text("path"), data.text("reference"))


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles that are applied to an app's staging container, in order; ``digest`` is that of
    what decides their result, but for the app's sources, which they may read."""

    applied: tuple[Role, ...] = ()
    digest: str = ""
    reads_sources: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the roles as a JSON object."""
        return {
            "applied": [role.to_json() for role in self.applied],
            "digest": self.digest,
            "reads_sources": self.reads_sources,
        }

    @staticmethod
    def from_json(data: object) -> Roles:
        """Return the roles that ``to_json`` wrote; ``InputError`` where they are none."""
        document = Document(data, "roles")
        return Roles(
            document.each("applied", Role.from_json),
            document.text("digest"),
            document.boolean("reads_sources"),
        )


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """A part of an app as the app's plan knows it.

    ``host`` is what it is in the play, the part with this ``number`` of the host ``app``; ``key``
    stands for all that decides it, ``compiled`` is the key of its compile (empty until its stages
    are planned).
    """

    app: str
    number: int
    host: str
    key: str
    compiled: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "app": self.app,
            "number": self.number,
            "host": self.host,
            "key": self.key,
            "compiled": self.compiled,
        }

    @staticmethod
    def from_json(data: Document) -> PlannedPart:
        """Return what ``to_json`` wrote; ``InputError`` where it is not one."""
        return PlannedPart(
            data.text("app"),
            data.integer("number"),
            data.text("host"),
            data.text("key"),
            data.text("compiled"),
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for an app.

    ``role`` is its stack's role, ``context`` the directory of the host whose files are its
    sources (``ignore`` names what is none of them), ``sources`` their digest, ``key`` that of the
    image, ``cached`` whether the image is there, ``inspects`` whether the stack reads projects,
    ``outputs`` what is written beside the store: formats and paths; ``roles`` those that are
    applied to the staging container, ``parts`` what of it has a stack of its own, ``policy`` the
    digest of what its image may hold.
    """

    name: str
    stack: str
    role: str
    context: str
    ignore: tuple[str, ...]
    inspects: bool
    sources: str = ""
    key: str = ""
    cached: bool = False
    stages: tuple[Stage, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    roles: Roles = Roles()
    parts: tuple[PlannedPart, ...] = ()
    policy: str = ""

    def stage(self, name: str) -> Stage:
        """Return a stage by name."""
        return next(stage for stage in self.stages if stage.name == name)

    def with_stage(self, stage: Stage) -> Plan:
        """Return the plan with one stage more, or another one of its name."""
        others = tuple(other for other in self.stages if other.name != stage.name)
        return replace(self, stages=(*others, stage))

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object; its stages by name, as playbooks use them."""
        return {
            "name": self.name,
            "stack": self.stack,
            "role": self.role,
            "context": self.context,
            "ignore": list(self.ignore),
            "sources": self.sources,
            "key": self.key,
            "cached": self.cached,
            "inspects": self.inspects,
            "outputs": dict(self.outputs),
            "roles": self.roles.to_json(),
            "parts": [part.to_json() for part in self.parts],
            "policy": self.policy,
            "stages": {stage.name: stage.to_json() for stage in self.stages},
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Plan:
        """Return the plan that ``to_json`` wrote; ``InputError`` where it is not one."""
        stages = data.get("stages")
        document = Document(
            {**data, "stages": list(stages.values()) if isinstance(stages, dict) else []}, "plan"
        )
        return Plan(
            name=document.text("name"),
            stack=document.text("stack"),
            role=document.text("role"),
            context=document.text("context"),
            ignore=document.texts("ignore"),
            sources=document.text("sources"),
            key=document.text("key"),
            cached=document.boolean("cached"),
            inspects=document.boolean("inspects"),
            stages=document.each("stages", Stage.from_json),
            outputs=tuple(document.mapping("outputs").items()),
            roles=Roles.from_json(data.get("roles")),
            parts=document.each("parts", PlannedPart.from_json),
            policy=document.text("policy", ""),
        )
