"""Node projects: who they are, who installs them, what is built, what is refused and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.rootfs.builder.plugins.plugin_utils import node_project
from ansible_collections.rootfs.builder.plugins.plugin_utils.node_project import Project, Request

from rootfs_ansible.errors import InputError


def written(directory: Path, package: dict[str, Any] | str, *files: str, **texts: str) -> Path:
    """Write a package.json, by default with a start script, and ``files`` (empty) beside it."""
    directory.mkdir(parents=True, exist_ok=True)
    if isinstance(package, dict):
        package = json.dumps({"scripts": {"start": "node server.js"}, **package})
    (directory / "package.json").write_text(package)
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()
    for name, text in texts.items():
        (directory / name.replace("__", "-").replace("_", ".")).write_text(text)
    return directory


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return tmp_path / "app"


def read(directory: Path, **said: Any) -> Project:
    return node_project.read(directory, Request(**said))


def refused(directory: Path, **said: Any) -> InputError:
    with pytest.raises(InputError) as raised:
        read(directory, **said)
    return raised.value


# Identity


def test_the_image_is_labelled_with_what_package_json_says_of_itself(app: Path) -> None:
    written(
        app,
        {
            "name": "@shop/web",
            "version": "1.2.3",
            "description": "A shop",
            "license": "MIT",
            "author": {"name": "Ada", "email": "ada@example.org"},
            "homepage": "https://shop.example.org",
            "repository": {"type": "git", "url": "git+https://git.example.org/shop/web.git"},
        },
    )
    assert dict(read(app).labels) == {
        "org.opencontainers.image.title": "@shop/web",
        "org.opencontainers.image.version": "1.2.3",
        "org.opencontainers.image.description": "A shop",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.authors": "Ada <ada@example.org>",
        "org.opencontainers.image.url": "https://shop.example.org",
        "org.opencontainers.image.source": "https://git.example.org/shop/web",
    }


@pytest.mark.parametrize(
    ("repository", "url"),
    [
        ("shop/web", "https://github.com/shop/web"),
        ("github:shop/web", "https://github.com/shop/web"),
        ("gitlab:shop/web", "https://gitlab.com/shop/web"),
        ("git@git.example.org:shop/web.git", "https://git.example.org/shop/web"),
        ("git+ssh://git@git.example.org/shop/web.git", "https://git.example.org/shop/web"),
        ("git://git.example.org/web.git", "https://git.example.org/web"),
    ],
)
def test_a_repository_is_labelled_by_its_page(app: Path, repository: str, url: str) -> None:
    labels = dict(read(written(app, {"repository": repository})).labels)
    assert labels == {"org.opencontainers.image.source": url}


def test_old_forms_of_a_licence_are_understood(app: Path) -> None:
    labels = dict(read(written(app, {"licenses": [{"type": "MIT"}, {"type": "ISC"}]})).labels)
    assert labels == {"org.opencontainers.image.licenses": "MIT OR ISC"}


def test_the_program_is_told_what_npm_start_would_tell_it(app: Path) -> None:
    written(app, {"name": "web", "version": "1.0.0", "config": {"port": 8080, "mode": "fast"}})
    assert dict(read(app).environment) == {
        "NODE_ENV": "production",
        "npm_package_name": "web",
        "npm_package_version": "1.0.0",
        "npm_package_config_port": "8080",
        "npm_package_config_mode": "fast",
    }


def test_port_and_volumes_come_from_config(app: Path) -> None:
    found = read(written(app, {"config": {"port": "8080", "volumes": ["data", "/var/cache/web"]}}))
    assert found.ports == ("8080/tcp",)
    assert found.volumes == ("data", "/var/cache/web")
    assert read(written(app, {"config": {"volumes": "data, cache"}})).volumes == ("data", "cache")


# What is wrong


def test_a_directory_without_package_json_says_so(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert error.what == "there is no package.json"
    assert error.where == str(tmp_path)


def test_invalid_json_is_placed_by_line_and_column(app: Path) -> None:
    error = refused(written(app, '{\n  "name": "web",\n  "version": 1.0.0\n}\n'))
    assert error.where == f"{app}/package.json:3:17"
    assert error.what.startswith("is not JSON: ")


def test_json_that_is_no_object_is_refused(app: Path) -> None:
    assert refused(written(app, '["web"]')).what == "is not a JSON object"


def test_all_that_is_wrong_is_said_at_once(app: Path) -> None:
    written(
        app,
        {
            "engines": {"node": "yesterday's"},
            "config": {"port": 123456, "volumes": 7},
            "packageManager": "cargo@1.0.0",
            "scripts": {"start": "tsc && node dist/index.js"},
        },
    )
    error = refused(app)
    assert error.what == "does not say how to build and run it"
    assert error.details == (
        "packageManager: 'cargo@1.0.0' is none of npm, pnpm, yarn (with @VERSION)",
        'engines.node: not a version range: "yesterday\'s"'
        " (set stack_node_version to the versions that it runs on, such as ^22)",
        "scripts.start joins commands with &&, and the image has no shell:"
        " 'tsc && node dist/index.js' (set rootfs_command: [node, dist/index.js])",
        "config.port: not a port: 123456",
        "config.volumes: expected a list of directories, got 7",
    )


# node


@pytest.mark.parametrize(
    ("wanted", "toolchain"),
    [
        ("", ""),
        ("*", ""),
        (">=18", ""),
        ("^18 || ^20", ""),
        ("20.x", ""),
        (">= 14", ""),
        (">=22", ">=22"),
        ("^18.12.0", "^18.12.0"),
        ("20.19.5", "20.19.5"),
    ],
)
def test_the_distributions_node_serves_where_engines_allows_it(
    app: Path, wanted: str, toolchain: str
) -> None:
    found = read(written(app, {"engines": {"node": wanted}}), distribution_version="20.19.2")
    assert found.toolchain == toolchain
    assert found.command.arguments[0] == ("/usr/local/bin/node" if toolchain else "/usr/bin/node")


def test_the_inventory_chooses_another_node(app: Path) -> None:
    written(app, {"engines": {"node": ">=18"}})
    assert read(app, node_range="^24", distribution_version="20.19.2").toolchain == "^24"
    assert refused(app, node_range="new").what == "stack_node_version: not a version range: 'new'"


def test_an_alias_of_nvm_is_no_range_and_the_inventory_can_say_one(app: Path) -> None:
    error = refused(written(app, {"engines": {"node": "lts/*"}}))
    assert error.what == "engines.node: not a version range: 'lts/*'"
    assert error.hint == "set stack_node_version to the versions that it runs on, such as ^22"


def test_a_workspace_wants_the_node_of_its_root_unless_it_says_otherwise(tmp_path: Path) -> None:
    written(tmp_path, {"workspaces": ["*"], "engines": {"node": ">=22"}})
    assert read(written(tmp_path / "a", {})).node_range == ">=22"
    assert read(written(tmp_path / "b", {"engines": {"node": ">=18"}})).node_range == ">=18"


# Package managers and locks


@pytest.mark.parametrize(
    ("lock", "text", "name", "version"),
    [
        ("package-lock.json", '{"lockfileVersion": 3}', "npm", "3"),
        ("npm-shrinkwrap.json", '{"lockfileVersion": 1}', "npm", "1"),
        ("yarn.lock", "# yarn lockfile v1\n", "yarn", "1"),
        ("yarn.lock", "# generated\n\n__metadata:\n  version: 8\n", "yarn", "8"),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "pnpm", "9.0"),
    ],
)
def test_the_lock_file_says_who_installs(
    app: Path, lock: str, text: str, name: str, version: str
) -> None:
    written(app, {})
    (app / lock).write_text(text)
    manager = read(app).package_manager
    assert (manager.name, manager.lock, manager.lock_version) == (name, lock, version)


def test_without_a_lock_npm_installs_and_a_warning_says_that_nothing_is_pinned(app: Path) -> None:
    found = read(written(app, {}))
    assert found.package_manager.name == "npm"
    assert found.warnings == (
        "no lock file of npm: the versions of the dependencies are not pinned, another build may"
        " get others",
    )


def test_the_field_package_manager_decides_between_two_locks(app: Path) -> None:
    written(app, {"packageManager": "pnpm@9.12.0+sha512.abc"}, "yarn.lock", "pnpm-lock.yaml")
    found = read(app)
    assert found.package_manager.name == "pnpm"
    assert found.package_manager.version == "9.12.0"
    assert found.warnings == (
        "more than one lock file: pnpm-lock.yaml is used, not yarn.lock (packageManager decides)",
    )


def test_two_locks_and_no_field_follow_npms_order_with_a_warning(app: Path) -> None:
    written(app, {}, "yarn.lock", package__lock_json="{}")
    found = read(app)
    assert found.package_manager.lock == "package-lock.json"
    assert found.warnings == (
        "more than one lock file: package-lock.json is used, not yarn.lock (set packageManager to"
        " decide otherwise)",
    )


def test_the_lock_of_another_manager_is_not_read(app: Path) -> None:
    found = read(written(app, {"packageManager": "yarn@4.5.0"}, package__lock_json="{}"))
    assert found.package_manager.lock == ""
    assert "no lock file of yarn (package-lock.json is not read)" in found.warnings[0]


def test_a_package_manager_without_an_exact_version_is_refused(app: Path) -> None:
    error = refused(written(app, {"packageManager": "yarn@^4"}))
    assert error.what == "packageManager: 'yarn@^4' has no exact version (such as yarn@1.2.3)"


PNPM_9 = {"pnpm__lock_yaml": "lockfileVersion: '9.0'\n"}
YARN_3 = {"yarn_lock": "__metadata:\n  version: 6\n"}


@pytest.mark.parametrize(
    ("engines", "lock", "version"),
    [
        ({"pnpm": "^9"}, PNPM_9, "^9"),
        ({"pnpm": ">=9"}, PNPM_9, ""),
        ({"pnpm": "^10.2"}, PNPM_9, ""),
        ({"npm": ">=10"}, {"package__lock_json": "{}"}, ">=10"),
        ({"npm": ">=10"}, {}, ">=10"),
        ({"yarn": "~3.2.0"}, YARN_3, "~3.2.0"),
        ({"yarn": "^1.22"}, YARN_3, ""),
        ({"yarn": "please use npm"}, YARN_3, ""),
        ({"yarn": ">=1.22"}, {"yarn_lock": "# yarn lockfile v1\n"}, ""),
    ],
)
def test_engines_say_which_package_manager_where_the_locks_own_is_not_among_them(
    app: Path, engines: dict[str, str], lock: dict[str, str], version: str
) -> None:
    assert read(written(app, {"engines": engines}, **lock)).package_manager.version == version


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ({"_yarnrc_yml": "yarnPath: .yarn/releases/yarn-3.1.1.cjs\n"}, "3.1.1"),
        ({"_yarnrc_yml": "yarnPath: .yarn/releases/yarn-4.0.0-rc.5.cjs\n"}, "4.0.0-rc.5"),
        ({"_yarnrc_yml": "yarnPath: .yarn/releases/yarn-berry.cjs\n"}, ""),
        ({"_yarnrc": 'yarn-path ".yarn/releases/yarn-1.22.19.js"\n'}, "1.22.19"),
    ],
)
def test_a_yarn_that_the_project_brings_says_its_version(
    app: Path, settings: dict[str, str], version: str
) -> None:
    assert read(written(app, {}, **YARN_3, **settings)).package_manager.version == version


def test_a_range_of_pnpms_decides_whose_scripts_run(app: Path) -> None:
    assert read(written(app, {"engines": {"pnpm": "^9"}}, **PNPM_9)).scripts_policy.everyone
    assert not read(written(app, {"engines": {"pnpm": "10.1.x"}}, **PNPM_9)).scripts_policy.everyone


def test_a_lock_that_npm_would_refuse_is_refused_with_every_disagreement(app: Path) -> None:
    lock = {
        "lockfileVersion": 3,
        "packages": {
            "node_modules/express": {"version": "4.19.2"},
            "node_modules/ms": {"version": "2.1.3"},
            "node_modules/fork": {"version": "1.0.0"},
        },
    }
    written(
        app,
        {
            "dependencies": {"express": "^5.0.0", "ms": "^2.0.0", "left-pad": "1.3.0"},
            "devDependencies": {"fork": "github:owner/fork"},
        },
        package__lock_json=json.dumps(lock),
    )
    error = refused(app)
    assert error.what == "package-lock.json does not agree with package.json"
    assert error.details == (
        "package.json: dependencies.express wants ^5.0.0, the lock has 4.19.2",
        "package.json: dependencies.left-pad (1.3.0) is missing from the lock",
    )
    assert error.hint == "run npm install and commit package-lock.json"


@pytest.mark.parametrize(
    "spec",
    [
        "github:owner/name",
        "owner/name",
        "owner/name#v1.0.0",
        "git+ssh://git@git.example.org/owner/name.git",
        "git://git.example.org/name.git",
        "git@git.example.org:owner/name.git",
    ],
)
def test_a_dependency_from_a_git_host_is_named(app: Path, spec: str) -> None:
    (warning, _) = sorted(read(written(app, {"dependencies": {"fork": spec}})).warnings)
    assert warning.startswith(f"dependencies.fork comes from a git repository ({spec})")
    assert "rootfs_build_packages: [git]" in warning


@pytest.mark.parametrize(
    "spec",
    ["^1.0.0", "npm:other@1", "workspace:*", "https://example.org/x.tgz", "latest", "catalog:"],
)
def test_other_dependencies_are_not_taken_for_git(app: Path, spec: str) -> None:
    assert not [
        warning
        for warning in read(written(app, {"dependencies": {"other": spec}})).warnings
        if "git" in warning
    ]


def test_a_link_to_a_directory_that_is_not_there_is_named(app: Path) -> None:
    warnings = read(written(app, {"dependencies": {"lib": "file:lib"}})).warnings
    assert "dependencies.lib: file:lib does not exist" in warnings


@pytest.mark.parametrize("spec", ["file:../lib", "link:../lib", "portal:../lib", "../lib", "/lib"])
def test_what_lies_outside_of_the_sources_is_no_dependency(app: Path, spec: str) -> None:
    error = refused(written(app, {"dependencies": {"lib": spec, "own": "file:./own"}}))
    assert error.what == (
        f"depends on what lies outside of its sources, {app}: dependencies.lib ({spec})"
    )
    assert "a workspace above" in error.hint


def test_what_only_development_links_to_counts_where_it_is_installed(app: Path) -> None:
    package = {"devDependencies": {"lib": "file:../lib"}}
    read(written(app, package))
    start = {"start": "node ."}
    error = refused(written(app, {**package, "scripts": {**start, "build": "tsc"}}))
    assert "devDependencies.lib (file:../lib)" in error.what


def test_a_member_may_depend_on_what_lies_beside_it_in_the_sources(shop: Path) -> None:
    package = {"name": "cms", "dependencies": {"base": "file:../../packages/base"}}
    assert read(written(shop / "apps" / "cms", package)).sources == str(shop)


def test_only_what_decides_node_modules_is_a_manifest(tmp_path: Path) -> None:
    written(tmp_path, {"workspaces": ["apps/*"]}, "server.js", ".npmrc", package__lock_json="{}")
    written(tmp_path / "apps" / "api", {}, "index.js")
    assert read(tmp_path / "apps" / "api").manifests == (
        ".npmrc",
        "apps/api/package.json",
        "package-lock.json",
        "package.json",
    )


# Whose install scripts may run


def test_everyones_scripts_run_unless_the_project_says_otherwise(app: Path) -> None:
    assert read(written(app, {})).scripts_policy.everyone
    (app / ".npmrc").write_text("registry=https://registry.example.org/\nignore-scripts=true\n")
    assert not read(app).scripts_policy.everyone


def test_pnpm_10_runs_the_scripts_that_the_project_names_and_no_others(app: Path) -> None:
    written(app, {"packageManager": "pnpm@10.1.0"}, "pnpm-lock.yaml")
    (app / "pnpm-workspace.yaml").write_text(
        "onlyBuiltDependencies: [esbuild]\nignoredBuiltDependencies: [core-js]\n"
    )
    policy = read(app).scripts_policy
    assert (policy.everyone, policy.only, policy.never) == (False, ("esbuild",), ("core-js",))


def test_earlier_pnpm_runs_everyones_scripts(app: Path) -> None:
    written(
        app,
        {"packageManager": "pnpm@9.1.0", "pnpm": {"neverBuiltDependencies": ["core-js"]}},
        "pnpm-lock.yaml",
    )
    policy = read(app).scripts_policy
    assert (policy.everyone, policy.never) == (True, ("core-js",))


def test_yarn_runs_no_scripts_where_its_settings_say_so(app: Path) -> None:
    written(app, {"dependenciesMeta": {"bcrypt": {"built": True}}}, "yarn.lock")
    (app / ".yarnrc.yml").write_text("enableScripts: false\n")
    policy = read(app).scripts_policy
    assert (policy.everyone, policy.only) == (False, ("bcrypt",))


# Workspaces


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository: the app api needs lib, which is built; web is another app."""
    built = {"build": "tsc"}
    written(tmp_path, {"workspaces": ["apps/*", "packages/*", "!packages/old"], "scripts": {}})
    written(
        tmp_path / "apps" / "api",
        {"name": "api", "dependencies": {"@shop/lib": "*"}, "devDependencies": {"@shop/cfg": "*"}},
    )
    written(tmp_path / "apps" / "web", {"name": "web", "scripts": {**built, "start": "node ."}})
    for name, needs in (("lib", {"@shop/base": "*"}), ("base", {}), ("cfg", {})):
        written(
            tmp_path / "packages" / name,
            {
                "name": f"@shop/{name}",
                "scripts": built if name != "cfg" else {},
                "dependencies": needs,
                "files": ["dist"],
            },
        )
    written(tmp_path / "packages" / "old", {"name": "@shop/old"})
    return tmp_path


def test_the_sources_of_a_member_are_its_whole_repository(shop: Path) -> None:
    found = read(shop / "apps" / "api")
    assert (found.sources, found.directory) == (str(shop), "apps/api")
    assert [item.directory for item in found.workspaces] == [
        "apps/api",
        "apps/web",
        "packages/base",
        "packages/cfg",
        "packages/lib",
    ]


def test_a_member_is_chosen_by_name_or_directory(shop: Path) -> None:
    assert read(shop, workspace="api").directory == "apps/api"
    assert read(shop, workspace="apps/api").name == "api"


def test_an_unknown_workspace_lists_those_that_are_there(shop: Path) -> None:
    error = refused(shop, workspace="shop")
    assert error.what == "there is no workspace 'shop'"
    assert "apps/api: api" in error.details


def test_a_root_without_a_start_script_names_the_members_that_have_one(shop: Path) -> None:
    error = refused(shop)
    assert error.what.endswith("it is a workspace root")
    assert "apps/api, apps/web" in error.hint


def test_pnpm_names_its_workspaces_in_a_file_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, {}, "pnpm-lock.yaml")
    (tmp_path / "pnpm-workspace.yaml").write_text("packages: ['apps/**']\n")
    found = read(written(tmp_path / "apps" / "api", {}))
    assert (found.sources, found.package_manager.name) == (str(tmp_path), "pnpm")


@pytest.mark.parametrize(
    ("patterns", "members"),
    [
        ([".", "apps/*"], ["apps/api", "apps/web"]),
        (["."], []),
        (["./"], []),
        (["apps/{api,cms}", "lib"], ["apps/api", "lib"]),
        (["*", "apps/*", "!apps/{web,cms}"], ["apps/api", "lib"]),
    ],
)
def test_a_pattern_of_workspaces_may_be_the_root_itself_or_have_alternatives(
    tmp_path: Path, patterns: list[str], members: list[str]
) -> None:
    for member in ("apps/api", "apps/web", "lib"):
        written(tmp_path / member, {})
    found = read(written(tmp_path, {"workspaces": patterns}))
    assert [item.directory for item in found.workspaces] == members


def test_a_member_with_a_lock_of_its_own_stands_alone(shop: Path) -> None:
    (shop / "apps" / "api" / "yarn.lock").touch()
    found = read(shop / "apps" / "api")
    assert (found.sources, found.directory) == (str(shop / "apps" / "api"), ".")


def test_a_package_json_above_that_knows_nothing_of_the_app_is_not_its_root(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text("no JSON at all")
    assert read(written(tmp_path / "app", {})).sources == str(tmp_path / "app")


# What is shipped


def test_all_of_the_directory_is_shipped_unless_files_says_otherwise(app: Path) -> None:
    assert read(written(app, {})).shipped.paths == ()


def test_files_decides_what_is_shipped_with_what_npm_always_packs(app: Path) -> None:
    shipped = read(
        written(
            app,
            {
                "files": ["dist/", "./views/**/*.html", "!dist/**/*.{map,ts}"],
                "bin": {"web": "cli.js"},
                "scripts": {"start": "node dist/index.js"},
            },
        )
    ).shipped
    assert shipped.paths == (
        "LICENCE*",
        "LICENSE*",
        "NOTICE*",
        "cli.js",
        "dist",
        "package.json",
        "views/**/*.html",
    )
    assert shipped.excluding == ("dist/**/*.map", "dist/**/*.ts")


@pytest.mark.parametrize(
    ("package", "files", "taken"),
    [
        ({"scripts": {"start": "node server.js"}}, ["lib"], False),
        ({"scripts": {"start": "node ."}, "main": "server.js"}, ["dist"], False),
        ({"scripts": {"start": "node ."}, "main": "./dist/server.js"}, ["dist"], True),
        ({"scripts": {"start": "node ."}}, ["dist"], False),
        ({"scripts": {"start": "node ."}}, ["index.js"], True),
        ({"scripts": {"start": "node dist"}}, ["dist/**"], True),
        ({"scripts": {"start": "node dist"}, "main": "lib/x.js"}, ["dist"], True),
        ({"scripts": {"start": "node -r ./trace.js dist"}}, ["dist"], False),
        ({"scripts": {"start": "node -r dotenv/config dist"}}, ["dist"], True),
        ({"scripts": {"start": "node --env-file=conf/env dist"}}, ["dist"], False),
        ({"scripts": {"start": "./bin/www"}}, ["dist"], False),
        ({"scripts": {"start": "node node_modules/x/cli.js"}}, ["dist"], True),
    ],
)
def test_files_that_leave_the_command_out_were_not_meant_for_the_image(
    app: Path, package: dict[str, Any], files: list[str], taken: bool
) -> None:
    shipped = read(written(app, {**package, "files": files})).shipped
    assert bool(shipped.paths) == taken


def test_a_library_whose_main_lies_outside_of_files_is_shipped_as_a_whole(tmp_path: Path) -> None:
    written(tmp_path, {"workspaces": ["*"]})
    written(tmp_path / "built", {"files": ["dist"], "main": "dist/index.js"})
    written(tmp_path / "plain", {"files": ["dist"], "main": "src/index.js"})
    built, plain = read(tmp_path).workspaces
    assert "dist" in built.shipped.paths
    assert plain.shipped.paths == ()


@pytest.mark.parametrize(
    ("start", "compiled"), [("node dist/index.js", True), ("tsx src/index.ts", False)]
)
def test_typescript_is_compiled_away_unless_the_command_reads_it(
    app: Path, start: str, compiled: bool
) -> None:
    package = {"scripts": {"build": "vite build", "start": start}, "dependencies": {"tsx": "4"}}
    assert read(written(app, package, "tsconfig.json")).typescript is compiled


def test_what_the_lock_of_npm_pins_is_known_by_its_digest(tmp_path: Path) -> None:
    packages = {
        "": {"name": "web"},
        "node_modules/a": {"version": "1.0.0", "integrity": "sha1-x sha512-AAAA sha512-BBBB"},
        "node_modules/a/node_modules/@team/b": {"version": "2.0.0", "integrity": "sha512-CCCC"},
        "node_modules/alias": {"name": "c", "version": "3.0.0", "integrity": "sha512-DDDD"},
        "node_modules/dev": {"version": "1.0.0", "integrity": "sha512-EEEE", "dev": True},
        "node_modules/git": {"version": "1.0.0"},
        "node_modules/member": {"resolved": "member", "link": True},
    }
    (tmp_path / "package.json").write_text('{"name": "web", "scripts": {"start": "node x.js"}}')
    lock = tmp_path / "package-lock.json"
    lock.write_text(json.dumps({"lockfileVersion": 3, "packages": packages}))
    facts = node_project.to_facts(node_project.read(tmp_path), "/app")
    assert facts["locks"] == ["package-lock.json"]
    assert [
        (item["type"], item["name"], item["version"], item["integrity"], *item["paths"])
        for item in facts["components"]
    ] == [
        ("npm", "a", "1.0.0", "sha512-AAAA", "/app/node_modules/a/package.json"),
        ("npm", "@team/b", "2.0.0", "sha512-CCCC",
         "/app/node_modules/a/node_modules/@team/b/package.json"),
        ("npm", "c", "3.0.0", "sha512-DDDD", "/app/node_modules/alias/package.json"),
    ]  # fmt: skip


def test_locks_of_others_are_named_alone(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "web", "scripts": {"start": "node x.js"}}')
    (tmp_path / "pnpm-lock.yaml").write_text("lockfileVersion: '9.0'\n")
    facts = node_project.to_facts(node_project.read(tmp_path), "/app")
    assert (facts["locks"], facts["components"]) == (["pnpm-lock.yaml"], [])
