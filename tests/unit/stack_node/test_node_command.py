"""The command of an image: what ``npm start`` would run, without npm and without a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import (
    Command,
    command_of,
)

from rootfs_ansible.errors import InputError

NODE = "/usr/bin/node"


def started(line: str, **package: Any) -> Command:
    scripts = {"start": line, **package.pop("scripts", {})}
    return command_of({"scripts": scripts, **package}, Path("/nowhere"))


def refused(line: str, **package: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        started(line, **package)
    return raised.value


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("node server.js", "server.js"),
        ("nodejs server", "server"),
        ("exec node server.js", "server.js"),
        ("dumb-init -- node server.js", "server.js"),
        ("node --no-warnings ./dist/index.js", "--no-warnings ./dist/index.js"),
        ("node -r dotenv/config server.js", "-r dotenv/config server.js"),
        ("node .", "."),
        ("./bin/www.js", "bin/www.js"),
        ("npm run serve", "serve.js --fast"),
        ("npm run serve -- --port 80", "serve.js --fast --port 80"),
        ("npm run -s serve", "serve.js --fast"),
        ("yarn serve", "serve.js --fast"),
        ("yarn run serve --port 80", "serve.js --fast --port 80"),
        ("pnpm serve", "serve.js --fast"),
        ("pnpm run serve", "serve.js --fast"),
        ("npx shop", "cli.js"),
        ("shop --all", "cli.js --all"),
    ],
)  # fmt: skip
def test_node_itself_is_started(line: str, arguments: str) -> None:
    command = started(
        line,
        name="shop",
        bin="./cli.js",
        scripts={"serve": "node serve.js --fast"},
        dependencies={"dotenv": "*"},
    )
    assert command.arguments == (NODE, *arguments.split())
    assert command.program == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("node 'my app.js'", ["my app.js"]),
        ('node "my app.js" --name="The Shop"', ["my app.js", "--name=The Shop"]),
        (r"node my\ app.js", ["my app.js"]),
        ("node app.js '$HOME and *'", ["app.js", "$HOME and *"]),
        ('node app.js "" end', ["app.js", "", "end"]),
        ("node app.js --url=http://x/#a", ["app.js", "--url=http://x/#a"]),
    ],
)
def test_quotes_are_those_of_a_shell(line: str, words: list[str]) -> None:
    assert started(line).arguments == (NODE, *words)


@pytest.mark.parametrize(
    "line",
    [
        "NODE_ENV=production PORT=80 node server.js",
        "env NODE_ENV=production PORT=80 node server.js",
        "cross-env NODE_ENV=production PORT=80 node server.js",
        "NODE_ENV=production cross-env PORT=80 node server.js",
        "PORT=80 npm run production",
    ],
)
def test_assignments_become_environment(line: str) -> None:
    command = started(line, scripts={"production": "NODE_ENV=production node server.js"})
    assert command.environment == (("NODE_ENV", "production"), ("PORT", "80"))
    assert command.arguments == (NODE, "server.js")


@pytest.mark.parametrize(
    "line",
    [
        "next start -p 80",
        "npx next start -p 80",
        "npx --no-install next start -p 80",
        "yarn next start -p 80",
        "pnpm exec next start -p 80",
        "npm exec -- next start -p 80",
        "./node_modules/.bin/next start -p 80",
        "npm run web",
    ],
)
def test_the_program_of_a_dependency_is_left_to_the_build_container(line: str) -> None:
    command = started(line, scripts={"web": "next start -p 80"}, dependencies={"next": "^14.0.0"})
    assert command.program == "next"
    assert command.arguments == ("next", "start", "-p", "80")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("tsc && node dist/index.js", "joins commands with &&"),
        ("node a.js || node b.js", "joins commands with ||"),
        ("node a.js | tee log", "joins commands with |"),
        ("node a.js; echo done", "joins commands with ;"),
        ("node a.js &", "starts a second command with &"),
        ("node server.js --port $PORT", "expands a variable"),
        ('node server.js "--port=${PORT:-80}"', "expands a variable"),
        ("node `cat name`", "runs a command in backticks"),
        ("node server.js > log", "redirects its output"),
        ("node server.js 2>&1", "redirects its output"),
        ("node server.js < list", "redirects its input"),
        ("(node server.js)", "opens a subshell"),
        ("node dist/*.js", "expands *"),
        ("node ~/server.js", "expands ~"),
        ("node 'server.js", "has a quote that is not closed"),
        ("sh run.sh", "runs sh"),
        ("./run.sh", "runs ./run.sh"),
        ("./bin/server", "runs ./bin/server, which is no JavaScript"),
        ("python3 server.py", "runs python3"),
        ("cd dist", "runs cd"),
        ("npm ci", "runs npm ci"),
    ],
)
def test_what_only_a_shell_can_run_is_refused(line: str, why: str) -> None:
    error = refused(line)
    assert error.what == f"scripts.start {why}, and the image has no shell: {line!r}"
    assert "rootfs_command" in error.hint


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("tsc && node dist/index.js", "set rootfs_command: [node, dist/index.js]"),
        (
            "npm run build; NODE_ENV=production node dist --all",
            "set rootfs_command: [node, dist, --all] and rootfs_env: {NODE_ENV: 'production'}",
        ),
        (
            "next start -p $PORT",
            "set rootfs_command to what it starts (such as [node, dist/index.js])",
        ),
    ],
)
def test_a_refusal_says_what_to_set(line: str, hint: str) -> None:
    assert refused(line).hint == hint


def test_a_refusal_points_to_the_script_that_is_meant_for_production() -> None:
    error = refused(
        "nest start",
        scripts={"start:prod": "node dist/main"},
        devDependencies={"nest": "*"},
    )
    assert error.what == "scripts.start: nest is a development dependency, which is not shipped"
    assert error.hint.endswith("; scripts.start:prod says [node, dist/main]")


@pytest.mark.parametrize(
    "line",
    [
        "tsx src/index.ts",
        "node -r ts-node/register src/index.ts",
        "node --import=tsx src/index.ts",
        "nodemon server.js",
    ],
)
def test_development_dependencies_do_not_start_an_image(line: str) -> None:
    error = refused(line, devDependencies={"tsx": "*", "ts-node": "*", "nodemon": "*"})
    assert "is a development dependency, which is not shipped" in error.what


def test_what_compiles_at_run_time_may_be_a_dependency() -> None:
    command = started("tsx src/index.ts", dependencies={"tsx": "*"})
    assert command.program == "tsx"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("npm start", "scripts.start: runs itself (start → start)"),
        ("npm run other", "scripts.start: npm run other: there is no such script"),
        ("node --trace-warnings", "scripts.start: node is told nothing to run"),
        ("NODE_ENV=production", "scripts.start: runs nothing"),
    ],
)
def test_a_script_that_starts_nothing_is_refused(line: str, what: str) -> None:
    assert refused(line).what == what


def test_a_script_that_starts_a_workspace_says_which_to_build() -> None:
    error = refused("npm start -w apps/api")
    assert error.hint == "set stack_node_workspace: apps/api"
    assert refused("pnpm --filter=api start").hint == "set stack_node_workspace: api"


def found(directory: Path, package: dict[str, Any], *files: str) -> Command:
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    return command_of(package, directory)


def test_without_a_start_script_main_is_started(tmp_path: Path) -> None:
    command = found(tmp_path, {"main": "./lib/app"}, "lib/app.js", "server.js")
    assert command == Command((NODE, "lib/app"), origin="main")


def test_main_may_be_made_by_the_build(tmp_path: Path) -> None:
    package = {"main": "dist/app.js", "scripts": {"build": "tsc"}}
    assert found(tmp_path, package).arguments == (NODE, "dist/app.js")


def test_without_main_it_is_server_js_as_with_npm_then_index_js(tmp_path: Path) -> None:
    assert found(tmp_path, {}, "index.js").arguments == (NODE, "index.js")
    assert found(tmp_path, {}, "index.js", "server.js").arguments == (NODE, "server.js")


def test_a_program_is_started_by_its_bin(tmp_path: Path) -> None:
    package = {"name": "@shop/shop", "bin": {"shop": "./cli.js", "shop-admin": "admin.js"}}
    assert found(tmp_path, package) == Command((NODE, "cli.js"), origin="bin.shop")


def test_several_programs_and_no_start_script_are_a_choice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="several programs in bin"):
        found(tmp_path, {"name": "shop", "bin": {"a": "a.js", "b": "b.js"}})


def test_nothing_to_start_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing says how it starts") as raised:
        found(tmp_path, {"name": "shop"})
    assert "rootfs_command" in raised.value.hint


def test_a_main_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"main: lib/app\.js does not exist"):
        found(tmp_path, {"main": "lib/app.js"})
