"""The steps of a compile: what is run, what is told to it, what is refused and what is shipped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodesemver
import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import step
from ansible_collections.rootfs.builder.plugins.module_utils.node_build import NodeBuild
from ansible_collections.rootfs.builder.plugins.module_utils.node_shipped import Rules
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError

BUILD = {"directory": ".", "script": "build"}


class Tools:
    """A container's tools: what they were told, node's semver, and a compiler of TypeScript."""

    def __init__(self, node: str = "20.19.2", npm: str = "9.2.0", fails: str = "") -> None:
        self.node, self.npm, self.fails = node, npm, fails
        self.not_found: list[str] = []
        self.ran: list[str] = []
        self.told: list[dict[str, str]] = []

    def __call__(
        self,
        command: list[str],
        directory: str,  # noqa: ARG002 - as the module calls it
        environment: dict[str, str],
    ) -> tuple[int, str, str]:
        if command[1] == "-e" and "transpileModule" in command[2]:
            if not self.not_found:
                Path(command[3]).rename(Path(command[3]).with_suffix(".js"))
            return 0, json.dumps(self.not_found), ""
        if command[1] == "-e":
            pairs = json.loads(command[3])
            met = [
                nodesemver.satisfies(version or self.node, wanted, loose=True)
                for version, wanted in pairs
            ]
            return 0, json.dumps({"version": self.node, "met": met}), ""
        if command[1:] == ["--version"] and command[0].endswith("/node"):
            return 0, f"v{self.node}\n", ""
        if command == ["npm", "--version"]:
            return 0, f"{self.npm}\n", ""
        self.ran.append(" ".join(command))
        self.told.append(environment)
        return int(self.ran[-1] == self.fails), "", ""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app"


def package(directory: Path, **said: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "package.json").write_text(json.dumps({"name": directory.name, **said}))
    return directory


def build(app: Path, tools: Tools, base: Mapping[str, str] | None = None, **said: Any) -> NodeBuild:
    project = {
        "directory": ".",
        "node": "/usr/bin/node",
        "node_range": "",
        "package_manager": {"name": "npm", "version": "", "lock": "", "lock_version": ""},
        "command": {"arguments": [], "program": "", "given": False, "whole": False},
        "workspaces": [],
        "builds": [],
        "typescript": False,
        "scripts_policy": {"everyone": True, "only": [], "never": []},
        "shipped": {"paths": [], "excluding": []},
        **said,
    }
    return NodeBuild(app, project, tools, base or {}, registry="")


def manager(name: str, version: str = "", lock: str = "") -> dict[str, Any]:
    return {"package_manager": {"name": name, "version": version, "lock": lock, "lock_version": ""}}


# Which node, which package manager


def test_what_wants_another_node_than_this_is_named(app: Path) -> None:
    package(app, dependencies={"undici": "^8", "ms": "2"})
    package(app / "node_modules" / "undici", version="8.0.0", engines={"node": ">=22.19.0"})
    package(app / "node_modules" / "ms", version="2.0.0", engines={"node": ">=4"})
    step = build(app, Tools())
    step.fetch()
    assert step.warnings == [
        "this is node 20.19.2, but undici@8.0.0 wants >=22.19.0: set engines.node of package.json,"
        " or stack_node_version"
    ]


def test_the_node_of_the_build_image_is_one_that_the_project_wants(app: Path) -> None:
    package(app)
    with pytest.raises(StepError) as raised:
        build(app, Tools(), node_range=">=22").fetch()
    assert raised.value.what == "the node of the build image is 20.19.2, the project wants >=22"


@pytest.mark.parametrize(
    ("wanted", "fetched"),
    [
        ("", ""),
        ("9.2.0", ""),
        (">=9", ""),
        (">=10", "npm@10"),
        ("10.8.2", "npm@10.8.2"),
        (">=11.3", "npm@11"),
        ("~11.3.0", "npm@~11.3.0"),
    ],
)
def test_npm_is_fetched_where_the_one_at_hand_will_not_do(
    app: Path, wanted: str, fetched: str
) -> None:
    tools = Tools()
    build(package(app), tools, **manager("npm", wanted)).fetch()
    assert [line.split()[-1] for line in tools.ran[:-1]] == ([fetched] if fetched else [])


# What is fetched


def test_a_dependency_that_was_not_fetched_is_an_error(app: Path) -> None:
    package(
        app, dependencies={"shared": "file:shared", "lib": "*"}, optionalDependencies={"lib": "*"}
    )
    (app / "node_modules").mkdir()
    (app / "node_modules" / "shared").symlink_to("../shared")
    with pytest.raises(StepError) as raised:
        build(app, Tools()).fetch()
    assert raised.value.lines == ("app depends on shared (file:shared)",)
    assert ".dockerignore" in raised.value.hint


def test_a_workspace_that_dockerignore_hides_is_none(app: Path) -> None:
    package(app, workspaces=["apps/*"])
    package(app / "apps" / "api")
    workspaces = [
        {"name": name, "directory": f"apps/{name}", "shipped": {"paths": [], "excluding": []}}
        for name in ("api", "hidden")
    ]
    step = build(app, Tools(), workspaces=workspaces)
    step.fetch()
    assert not [path for path in step.finish(Rules())["files"] if "hidden" in path]


# Scripts


def test_install_scripts_that_the_project_does_not_let_run_are_named(app: Path) -> None:
    package(app, dependencies={"addon": "1", "core-js": "3", "ms": "2"})
    package(app / "node_modules" / "addon")
    (app / "node_modules" / "addon" / "binding.gyp").touch()
    package(app / "node_modules" / "core-js", scripts={"postinstall": "node greet"})
    package(app / "node_modules" / "ms", scripts={"test": "jest"})
    policy = {"everyone": False, "only": [], "never": ["core-js"]}
    step = build(app, Tools(), scripts_policy=policy, **manager("pnpm", "10.1.0"))
    assert step.scripts([], offline=True) == []
    assert step.warnings == [
        "the install scripts of addon do not run, as the project does not let them: name those"
        " that are needed in onlyBuiltDependencies of pnpm-workspace.yaml"
    ]


def test_a_build_that_fails_says_how_to_do_without_it(app: Path) -> None:
    package(app, scripts={"build": "rollup -c"})
    step = build(app, Tools(fails="npm run build"), builds=[BUILD])
    with pytest.raises(StepError, match=r"the build script failed \(exit code 1\)") as raised:
        step.build(offline=True)
    assert raised.value.hint == (
        "stack_node_build: false takes it as it is, where it is built already"
    )


def test_a_hook_that_fails_says_how_to_do_without_it(app: Path) -> None:
    package(app, scripts={"postinstall": "./gen.sh"})
    with pytest.raises(StepError, match=r"the postinstall script failed") as raised:
        build(app, Tools(fails="sh -c ./gen.sh")).scripts(["postinstall"], offline=True)
    assert raised.value.hint.startswith("stack_node_hooks: [] passes over")


def test_a_hook_that_is_for_development_is_passed_over(app: Path) -> None:
    package(app, scripts={"postinstall": "npx husky install"})
    step = build(app, Tools(), {"PATH": "/nowhere"})
    assert step.scripts(["postinstall"], offline=True) == []
    assert step.warnings == [
        "the postinstall script of app was not run, as husky is not installed: npx husky install"
    ]


# Secrets


def test_scripts_see_nothing_in_place_of_a_secret_that_the_settings_name(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "NPM_TOKEN").write_text("secret\n")
    monkeypatch.setattr(step, "SECRETS", secrets)
    package(app, scripts={"build": "tsc", "postinstall": "./assets.js"})
    (app / ".npmrc").write_text("//npm.example.org/:_authToken=${NPM_TOKEN}\n")
    (app / ".yarnrc.yml").write_text(
        "npmAuthToken: ${NPM_TOKEN}\nnpmRegistryServer: ${MIRROR-https://npm.example.org}\n"
        "cacheFolder: ${HOME}/cache\n"
    )
    tools = Tools()
    building = build(
        app,
        tools,
        {"HOME": "/root"},
        builds=[BUILD],
        **manager("yarn", "4.5.0"),
    )
    building.fetch()
    building.scripts(["postinstall"], offline=True)
    building.build(offline=True)
    _, fetch, script, built = tools.told
    assert fetch["NPM_TOKEN"] == "secret"
    assert script["NPM_TOKEN"] == built["NPM_TOKEN"] == ""
    assert not {"MIRROR", "HOME"} & {*script, *built}


# What is run


def test_a_program_that_the_build_made_is_the_entry_point_where_it_is_all(app: Path) -> None:
    (package(app) / "dist").mkdir()
    (app / "dist" / "cli").write_text("#!/usr/bin/env node\n")
    command = {"arguments": ["./dist/cli"], "program": "./dist/cli", "given": False}
    words = ["/usr/bin/node", f"{app}/dist/cli"]
    for whole, said in ((True, (words, [])), (False, ([], words))):
        found = build(app, Tools(), command={**command, "whole": whole}).finish(Rules())
        assert (found["entrypoint"], found["command"]) == said


# What is shipped

RULES = Rules(
    excluding=("**/.env",),
    typescript=("**/*.ts",),
    dependencies=("**/CHANGELOG.md",),
    types=("**/*.d.ts",),
    configurations=("next.config.ts",),
    build_only=({"package": "@next/swc-*", "unless": "next.config.*ts"},),
)


@pytest.mark.parametrize(
    ("builds", "typescript", "excluded"),
    [([BUILD], True, True), ([BUILD], False, False), ([], True, False)],
)
def test_typescript_is_left_out_where_a_build_compiled_it_and_nothing_reads_it(
    app: Path, builds: list[dict[str, str]], typescript: bool, excluded: bool
) -> None:
    step = build(package(app), Tools(), builds=builds, typescript=typescript)
    assert (f"{app}/**/*.ts" in step.finish(RULES)["excluding"]) is excluded


def test_a_video_that_has_the_suffix_of_typescript_is_shipped(app: Path) -> None:
    package(app)
    for name in ("media/0.ts", "src/index.ts", "src/[id].ts", "node_modules/a/b.ts"):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("export {}\n" * 100)
    (app / "media" / "0.ts").write_bytes((b"\x47" + bytes(187)) * 3)
    step = build(app, Tools(), builds=[BUILD], typescript=True)
    excluding = step.finish(RULES)["excluding"]
    assert {f"{app}/src/index.ts", f"{app}/src/[id].ts"} < set(excluding)
    assert not [glob for glob in excluding if "*.ts" in glob or "media" in glob]


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("src/index.ts", ["src/index.ts"]),
        ("-r ./lib --env-file=conf/env src/index", ["lib/index.js", "src/index.ts"]),
        ("node_modules/a/index.js", ["node_modules/a/index.js"]),
        ("-r a /srv/index.js", []),
    ],
)
def test_what_is_started_is_named_so_that_the_image_can_be_seen_to_have_it(
    app: Path, line: str, files: list[str]
) -> None:
    package(app, dependencies={"a": "*"})
    package(app / "node_modules" / "a")
    for name in ("src/index.ts", "lib/index.js", "conf/env", "node_modules/a/index.js"):
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).touch()
    command = {"arguments": ["/usr/bin/node", *line.split()], "program": "", "given": False}
    found = build(app, Tools(), command={**command, "whole": False}).finish(RULES)
    assert found["scripts"] == [f"{app}/{file}" for file in files]


@pytest.mark.parametrize(
    ("field", "globs"),
    [
        ("dependencies", ["**/CHANGELOG.md"]),
        ("devDependencies", ["**/CHANGELOG.md", "**/*.d.ts"]),
    ],
)
def test_types_are_shipped_where_the_compiler_that_reads_them_is(
    app: Path, field: str, globs: list[str]
) -> None:
    package(app, **{field: {"typescript": "5"}})
    package(app / "node_modules" / "typescript")
    assert build(app, Tools()).finish(RULES)["dependencies_excluding"] == globs


@pytest.fixture
def next_app(app: Path) -> Path:
    package(app, dependencies={"next": "15"}, devDependencies={"typescript": "5", "eslint": "9"})
    package(app / "node_modules" / "next", optionalDependencies={"@next/swc-linux": "15"})
    package(app / "node_modules" / "@next" / "swc-linux", name="@next/swc-linux")
    package(app / "node_modules" / "typescript")
    package(app / "node_modules" / "eslint")
    (app / "next.config.ts").touch()
    return app


def installed(app: Path) -> list[str]:
    return sorted(
        str(path.parent.relative_to(app / "node_modules"))
        for path in (app / "node_modules").rglob("package.json")
    )


def test_a_configuration_is_compiled_once_so_that_no_compiler_is_shipped(next_app: Path) -> None:
    step = build(next_app, Tools(), builds=[BUILD], typescript=True)
    assert f"{next_app}/**/*.ts" in step.finish(RULES)["excluding"]
    assert installed(next_app) == ["next"]
    assert (next_app / "next.config.js").is_file()
    assert step.warnings == []


def test_a_configuration_that_cannot_be_compiled_keeps_the_compiler_and_what_it_reads(
    next_app: Path,
) -> None:
    tools = Tools()
    tools.not_found = ["@/env"]
    step = build(next_app, tools, builds=[BUILD], typescript=True)
    found = step.finish(RULES)
    assert f"{next_app}/**/*.ts" not in found["excluding"]
    assert "**/*.d.ts" in found["dependencies_excluding"]
    assert installed(next_app) == ["@next/swc-linux", "next", "typescript"]
    assert step.warnings == [
        "next.config.ts is compiled at every start, and its compiler is shipped: as JavaScript it"
        " would not find @/env. Write it in JavaScript for a far smaller image"
    ]


def test_a_configuration_in_javascript_is_the_one_that_is_read(next_app: Path) -> None:
    (next_app / "next.config.mjs").touch()
    step = build(next_app, Tools(), builds=[BUILD], typescript=True)
    assert f"{next_app}/**/*.ts" in step.finish(RULES)["excluding"]
    assert installed(next_app) == ["next"]
    assert not (next_app / "next.config.js").exists()


def test_a_node_that_no_package_brings_is_a_component(app: Path) -> None:
    package(app)
    own = {"node": "/usr/local/bin/node", "toolchain": "^22"}
    assert build(app, Tools(node="22.1.0"), **own).finish(Rules())["components"] == [
        {
            "type": "generic",
            "name": "node",
            "version": "22.1.0",
            "licence": "MIT",
            "paths": ["/usr/local/bin/node"],
        }
    ]
    assert build(app, Tools()).finish(Rules())["components"] == []
