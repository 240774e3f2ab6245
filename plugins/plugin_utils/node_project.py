"""A Node project as its own files describe it: identity, package manager, command, workspaces.

Nothing is run and nothing is fetched: what is said here holds before any container exists.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import nodesemver
from ansible_collections.rootfs.builder.plugins.module_utils import node_arguments
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_builds import Build, builds
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import (
    NODE,
    UPSTREAM_NODE,
    Command,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_dependencies import (
    check_links,
    compare_lock,
    dependency_warnings,
    locked,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manager import (
    PackageManager,
    ScriptsPolicy,
    package_manager,
    scripts_policy,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    mapping_of,
    satisfies,
    scalar,
    text_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_shipped import (
    Shipped,
    shipped_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_start import (
    Start,
    command_at,
    start_warnings,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_typescript import (
    reads_typescript,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_workspaces import Place, place_of

from rootfs_ansible.errors import InputError

Value = TypeVar("Value")

_VOLUME_SPLIT = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class Workspace:
    """A package of the repository: its name and its directory below the sources."""

    name: str
    directory: str
    shipped: Shipped


@dataclass(frozen=True, slots=True)
class Project:
    """All that a Node project says of itself.

    ``sources`` is the directory that is copied into the build container, ``directory`` the app's
    below it (``.`` where they are the same). ``toolchain`` is the range of versions of node where
    the distribution's is not among them, ``node`` the path of the one that runs. ``builds`` are
    the scripts that build it, in their order. ``typescript`` is whether a build may compile
    TypeScript that nothing reads afterwards.
    """

    name: str
    version: str
    sources: str
    directory: str
    node_range: str
    toolchain: str
    node: str
    package_manager: PackageManager
    command: Command
    labels: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    ports: tuple[str, ...]
    volumes: tuple[str, ...]
    workspaces: tuple[Workspace, ...]
    builds: tuple[Build, ...]
    scripts_policy: ScriptsPolicy
    manifests: tuple[str, ...]
    shipped: Shipped
    typescript: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What an inventory says of a project, over what the project says itself.

    ``workspace`` is a name or a directory, ``node_range`` stands in place of engines.node,
    ``distribution_version`` is the version of node that the distribution has, ``build`` one of
    auto, true and false, or the names of scripts, ``start`` what the image starts.
    """

    workspace: str = ""
    node_range: str = ""
    distribution_version: str = ""
    build: tuple[str, ...] = ("auto",)
    start: Start = dataclasses.field(default_factory=Start)


def read(directory: Path, request: Request = Request()) -> Project:
    """Return the project in ``directory``, or that of one of its workspaces.

    Raises ``InputError`` with all that is wrong with package.json.
    """
    place = place_of(directory.resolve(), request.workspace)
    package = place.package
    findings = _Findings()
    manager = findings.take(
        lambda: package_manager(place.root, place.root_package, findings.warnings)
    )
    wanted = request.node_range or _engines(package) or _engines(place.root_package)
    served = findings.take(lambda: _serves(request, wanted))
    node = NODE if served else UPSTREAM_NODE
    build_order = findings.take(lambda: builds(place, request.build)) or ()
    taken = findings.take(lambda: command_at(place, request.start, node, built=bool(build_order)))
    command = taken or Command()
    findings.warnings += start_warnings(place, command)
    ports = findings.take(lambda: ports_of(package)) or ()
    volumes = findings.take(lambda: volumes_of(package)) or ()
    if manager is not None and manager.lock.endswith(".json"):
        lock = manager.lock
        findings.take(lambda: compare_lock(place, lock))
    findings.warnings += dependency_warnings(place)
    findings.take(lambda: check_links(place, development=bool(build_order)))
    policy = findings.take(lambda: scripts_policy(place.root, place.root_package, manager))
    findings.check(place.app / "package.json")
    assert manager is not None and policy is not None  # noqa: S101 (check raised otherwise)
    return Project(
        name=text_of(package, "name") or place.app.name,
        version=text_of(package, "version"),
        sources=str(place.root),
        directory=place.relative(place.app),
        node_range=wanted,
        toolchain="" if served else wanted,
        node=node,
        package_manager=manager,
        command=command,
        labels=labels_of(package),
        environment=(("NODE_ENV", "production"), *npm_environment(package)),
        ports=ports,
        volumes=volumes,
        workspaces=tuple(
            Workspace(
                text_of(data, "name") or path.name,
                place.relative(path),
                shipped_of(data),
            )
            for path, data in place.members
        ),
        builds=build_order,
        scripts_policy=policy,
        manifests=_manifests(place, manager),
        shipped=shipped_of(package, node_arguments.files_of(command.arguments, node)),
        typescript=any((at / "tsconfig.json").is_file() for at in (place.app, place.root))
        and not reads_typescript(command),
        warnings=tuple(findings.warnings),
    )


def to_facts(project: Project, prefix: str) -> dict[str, Any]:
    """Return what every stack says of a project, and under ``node`` what only this one knows.

    ``prefix`` is where the sources are in the build container and the app is in the image. A
    command that the inventory gives is not the project's to say.
    """
    node = dataclasses.asdict(project)
    words = [] if project.command.given else list(project.command.arguments)
    node["command"]["environment"] = dict(project.command.environment)
    for name in ("labels", "environment"):
        del node[name]
    return {
        "context": project.sources,
        "toolchain": project.toolchain,
        "entrypoint": words if project.command.whole else [],
        "command": [] if project.command.whole else words,
        "environment": {**dict(project.environment), **node["command"]["environment"]},
        "working_directory": posixpath.normpath(posixpath.join(prefix, project.directory)),
        "ports": list(project.ports),
        "volumes": list(project.volumes),
        "labels": dict(project.labels),
        "locks": list(filter(None, [project.package_manager.lock])),
        "components": locked(Path(project.sources), project.package_manager.lock, prefix),
        "node": node,
    }


# Identity


def labels_of(package: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what package.json says of itself as OCI annotations (image-spec, annotations.md)."""
    repository = package.get("repository")
    if isinstance(repository, Mapping):
        repository = repository.get("url")
    fields = {
        "title": text_of(package, "name"),
        "version": text_of(package, "version"),
        "description": text_of(package, "description"),
        "licenses": _licence(package),
        "authors": _person(package.get("author")),
        "url": text_of(package, "homepage"),
        "source": _repository_url(repository) if isinstance(repository, str) else "",
    }
    return tuple(
        sorted(
            (f"org.opencontainers.image.{name}", value) for name, value in fields.items() if value
        )
    )


def npm_environment(package: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what ``npm start`` would have told the program in its environment.

    The name, the version and the ``config`` of package.json (npm-run-script(1), environment):
    programs that show their version read it there.
    """
    values = {
        "npm_package_name": text_of(package, "name"),
        "npm_package_version": text_of(package, "version"),
    }
    for name, value in mapping_of(package, "config").items():
        if isinstance(value, str | int | float) and re.fullmatch(r"\w+", name):
            values[f"npm_package_config_{name}"] = scalar(value)
    return tuple(sorted((name, value) for name, value in values.items() if value))


def ports_of(package: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the port that ``config.port`` says, as ``8080/tcp``."""
    value = mapping_of(package, "config").get("port")
    if value is None:
        return ()
    text = scalar(value)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise InputError(f"config.port: not a port: {value!r}")
    return (f"{text}/tcp",)


def volumes_of(package: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the directories that ``config.volumes`` says: a list, or a text with commas."""
    value = mapping_of(package, "config").get("volumes")
    if value is None:
        return ()
    if isinstance(value, str):
        value = [part for part in _VOLUME_SPLIT.split(value) if part]
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise InputError(f"config.volumes: expected a list of directories, got {value!r}")
    return tuple(value)


def _serves(request: Request, wanted: str) -> bool:
    """Say whether the distribution's node is one that is wanted."""
    if wanted and nodesemver.valid_range(wanted, loose=True) is None:
        name = "stack_node_version" if request.node_range else "engines.node"
        raise InputError(
            f"{name}: not a version range: {wanted!r}",
            hint="set stack_node_version to the versions that it runs on, such as ^22",
        )
    return not request.distribution_version or satisfies(request.distribution_version, wanted)


def _manifests(place: Place, manager: PackageManager) -> tuple[str, ...]:
    """Return the files that decide node_modules, and nothing else of the sources."""
    names = ["package.json", manager.lock, "pnpm-workspace.yaml"]
    names += [".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs"]
    names += [place.relative(path / "package.json") for path, _ in place.members]
    return tuple(sorted({name for name in names if name and (place.root / name).is_file()}))


# Reading values


class _Findings:
    """Collects what is wrong with one package.json, so that all of it is said at once."""

    def __init__(self) -> None:
        self.errors: list[InputError] = []
        self.warnings: list[str] = []

    def take(self, read: Callable[[], Value]) -> Value | None:
        try:
            return read()
        except InputError as error:
            self.errors.append(error)
            return None

    def check(self, path: Path) -> None:
        if len(self.errors) == 1:
            error = self.errors[0]
            raise InputError(
                error.what, where=error.where or str(path), hint=error.hint, details=error.details
            )
        if self.errors:
            raise InputError(
                "does not say how to build and run it",
                where=str(path),
                details=[
                    f"{error.what}" + (f" ({error.hint})" if error.hint else "")
                    for error in self.errors
                ],
            )


def _engines(package: Mapping[str, Any]) -> str:
    return text_of(mapping_of(package, "engines"), "node")


def _licence(package: Mapping[str, Any]) -> str:
    value = package.get("license") or package.get("licence")
    if isinstance(value, Mapping):
        value = value.get("type")
    if isinstance(value, str):
        return "" if value.upper() == "UNLICENSED" else value
    several = package.get("licenses")
    types = [
        item["type"]
        for item in (several if isinstance(several, list) else [])
        if isinstance(item, Mapping) and isinstance(item.get("type"), str)
    ]
    return " OR ".join(types)


def _person(value: object) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, Mapping):
        return ""
    parts = [text_of(value, "name")]
    parts += [f"<{text_of(value, 'email')}>"] if text_of(value, "email") else []
    parts += [f"({text_of(value, 'url')})"] if text_of(value, "url") else []
    return " ".join(part for part in parts if part)


def _repository_url(text: str) -> str:
    for host, base in (
        ("github", "https://github.com"),
        ("gitlab", "https://gitlab.com"),
        ("bitbucket", "https://bitbucket.org"),
    ):
        if text.startswith(f"{host}:"):
            return f"{base}/{text.partition(':')[2]}"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        return f"https://github.com/{text}"
    text = re.sub(r"^git\+", "", text)
    text = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", text)
    text = re.sub(r"^git://", "https://", text)
    return text.removesuffix(".git")
