"""A Node project as its own files describe it: identity, package manager, command, workspaces.

Nothing is run and nothing is fetched: what is said here holds before any container exists.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import nodesemver
import yaml
from ansible_collections.rootfs.builder.plugins.module_utils.node_tools import script_of
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import (
    NODE,
    UPSTREAM_NODE,
    Command,
    command_of,
)
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_manifest import (
    MANAGERS,
    bins_of,
    manifest,
    mapping_of,
    plain,
    scalar,
    text_of,
)

from rootfs_ansible.errors import InputError

Value = TypeVar("Value")

DEPENDENCY_FIELDS = ("dependencies", "optionalDependencies", "devDependencies")
"""The fields of package.json whose packages a build may install."""

_LOCKS = (
    ("npm-shrinkwrap.json", "npm"),
    ("package-lock.json", "npm"),
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
)
"""Lock files by precedence: npm's own rule puts the shrinkwrap first."""

_UNREAD_LOCKS = ("bun.lock", "bun.lockb", "deno.lock")
_HOSTED = re.compile(r"(git[@:+]|ssh:|github:|gitlab:|bitbucket:|gist:)|[^@:/.~][^@:/]*/[^:/]+$")
_PNPM_ASKS = 10
"""From this version on pnpm runs only the install scripts that the project names."""
_VOLUME_SPLIT = re.compile(r"[,\s]+")


@dataclass(frozen=True, slots=True)
class PackageManager:
    """Who installs the dependencies. ``version`` is what packageManager asks (empty: what the
    lock needs), ``lock`` the lock file's name (empty: nothing is pinned)."""

    name: str
    version: str = ""
    lock: str = ""
    lock_version: str = ""


@dataclass(frozen=True, slots=True)
class ScriptsPolicy:
    """Whose install scripts may run: everyone's, or ``only`` those; ``never`` those."""

    everyone: bool = True
    only: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shipped:
    """What of a package's own files is shipped: path globs below its directory (empty: all of
    it), and the globs of what is left out."""

    paths: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()


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
    the directories whose ``build`` script runs, in this order.
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
    builds: tuple[str, ...]
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
    auto, true and false. Where no command is needed (the inventory names one), a start script
    that needs a shell is no mistake.
    """

    workspace: str = ""
    node_range: str = ""
    distribution_version: str = ""
    build: str = "auto"
    command_needed: bool = True


def read(directory: Path, request: Request = Request()) -> Project:
    """Return the project in ``directory``, or that of one of its workspaces.

    Raises ``InputError`` with all that is wrong with package.json.
    """
    place = _place(directory.resolve(), request.workspace)
    package = place.package
    findings = _Findings()
    manager = findings.take(
        lambda: package_manager(place.root, place.root_package, findings.warnings)
    )
    wanted = request.node_range or _engines(package) or _engines(place.root_package)
    served = findings.take(lambda: _serves(request, wanted))
    node = NODE if served else UPSTREAM_NODE
    command = Command()
    if request.command_needed:
        command = findings.take(lambda: _command(place, node)) or command
        findings.warnings += _command_warnings(package, command)
    ports = findings.take(lambda: ports_of(package)) or ()
    volumes = findings.take(lambda: volumes_of(package)) or ()
    build_order = findings.take(lambda: builds(place, request.build)) or ()
    if manager is not None and manager.lock.endswith(".json"):
        lock = manager.lock
        findings.take(lambda: compare_lock(place, lock))
    for at, data in {place.root: place.root_package, place.app: package}.items():
        findings.warnings += dependency_warnings(at, data)
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
                shipped_of(data, Command()),
            )
            for path, data in place.members
        ),
        builds=build_order,
        scripts_policy=policy,
        manifests=_manifests(place, manager),
        shipped=shipped_of(package, command),
        typescript=any((at / "tsconfig.json").is_file() for at in (place.app, place.root)),
        warnings=tuple(findings.warnings),
    )


def to_facts(project: Project, prefix: str) -> dict[str, Any]:
    """Return what every stack says of a project, and under ``node`` what only this one knows.

    ``prefix`` is where the sources are in the build container and the app is in the image.
    """
    node = dataclasses.asdict(project)
    node["command"]["environment"] = dict(project.command.environment)
    for name in ("labels", "environment"):
        del node[name]
    return {
        "context": project.sources,
        "toolchain": project.toolchain,
        "command": list(project.command.arguments),
        "environment": {**dict(project.environment), **node["command"]["environment"]},
        "working_directory": posixpath.normpath(posixpath.join(prefix, project.directory)),
        "ports": list(project.ports),
        "volumes": list(project.volumes),
        "labels": dict(project.labels),
        "node": node,
    }


@dataclass(frozen=True, slots=True)
class Place:
    """Where an app is: the root of its sources, its own directory, its fellow packages."""

    root: Path
    root_package: Mapping[str, Any]
    app: Path
    package: Mapping[str, Any]
    members: tuple[tuple[Path, Mapping[str, Any]], ...]

    def relative(self, path: Path) -> str:
        """Return a directory as a path below the root."""
        return path.relative_to(self.root).as_posix()


def _place(directory: Path, workspace: str) -> Place:
    given = manifest(directory / "package.json")
    root = _root_above(directory, given)
    root_package = given if root == directory else manifest(root / "package.json")
    members = workspaces(root, root_package)
    app = _chosen(directory, root, members, workspace)
    package = given if app == directory else manifest(app / "package.json")
    if app != root and any((app / lock).is_file() for lock, _ in _LOCKS):
        # A member with a lock of its own is installed by itself.
        return Place(app, package, app, package, ())
    return Place(root, root_package, app, package, members)


def _command(place: Place, node: str) -> Command:
    try:
        return command_of(place.package, place.app, node)
    except InputError as error:
        startable = [
            place.relative(path)
            for path, data in place.members
            if mapping_of(data, "scripts").get("start") and place.app == place.root
        ]
        if not startable or mapping_of(place.package, "scripts").get("start"):
            raise
        raise InputError(
            f"{error.what}; it is a workspace root",
            hint=f"set stack_node_workspace to one of {', '.join(startable)}, or rootfs_command",
        ) from error


def _command_warnings(package: Mapping[str, Any], command: Command) -> list[str]:
    warnings = []
    scripts = mapping_of(package, "scripts")
    if command.origin.startswith("scripts.") and scripts.get("prestart"):
        warnings.append(
            f"scripts.prestart does not run when the image starts: {scripts['prestart']!r}"
        )
    if any(word.partition("=")[0] == "--env-file" for word in command.arguments):
        warnings.append(
            f"{command.origin} reads an env file, which is not shipped by default:"
            " set rootfs_env, or give the variables where the image runs"
        )
    if command.origin == "main" and bins_of(package):
        warnings.append(
            f"main ({text_of(package, 'main')}) is started, not bin"
            f" ({', '.join(bins_of(package).values())}): set rootfs_command for that"
        )
    return warnings


def builds(place: Place, build: str) -> tuple[str, ...]:
    """Return the directories whose ``build`` script runs: the packages that the app needs, then
    the app's own. A root that builds its workspaces itself is asked alone."""
    if build == "false":
        return ()
    own = bool(mapping_of(place.package, "scripts").get("build"))
    if build == "true" and not own:
        raise InputError("stack_node_build is true, but there is no build script")
    if place.app == place.root and own:
        return (".",)
    by_name = {text_of(data, "name"): (path, data) for path, data in place.members}
    starts: Sequence[tuple[Path, Mapping[str, Any]]] = [(place.app, place.package)]
    if place.app == place.root:
        starts = place.members
    ordered: dict[Path, Mapping[str, Any]] = {}
    entered: set[Path] = set()

    def visit(path: Path, package: Mapping[str, Any]) -> None:
        if path in entered:
            return
        entered.add(path)
        for field in (*DEPENDENCY_FIELDS, "peerDependencies"):
            for name in sorted(mapping_of(package, field)):
                if name in by_name:
                    visit(*by_name[name])
        ordered[path] = package

    for start in starts:
        visit(*start)
    return tuple(
        place.relative(path)
        for path, package in ordered.items()
        if mapping_of(package, "scripts").get("build")
    )


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


def satisfies(version: str, node_range: str) -> bool:
    """Say whether a version of node lies in a range; an empty range takes every version."""
    return bool(nodesemver.satisfies(version, node_range or "*", loose=True))


def _serves(request: Request, wanted: str) -> bool:
    """Say whether the distribution's node is one that is wanted."""
    if wanted and nodesemver.valid_range(wanted, loose=True) is None:
        name = "stack_node_version" if request.node_range else "engines.node"
        raise InputError(f"{name}: not a version range: {wanted!r}")
    return not request.distribution_version or satisfies(request.distribution_version, wanted)


# Package manager and lock


def package_manager(
    root: Path, package: Mapping[str, Any], warnings: list[str] | None = None
) -> PackageManager:
    """Return who installs the project: the packageManager field decides, then the lock file.

    Where two lock files lie side by side and no field decides, npm's own order holds (shrinkwrap,
    package-lock, pnpm, yarn) and a warning says so.
    """
    warnings = warnings if warnings is not None else []
    present = [(lock, name) for lock, name in _LOCKS if (root / lock).is_file()]
    asked = text_of(package, "packageManager")
    name, _, version = asked.partition("@")
    version = version.partition("+")[0]
    if asked and name not in MANAGERS:
        raise InputError(
            f"packageManager: {asked!r} is none of {', '.join(MANAGERS)} (with @VERSION)"
        )
    if asked and not re.fullmatch(r"\d+\.\d+\.\d+[-.\w]*", version):
        raise InputError(f"packageManager: {asked!r} has no exact version (such as {name}@1.2.3)")
    fitting = [lock for lock, manager in present if not asked or manager == name]
    if not fitting:
        others = [lock for lock, _ in present]
        others += [lock for lock in _UNREAD_LOCKS if (root / lock).is_file()]
        unread = f" ({', '.join(others)} is not read)" if others else ""
        warnings.append(
            f"no lock file of {name or 'npm'}{unread}: the versions of the dependencies are not"
            " pinned, another build may get others"
        )
        return PackageManager(name or "npm", version)
    lock = fitting[0]
    if len(present) > 1:
        ignored = ", ".join(other for other, _ in present if other != lock)
        decided = "packageManager decides" if asked else "set packageManager to decide otherwise"
        warnings.append(f"more than one lock file: {lock} is used, not {ignored} ({decided})")
    manager = name or dict(_LOCKS)[lock]
    return PackageManager(manager, version, lock, _lock_version(root / lock))


def _lock_version(path: Path) -> str:
    if path.suffix == ".json":
        return scalar(manifest(path).get("lockfileVersion", 1))
    head = path.read_text(encoding="utf-8", errors="replace")[:2000]
    if path.name == "pnpm-lock.yaml":
        found = re.search(r"^lockfileVersion:\s*['\"]?([\d.]+)", head, re.MULTILINE)
    else:
        found = re.search(r"^__metadata:\n(?:\s+.*\n)*?\s+version:\s*(\d+)", head, re.MULTILINE)
    if found:
        return found[1]
    return "1" if path.name == "yarn.lock" else ""


def scripts_policy(
    root: Path, package: Mapping[str, Any], manager: PackageManager | None
) -> ScriptsPolicy:
    """Return whose install scripts the project lets run.

    pnpm: onlyBuiltDependencies, neverBuiltDependencies, ignoredBuiltDependencies and allowBuilds
    (https://pnpm.io/settings); from version 10 on, none but the named ones. yarn: enableScripts
    and dependenciesMeta.*.built. npm: ignore-scripts in .npmrc.
    """
    if manager is None or manager.name == "npm":
        return ScriptsPolicy(everyone=not _npmrc_says(root, "ignore-scripts"))
    if manager.name == "yarn":
        metas = mapping_of(package, "dependenciesMeta")
        built = {name: meta.get("built") for name, meta in metas.items() if isinstance(meta, dict)}
        enabled = _yaml(root / ".yarnrc.yml").get("enableScripts", True)
        return ScriptsPolicy(
            everyone=bool(enabled),
            only=tuple(sorted(name for name, value in built.items() if value is True)),
            never=tuple(sorted(name for name, value in built.items() if value is False)),
        )
    settings = {**mapping_of(package, "pnpm"), **_yaml(root / "pnpm-workspace.yaml")}
    allowed = mapping_of(settings, "allowBuilds")
    only = {
        *_names(settings.get("onlyBuiltDependencies")),
        *(name for name, value in allowed.items() if value is True),
    }
    never = {
        *_names(settings.get("neverBuiltDependencies")),
        *_names(settings.get("ignoredBuiltDependencies")),
        *(name for name, value in allowed.items() if value is False),
    }
    major = int(manager.version.partition(".")[0] or 0)
    strict = bool(only) or major >= _PNPM_ASKS
    if settings.get("dangerouslyAllowAllBuilds"):
        strict = False
    return ScriptsPolicy(not strict, tuple(sorted(only)), tuple(sorted(never)))


def compare_lock(place: Place, lock: str) -> None:
    """Compare npm's lock file with every package.json, as far as versions and names tell.

    Raises ``InputError`` with all that ``npm ci`` would refuse among the direct dependencies: a
    package that the lock does not have, or has at a version out of range.
    """
    locked = mapping_of(manifest(place.root / lock), "packages")
    if not locked:
        return  # Version 1 of the format; npm compares it itself.
    problems = []
    overridden = mapping_of(place.root_package, "overrides")
    for path, package in ((place.root, place.root_package), *place.members):
        home = "" if path == place.root else f"{place.relative(path)}/"
        for field in ("dependencies", "devDependencies"):
            for name, wanted in sorted(mapping_of(package, field).items()):
                if name in overridden or not isinstance(wanted, str):
                    continue
                entry = locked.get(f"{home}node_modules/{name}", locked.get(f"node_modules/{name}"))
                where = f"{home}package.json: {field}.{name}"
                if not isinstance(entry, Mapping):
                    problems.append(f"{where} ({wanted}) is missing from the lock")
                elif not _fits(text_of(entry, "version"), wanted):
                    found = text_of(entry, "version")
                    problems.append(f"{where} wants {wanted}, the lock has {found}")
    if problems:
        raise InputError(
            f"{lock} does not agree with package.json",
            details=problems,
            hint=f"run npm install and commit {lock}",
        )


def _fits(version: str, wanted: str) -> bool:
    """Say whether a locked version is one that is wanted; what is no range of versions, is."""
    if nodesemver.valid(version, loose=True) is None or "-" in version + wanted:
        return True
    if nodesemver.valid_range(wanted, loose=True) is None:
        return True
    return satisfies(version, wanted)


def dependency_warnings(directory: Path, package: Mapping[str, Any]) -> list[str]:
    """Return what may fail to be fetched: dependencies from git hosts, links out of the sources."""
    warnings = []
    for field in DEPENDENCY_FIELDS:
        for name, spec in sorted(mapping_of(package, field).items()):
            if isinstance(spec, str) and _HOSTED.match(spec) and not spec.startswith("file:"):
                warnings.append(
                    f"{field}.{name} comes from a git repository ({spec}): fetching it needs that"
                    " host to be reachable, and git in the build container"
                    " (rootfs_build_packages: [git])"
                )
            elif isinstance(spec, str) and spec.startswith(("file:", "link:")):
                target = (directory / spec.partition(":")[2]).resolve()
                if not target.exists():
                    warnings.append(f"{field}.{name}: {spec} does not exist")
    return warnings


# Workspaces


def workspaces(root: Path, package: Mapping[str, Any]) -> tuple[tuple[Path, dict[str, Any]], ...]:
    """Return the packages that a workspace root has, each with its package.json."""
    patterns = _workspace_patterns(root, package)
    found: dict[Path, dict[str, Any]] = {}
    for pattern in patterns:
        if pattern.startswith("!"):
            found = {
                path: data
                for path, data in found.items()
                if not fnmatch.fnmatch(path.relative_to(root).as_posix(), plain(pattern[1:]))
            }
            continue
        for path in sorted(root.glob(plain(pattern) or ".")):
            if (
                path != root
                and "node_modules" not in path.relative_to(root).parts
                and (path / "package.json").is_file()
            ):
                found[path] = manifest(path / "package.json")
    return tuple(sorted(found.items()))


def _workspace_patterns(root: Path, package: Mapping[str, Any]) -> tuple[str, ...]:
    declared = package.get("workspaces")
    if isinstance(declared, Mapping):
        declared = declared.get("packages")
    if declared is None:
        declared = _yaml(root / "pnpm-workspace.yaml").get("packages")
    if declared is None:
        return ()
    if not isinstance(declared, list) or not all(isinstance(item, str) for item in declared):
        raise InputError(
            f"workspaces: expected a list of directories, got {declared!r}",
            where=str(root / "package.json"),
        )
    return tuple(declared)


def _root_above(directory: Path, package: Mapping[str, Any]) -> Path:
    """Return the workspace root that has ``directory`` as a member, or ``directory`` itself."""
    if _workspace_patterns(directory, package):
        return directory
    for above in directory.parents:
        path = above / "package.json"
        if not path.is_file():
            continue
        try:
            members = workspaces(above, manifest(path))
        except InputError:
            continue  # A file that has nothing to do with this project.
        if directory in dict(members):
            return above
    return directory


def _chosen(
    directory: Path,
    root: Path,
    members: Sequence[tuple[Path, Mapping[str, Any]]],
    workspace: str,
) -> Path:
    if not workspace:
        return directory
    for path, data in members:
        if workspace in (text_of(data, "name"), path.relative_to(root).as_posix()):
            return path
    raise InputError(
        f"there is no workspace {workspace!r}",
        where=str(root),
        details=[
            f"{path.relative_to(root).as_posix()}: {text_of(data, 'name')}"
            for path, data in members
        ],
        hint="set stack_node_workspace to one of these, or leave it empty",
    )


def _manifests(place: Place, manager: PackageManager) -> tuple[str, ...]:
    """Return the files that decide node_modules, and nothing else of the sources."""
    names = ["package.json", manager.lock, "pnpm-workspace.yaml"]
    names += [".npmrc", ".yarnrc", ".yarnrc.yml", ".pnpmfile.cjs"]
    names += [place.relative(path / "package.json") for path, _ in place.members]
    return tuple(sorted({name for name in names if name and (place.root / name).is_file()}))


# What is shipped


def shipped_of(package: Mapping[str, Any], command: Command) -> Shipped:
    """Return what package.json's ``files`` says is shipped, as ``npm pack`` reads it.

    The field is taken only where the command's own script lies in it: it was written for a
    registry, and an application that keeps its server elsewhere means all of its directory.
    """
    files = package.get("files")
    if not isinstance(files, list) or not all(isinstance(item, str) for item in files):
        return Shipped()
    paths: list[str] = []
    excluding: list[str] = []
    for item in files:
        (excluding if item.startswith("!") else paths).extend(_braces(plain(item.lstrip("!"))))
    paths = [path for path in paths if path]
    if not paths:
        return Shipped()
    script = plain(script_of(command.arguments[1:]) or "")
    if script and not any(_covers(path, script) for path in paths):
        return Shipped()
    always = ["package.json", "LICENSE*", "LICENCE*", "NOTICE*"]
    entries = [plain(text_of(package, "main")), *map(plain, bins_of(package).values())]
    return Shipped(
        tuple(sorted({*paths, *always, *(entry for entry in entries if entry)})),
        tuple(sorted(excluding)),
    )


def _covers(pattern: str, path: str) -> bool:
    pattern = pattern.removesuffix("/**").removesuffix("/*")
    return any(
        fnmatch.fnmatch(str(part), pattern)
        for part in (PurePosixPath(path), *PurePosixPath(path).parents)
    ) or fnmatch.fnmatch(f"{path}.js", pattern)


def _braces(pattern: str) -> list[str]:
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [text for part in found[1].split(",") for text in _braces(f"{head}{part}{tail}")]


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


def _yaml(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"is not YAML: {error}", where=str(path)) from error
    return data if isinstance(data, Mapping) else {}


def _npmrc_says(root: Path, name: str) -> bool:
    path = root / ".npmrc"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return bool(re.search(rf"^\s*{name}\s*(=\s*true\s*)?$", text, re.MULTILINE))


def _names(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


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
