"""The steps that compile a Node project in its build container.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.rootfs.builder.plugins.module_utils import (
    node_advice,
    node_engines,
    node_fetch,
    node_hooks,
    node_settings,
    node_shims,
    node_tools,
    node_transpile,
    node_tree,
)
from ansible_collections.rootfs.builder.plugins.module_utils.node_scripts import Policy
from ansible_collections.rootfs.builder.plugins.module_utils.node_shipped import (
    TYPESCRIPT,
    Rules,
    present,
    sources,
)
from ansible_collections.rootfs.builder.plugins.module_utils.node_start import Start
from ansible_collections.rootfs.builder.plugins.module_utils.node_tree import Package, Selection
from ansible_collections.rootfs.builder.plugins.module_utils.step import Run, StepError


class NodeBuild:
    """One project in one build container."""

    def __init__(
        self,
        prefix: Path,
        project: Mapping[str, Any],
        run: Run,
        base: Mapping[str, str],
        *,
        registry: str,
    ) -> None:
        self.prefix = prefix
        self.warnings: list[str] = []
        self._project = project
        self._run_command = run
        self._base = base
        self._app = (prefix / project["directory"]).resolve()
        self._start = Start(prefix.resolve(), self._app, project)
        manager = project["package_manager"]
        self._manager = node_tools.Manager(
            manager["name"], manager["version"], manager["lock"], manager["lock_version"]
        )
        node = Path(project["node"])
        self._environment = node_tools.environment(
            base, prefix=str(node.parent.parent), registry=registry, manager=self._manager
        )
        self._path = f"{node_tools.TOOLS}/bin:{base.get('PATH', '')}"
        policy = project["scripts_policy"]
        self._policy = Policy(
            policy["everyone"], frozenset(policy["only"]), frozenset(policy["never"])
        )
        self._engines = node_engines.Engines(project["node"], self._run)

    # Steps

    def fetch(self) -> None:
        """Fetch the dependencies with no script run, and leave only those that are needed."""
        self._check_node()
        self._install_manager()
        secret = node_settings.secret_environment()
        command = self._manager.fetch(development=self._development)
        # Where neither a lock file nor a build wants them.
        without = not self._manager.lock and not self._development
        with node_fetch.without_development(self._homes if without else ()):
            code, output, errors = self._run(command, self.prefix, {"CI": "true", **secret})
        if code:
            lines = node_advice.cleaned(output, errors)
            raise StepError(
                f"{' '.join(command[:2])} failed",
                "the dependencies could not be fetched",
                lines,
                node_advice.fetch_advice(self._manager, lines),
            )
        selection = self._select(development=self._development)
        node_fetch.check(selection)
        self.warnings += self._engines.unserved(selection.installed)
        node_tree.prune(self.prefix, selection, final=False)
        self._start.check_dependency()

    def scripts(self, hooks: Iterable[str], *, offline: bool) -> list[str]:
        """Run the install scripts of the dependencies, then the project's own ``hooks``."""
        selection = self._select(development=self._development)
        ran: list[str] = []
        failed: dict[Path, str] = {}
        required = self._select(development=self._development, optional=False).packages
        self.warnings += self._policy.silenced(selection.installed, self._manager.name)
        for package in selection.installed:
            if not self._policy.lets(package):
                continue
            for event in node_tree.INSTALL_SCRIPTS:
                if event not in package.scripts:
                    continue
                try:
                    self._script(package, event, offline=offline)
                except StepError as error:
                    if package.directory in required:
                        raise
                    failed[package.directory] = f"{error.what}: {error.lines[-1:]}"
                    break
                ran.append(f"{package.name} {event}")
        self._remove_failed(selection, failed)
        node_shims.relink(self._homes)
        wanted = set(hooks)
        for package in selection.local:
            for event in (name for name in node_tree.INSTALL_SCRIPTS if name in wanted):
                if event in package.scripts and self._has_programs(package, event):
                    self._script(package, event, offline=offline)
                    ran.append(f"{package.name} {event}")
        return ran

    def build(self, *, offline: bool) -> list[str]:
        """Run the build scripts with the project's own package manager."""
        ran = []
        for item in self._project["builds"]:
            directory = (self.prefix / item["directory"]).resolve()
            script = item["script"]
            package = node_tree.read(directory)
            told = self._unset()
            told["PATH"] = node_tools.program_path(str(directory), self._path)
            command = (self._manager.name, "run", script)
            code, output, errors = self._run(command, directory, told)
            if code:
                lines = node_advice.cleaned(output, errors)
                advice = node_advice.script_advice(package.name, lines, offline=offline)
                built = "stack_node_build: false takes it as it is, where it is built already"
                raise StepError(
                    f"the {script} script failed (exit code {code}): {package.scripts[script]}",
                    package.name,
                    lines,
                    f"{advice}; {built}" if advice else built,
                )
            ran.append(f"{package.name} {script}")
        return ran

    def finish(self, rules: Rules) -> dict[str, Any]:
        """Leave what production needs, and return what the image runs and ships."""
        typescript = node_tree.locate(TYPESCRIPT, self._app, self.prefix.resolve())
        in_typescript = self._compile_configurations(rules)
        selection = self._select(development=False)
        is_typed = TYPESCRIPT in {package.name for package in selection.installed}
        if self._project["builds"]:
            for pattern in rules.only_built(self._app):
                selection.drop(pattern)
        if in_typescript and typescript:
            selection.add(typescript, self.prefix)
        node_tree.prune(self.prefix, selection, final=True)
        compiled = self._project["builds"] and self._project["typescript"] and not in_typescript
        excluded = {f"{home.resolve()}/node_modules" for home in self._homes}
        paths: set[str] = set()
        for package in selection.local:
            shipped = self._shipped(package)
            shipped["paths"] = present(package.directory, shipped["paths"])
            if package.directory == self._app and rules.files:
                shipped = {"paths": list(rules.files), "excluding": []}
            paths |= {f"{package.directory}/{path}" for path in shipped["paths"]} or {
                str(package.directory)
            }
            excluding = [*shipped["excluding"], *rules.excluding]
            excluding += sources(package.directory, rules.typescript) if compiled else ()
            excluded |= {f"{package.directory}/{glob}" for glob in excluding}
        words = self._start.command()
        whole = self._project["command"]["whole"]
        return {
            "entrypoint": words if whole else [],
            "command": [] if whole else words,
            "scripts": self._start.scripts(),
            "dependencies": [
                str(path) for path in node_tree.modules_directories(self.prefix, selection)
            ],
            "dependencies_excluding": [*rules.dependencies, *(() if is_typed else rules.types)],
            "files": sorted(paths),
            "excluding": sorted(excluded),
            "components": self._upstream(),
        }

    # Parts

    def _upstream(self) -> list[dict[str, Any]]:
        """Return node itself as a component, where it is no package of the distribution."""
        node = self._project["node"]
        if not self._project.get("toolchain"):
            return []
        code, output, _ = self._run((node, "--version"), Path("/"), {})
        version = output.strip().removeprefix("v")
        found = {"type": "generic", "name": "node", "version": version, "licence": "MIT"}
        return [{**found, "paths": [node]}] if code == 0 and version else []

    def _compile_configurations(self, rules: Rules) -> bool:
        """Compile the app's configurations; say whether one of them stays in TypeScript."""
        if not self._project["builds"]:
            return False
        compiled = node_transpile.compile_configurations(
            self._app,
            rules.configurations,
            str(node_tree.read(self._app).manifest.get("type", "")),
            self._run,
            self._project["node"],
        )
        self.warnings += compiled.warnings
        return bool(compiled.kept)

    @property
    def _development(self) -> bool:
        return bool(self._project["builds"])

    @property
    def _homes(self) -> list[Path]:
        """The directories of the root and of its workspaces."""
        return [self.prefix, *(self.prefix / item["directory"] for item in self._workspaces())]

    def _workspaces(self) -> list[dict[str, Any]]:
        """Return the workspaces that came with the sources; .dockerignore may hide some."""
        return [
            item
            for item in self._project["workspaces"]
            if (self.prefix / item["directory"] / "package.json").is_file()
        ]

    def _select(self, *, development: bool, optional: bool = True) -> Selection:
        """Return what the app needs; a root needs its workspaces, as npm has it."""
        starts = [self._app]
        if self._app == self.prefix.resolve():
            starts += [(self.prefix / item["directory"]).resolve() for item in self._workspaces()]
        elif development:
            starts.append(self.prefix.resolve())
        return node_tree.select(
            self.prefix, tuple(starts), development=development, optional=optional
        )

    def _check_node(self) -> None:
        """See that the node at hand is one the project wants, with npm's own semver."""
        wanted = self._project["node_range"]
        if not wanted:
            return
        version, (served,) = self._engines.judge([("", wanted)])
        if not served:
            raise StepError(
                f"the node of the build image is {version}, the project wants {wanted}",
                hint="set stack_node_distribution_version to the version that the distribution has",
            )

    def _install_manager(self) -> None:
        wanted = self._manager.package
        if wanted and self._manager.name == "npm":
            _, output, _ = self._run(("npm", "--version"), Path("/"), {})
            wanted = self._engines.npm(output.strip() or "0.0.0", self._manager.version)
        if not wanted:
            return
        command = ("npm", "install", "--global", "--ignore-scripts", "--loglevel=http")
        secret = node_settings.secret_environment()
        code, output, errors = self._run(
            (*command, "--prefix", node_tools.TOOLS, wanted), Path("/"), secret
        )
        if code:
            lines = node_advice.cleaned(output, errors)
            raise StepError(
                f"{wanted} could not be fetched",
                "package manager",
                lines,
                "set packageManager of package.json to a version that the registry has and that"
                " runs on this node, or stack_node_version",
            )

    def _unset(self) -> dict[str, str]:
        """Return, as empty, the variables that the project's settings name and that are not set:
        those are secrets, which only the fetch is told."""
        names = node_settings.variables(self._homes)
        return {name: "" for name in names if name not in {**self._base, **self._environment}}

    def _script(self, package: Package, event: str, *, offline: bool) -> None:
        line = package.scripts[event]
        directory = str(package.directory)
        told = self._unset() | node_tools.script_environment(
            package.manifest, event=event, line=line, directory=directory, start=str(self._app)
        )
        told["PATH"] = node_tools.program_path(directory, self._path)
        code, output, errors = self._run(("sh", "-c", line), package.directory, told)
        if code:
            lines = node_advice.cleaned(output, errors)
            advice = node_advice.script_advice(package.name, lines, offline=offline)
            if package.is_local:
                without = "stack_node_hooks: [] passes over the project's own install scripts"
                advice = f"{advice}; {without}" if advice else without
            raise StepError(
                f"the {event} script failed (exit code {code}): {line}",
                package.label,
                lines,
                advice,
            )

    def _has_programs(self, package: Package, event: str) -> bool:
        """Say whether a hook of the project can run with what is installed."""
        line = package.scripts[event]
        path = node_tools.program_path(str(package.directory), self._path)
        program = node_hooks.missing(line, path)
        if program:
            self.warnings.append(
                f"the {event} script of {package.name} was not run, as {program} is not installed:"
                f" {line}"
            )
        return not program

    def _remove_failed(self, selection: Selection, failed: dict[Path, str]) -> None:
        """Remove optional packages that failed, and those that cannot do without them (as npm)."""
        for directory, why in failed.items():
            name = selection.packages[directory].name
            self.warnings.append(f"the optional package {name} is left out: {why}")
        gone = set(failed)
        while gone:
            for directory in gone:
                shutil.rmtree(directory, ignore_errors=True)
            gone = {
                package.directory
                for package in selection.installed
                if package.directory.is_dir()
                for name in package.requirements
                if selection.found.get((package.directory, name)) in gone
            }

    def _shipped(self, package: Package) -> dict[str, list[str]]:
        if package.directory == self._app:
            return dict(self._project["shipped"])
        for item in self._workspaces():
            if (self.prefix / item["directory"]).resolve() == package.directory:
                return dict(item["shipped"])
        return {"paths": [], "excluding": []}

    def _run(
        self, command: Iterable[str], directory: Path, more: Mapping[str, str]
    ) -> tuple[int, str, str]:
        told = {"PATH": self._path, **self._environment, **more}
        return self._run_command(list(command), str(directory), told)
