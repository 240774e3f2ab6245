"""The command of an image: what ``npm start`` would run, without npm and without a shell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_command import (
    Command,
    Member,
    command_of,
)

from rootfs_ansible.errors import InputError

NODE = "/usr/bin/node"

MEMBERS = (
    Member(Path("/nowhere/apps/api"), "apps/api", "@shop/api", starts=True),
    Member(Path("/nowhere/apps/web"), "apps/web", "@shop/web", starts=True),
    Member(Path("/nowhere/packages/lib"), "packages/lib", "@shop/lib", starts=False),
)


def started(
    line: str,
    directory: Path = Path("/nowhere"),
    members: tuple[Member, ...] = (),
    **package: Any,
) -> Command:
    scripts = {"start": line, **package.pop("scripts", {})}
    return command_of({"scripts": scripts, **package}, directory, NODE, members)


def refused(line: str, **said: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        started(line, **said)
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
        ("/usr/bin/node server.js", "server.js"),
        ("node_modules/.bin/node server.js", "server.js"),
        ("node --unhandled-rejections strict server.js",
         "--unhandled-rejections strict server.js"),
        ("node -r ./.pnp.cjs --loader ./.pnp.loader.mjs server.js", "server.js"),
        ("node --run serve", "serve.js --fast"),
        ("./bin/www.js", "bin/www.js"),
        ("npm run serve", "serve.js --fast"),
        ("npm run serve -- --port 80", "serve.js --fast --port 80"),
        ("npm run -s serve", "serve.js --fast"),
        ("npm run serve -s", "serve.js --fast"),
        ("npm run serve -- -s", "serve.js --fast -s"),
        ("npm --silent run serve", "serve.js --fast"),
        ("yarn -s serve -s", "serve.js --fast -s"),
        ("yarn run serve -C cert.pem", "serve.js --fast -C cert.pem"),
        ("yarn node serve.js", "serve.js"),
        ("corepack yarn serve", "serve.js --fast"),
        ("pnpm --silent run serve -r", "serve.js --fast -r"),
        ("pnpm exec node serve.js", "serve.js"),
        ("yarn serve", "serve.js --fast"),
        ("yarn run serve --port 80", "serve.js --fast --port 80"),
        ("pnpm serve", "serve.js --fast"),
        ("pnpm run serve", "serve.js --fast"),
        ("run-s serve", "serve.js --fast"),
        ("npx run-p --silent serve", "serve.js --fast"),
        ("npm-run-all -s serve", "serve.js --fast"),
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
        "npx --yes next start -p 80",
        "npx --no next start -p 80",
        "npx -p next next start -p 80",
        "npx --package=next -- next start -p 80",
        "npx next@14 start -p 80",
        "yarn exec next start -p 80",
        "yarn run -T next start -p 80",
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
        ("npx -c 'next start'", "runs npx -c next start"),
        ("concurrently npm:a npm:b", "runs concurrently, which starts its commands in a shell"),
        ("run-p a b", "runs run-p, which starts npm"),
        ("run-s a", "runs run-s, which starts npm"),
        ("npx npm-run-all -p a b", "runs npm-run-all, which starts npm"),
        ("cross-env-shell A=1 node server.js",
         "runs cross-env-shell, which starts its command in a shell"),
        ("nodemon server.js", "runs nodemon, which looks with ps for what it starts"),
        ("forever server.js",
         "runs forever, which keeps records of its daemons in the home directory"),
        ("pm2 start app.js", "runs pm2 start, which leaves a daemon and ends"),
        ("python3 server.py", "runs python3"),
        ("cd dist", "runs cd"),
        ("npm ci", "runs npm ci"),
    ],
)  # fmt: skip
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
        (
            "npm run compile && node --env-file=.env dist/index.js 'a b'",
            'set rootfs_command: [node, dist/index.js, "a b"]; stack_node_build: [compile] makes'
            " that part of the build",
        ),
        ("npm run build && npm run web", "set rootfs_command: [node, dist/web.js]"),
        ("node server.js 2>&1 | pino-pretty", "set rootfs_command: [node, server.js]"),
        ("node server.js &> log & tail -f log", "set rootfs_command: [node, server.js]"),
        ("PORT=80 nodemon --exitcrash server.js --all",
         "set rootfs_command: [node, server.js, --all] and rootfs_env: {PORT: '80'}"),
        (
            "cd dist && node index.js",
            "set rootfs_command: [node, index.js] and rootfs_workdir to the directory dist of the"
            " image",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_set(line: str, hint: str) -> None:
    scripts = {"build": "tsc", "compile": "tsc", "web": "node dist/web.js"}
    assert refused(line, scripts=scripts).hint == hint


def test_a_refusal_points_to_the_script_that_is_meant_for_production() -> None:
    error = refused(
        "nest start",
        scripts={"start:prod": "node dist/main"},
        devDependencies={"@nestjs/cli": "*"},
    )
    assert error.what == (
        "scripts.start: @nestjs/cli is a development dependency, which is not shipped"
    )
    assert error.hint.endswith("; scripts.start:prod says [node, dist/main]")


def test_production_scripts_that_point_to_each_other_are_no_endless_search() -> None:
    scripts = {"start:prod": "a && npm start", "prod": "c && d", "serve": "serve dist"}
    assert refused("e && f", scripts=scripts).hint == (
        "set rootfs_command to what it starts (such as [node, dist/index.js])"
    )


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("babel-node index.js", "@babel/node"),
        ("dotenv -e .env -- node server.js", "dotenv-cli"),
        ("nest start", "@nestjs/cli"),
        ("swc-node index.ts", "@swc-node/cli"),
    ],
)
def test_a_program_may_have_another_name_than_its_package(line: str, package: str) -> None:
    assert started(line, dependencies={package: "*"}).program == line.split()[0]
    error = refused(line, devDependencies={package: "*"})
    assert error.what.startswith(f"scripts.start: {package} is a development dependency")


def test_a_program_that_nothing_brings_has_the_advice_of_its_script() -> None:
    command = started("mkserve dist", scripts={"start:prod": "node dist"})
    assert command.advice.endswith("to dependencies; scripts.start:prod says [node, dist]")


# Programs of the app itself


def executable(directory: Path, name: str, head: str) -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(head)
    return directory


@pytest.mark.parametrize("line", ["./bin/www --all", "bin/www --all", "shop --all"])
@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("#!/usr/bin/env node\n", ()),
        ("#!/usr/bin/node\n", ()),
        ("#!/usr/bin/env -S node --no-warnings\n", ("--no-warnings",)),
    ],
)
def test_a_program_of_the_app_is_run_as_its_first_line_says(
    tmp_path: Path, line: str, head: str, options: tuple[str, ...]
) -> None:
    command = started(
        line, executable(tmp_path, "bin/www", head), name="shop", bin={"shop": "./bin/www"}
    )
    assert command.arguments == (NODE, *options, "bin/www", "--all")


@pytest.mark.parametrize("line", ["./bin/www", "shop"])
@pytest.mark.parametrize(
    ("head", "why"),
    [("#!/bin/sh\n", "a program of /bin/sh"), ("exec node x\n", "which is no JavaScript")],
)
def test_a_program_of_the_app_that_is_not_nodes_is_refused(
    tmp_path: Path, line: str, head: str, why: str
) -> None:
    directory = executable(tmp_path, "bin/www", head)
    error = refused(line, directory=directory, bin={"shop": "./bin/www"})
    assert error.what.endswith(f"runs ./bin/www, {why}, and the image has no shell: {line!r}")


def test_a_bin_that_is_a_shell_script_is_refused_without_a_start_script(tmp_path: Path) -> None:
    executable(tmp_path, "cli", "#!/bin/sh\n")
    with pytest.raises(InputError, match=r"bin\.shop runs cli, a program of /bin/sh"):
        command_of({"bin": {"shop": "cli"}}, tmp_path)


def test_a_program_of_the_app_may_be_one_of_a_dependencys_interpreter(tmp_path: Path) -> None:
    executable(tmp_path, "cli.ts", "#!/usr/bin/env tsx\n")
    command = started("./cli.ts --all", tmp_path, dependencies={"tsx": "*"})
    assert (command.program, command.arguments) == ("tsx", ("tsx", "cli.ts", "--all"))
    error = refused("./cli.ts", directory=tmp_path, devDependencies={"tsx": "*"})
    assert error.what == "scripts.start: tsx is a development dependency, which is not shipped"


def test_a_program_that_is_not_there_yet_is_left_to_the_build_container() -> None:
    command = started("./dist/server --all")
    assert (command.program, command.arguments) == ("./dist/server", ("./dist/server", "--all"))


# What is not shipped


@pytest.mark.parametrize(
    ("line", "arguments", "dropped"),
    [
        ("node --env-file=.env server.js", "server.js", "--env-file=.env"),
        ("node --env-file .env.production server.js", "server.js", "--env-file .env.production"),
        ("node --env-file-if-exists=.env server.js", "server.js", "--env-file-if-exists=.env"),
        ("node --env-file=conf/web.env server.js", "--env-file=conf/web.env server.js", ""),
    ],
)
def test_an_env_file_that_is_not_shipped_is_not_read(
    line: str, arguments: str, dropped: str
) -> None:
    command = started(line)
    assert command.arguments == (NODE, *arguments.split())
    assert command.dropped == tuple(dropped.split())


@pytest.mark.parametrize(
    "line",
    [
        "tsx src/index.ts",
        "node -r ts-node/register src/index.ts",
        "node --import=tsx src/index.ts",
    ],
)
def test_development_dependencies_do_not_start_an_image(line: str) -> None:
    error = refused(line, devDependencies={"tsx": "*", "ts-node": "*"})
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


# Other packages of the repository


@pytest.mark.parametrize(
    "line",
    [
        "npm start -w apps/api",
        "npm run start --workspace=@shop/api",
        "npm --prefix apps/api start",
        "npm start --prefix ./apps/api",
        "yarn workspace @shop/api start",
        "yarn --cwd apps/api start",
        "pnpm --filter=@shop/api start",
        "pnpm --filter @shop/api... start",
        "pnpm -C apps/api start",
        "npx -w apps/api next start",
        "turbo run start --filter=@shop/api",
        "npx nx run @shop/api:serve",
        "lerna run start --scope @shop/api",
        "yarn api",
        "cd apps/api && npm start",
    ],
)
def test_a_script_that_starts_a_workspace_says_which_to_build(tmp_path: Path, line: str) -> None:
    (tmp_path / "apps" / "api").mkdir(parents=True)
    (tmp_path / "apps" / "api" / "package.json").touch()
    error = refused(
        line,
        directory=tmp_path,
        members=MEMBERS,
        scripts={"api": "yarn workspace @shop/api start"},
        devDependencies={"turbo": "*"},
    )
    assert error.hint == "set stack_node_workspace: apps/api"


def test_a_directory_is_quoted_where_yaml_asks_for_it() -> None:
    members = (Member(Path("/nowhere/@shop/api"), "@shop/api", "api", starts=True),)
    for line in ("npm start -w api", "yarn workspace @shop/api start"):
        assert refused(line, members=members).hint == 'set stack_node_workspace: "@shop/api"'


@pytest.mark.parametrize(
    "line",
    [
        "npm run start --workspaces",
        "npm start -ws",
        "npm start -w apps/api -w apps/web",
        "yarn workspaces foreach -A run start",
        "yarn workspaces run start",
        "pnpm -r start",
        "pnpm run --recursive start",
        "turbo start",
        "nx serve",
        "lerna run start",
    ],
)
def test_a_script_that_starts_several_workspaces_names_those_that_start(line: str) -> None:
    error = refused(line, members=MEMBERS, dependencies={"turbo": "*", "lerna": "*"})
    assert error.what == f"scripts.start: starts another package: {line}"
    assert error.hint == "set stack_node_workspace to one of apps/api, apps/web, or rootfs_command"


@pytest.mark.parametrize(
    "line", ["npm --prefix server start", "yarn --cwd server start", "cd server && npm start"]
)
def test_a_directory_that_is_no_workspace_is_an_app_of_its_own(tmp_path: Path, line: str) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "package.json").touch()
    error = refused(line, directory=tmp_path)
    assert error.hint == f"give that directory as the app: {tmp_path}/server"


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("npx serve -s build", "serve -s build"),
        ("npx serve build -C", "serve build -C"),
        ("npx serve dist -w -r", "serve dist -w -r"),
        ("yarn serve -s dist", "serve -s dist"),
        ("pnpm exec serve -s dist", "serve -s dist"),
        ("pnpm serve dist --filter x", "serve dist --filter x"),
        ("npm exec -- serve -s dist", "serve -s dist"),
        ("npm exec -s serve dist", "serve dist"),
    ],
)
def test_the_options_of_a_program_are_its_own(line: str, arguments: str) -> None:
    command = started(line, dependencies={"serve": "*"})
    assert command.arguments == tuple(arguments.split())


# Without a start script


def found(directory: Path, package: dict[str, Any], *files: str, built: bool = False) -> Command:
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    return command_of(package, directory, built=built)


def test_without_a_start_script_main_is_started(tmp_path: Path) -> None:
    command = found(tmp_path, {"main": "./lib/app"}, "lib/app.js", "server.js")
    assert command == Command((NODE, "lib/app"), origin="main")


def test_main_may_be_the_directory_itself(tmp_path: Path) -> None:
    assert found(tmp_path, {"main": "./"}, "index.js").arguments == (NODE, ".")


def test_main_may_be_made_by_the_build(tmp_path: Path) -> None:
    package = {"main": "dist/app.js", "scripts": {"compile": "tsc"}}
    assert found(tmp_path, package, built=True).arguments == (NODE, "dist/app.js")


def test_without_main_it_is_server_js_as_with_npm_then_index_js(tmp_path: Path) -> None:
    assert found(tmp_path, {}, "index.js").arguments == (NODE, "index.js")
    assert found(tmp_path, {}, "index.js", "server.js").arguments == (NODE, "server.js")


def test_a_program_is_started_by_its_bin(tmp_path: Path) -> None:
    package = {"name": "@shop/shop", "bin": {"shop": "./cli.js", "shop-admin": "admin.js"}}
    assert found(tmp_path, package) == Command((NODE, "cli.js"), origin="bin.shop", whole=True)


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
