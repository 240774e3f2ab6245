"""Package managers: which is fetched, and what it is told."""

from __future__ import annotations

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import node_release, node_tools
from ansible_collections.rootfs.builder.plugins.module_utils.node_tools import Manager


@pytest.mark.parametrize(
    ("manager", "package"),
    [
        (Manager("npm"), ""),
        (Manager("npm", "10.8.2", "package-lock.json", "3"), "npm@10.8.2"),
        (Manager("yarn", "", "yarn.lock", "1"), "yarn@1"),
        (Manager("yarn", "1.22.22", "yarn.lock", "1"), "yarn@1.22.22"),
        (Manager("yarn", "", "yarn.lock", "5"), "@yarnpkg/cli-dist@3.1"),
        (Manager("yarn", "", "yarn.lock", "6"), "@yarnpkg/cli-dist@3"),
        (Manager("yarn", "~3.2.0", "yarn.lock", "6"), "@yarnpkg/cli-dist@~3.2.0"),
        (Manager("yarn", "", "yarn.lock", "8"), "@yarnpkg/cli-dist@4"),
        (Manager("yarn", "4.5.0", "yarn.lock", "8"), "@yarnpkg/cli-dist@4.5.0"),
        (Manager("pnpm", "", "pnpm-lock.yaml", "5.4"), "pnpm@7"),
        (Manager("pnpm", "", "pnpm-lock.yaml", "6.0"), "pnpm@8"),
        (Manager("pnpm", "", "pnpm-lock.yaml", "9.0"), "pnpm@10"),
        (Manager("pnpm"), "pnpm@10"),
        (Manager("pnpm", ">=9 <10", "pnpm-lock.yaml", "9.0"), "pnpm@>=9 <10"),
    ],
)
def test_the_package_manager_is_the_one_that_the_project_or_its_lock_asks(
    manager: Manager, package: str
) -> None:
    assert manager.package == package


@pytest.mark.parametrize(
    ("manager", "development", "command"),
    [
        (Manager("npm", lock="package-lock.json"), False, "npm ci --omit=dev"),
        (Manager("npm", lock="package-lock.json"), True, "npm ci --include=dev"),
        (Manager("npm"), False, "npm install --no-package-lock --omit=dev"),
        (Manager("yarn", "", "yarn.lock", "1"), False, "yarn install --frozen-lockfile"),
        (Manager("yarn", "", "yarn.lock", "4"), False, "yarn install --skip-builds --immutable"),
        (Manager("yarn", "4.5.0", "yarn.lock", "8"), True, "yarn install --immutable"),
        (Manager("yarn", "4.5.0", "yarn.lock", "8"), False, "yarn install --immutable"),
        (Manager("pnpm", "", "pnpm-lock.yaml", "9.0"), False, "pnpm install --frozen-lockfile"),
        (Manager("pnpm"), True, "pnpm install --no-lockfile"),
    ],
)
def test_a_fetch_keeps_to_the_lock_and_runs_no_script(
    manager: Manager, development: bool, command: str
) -> None:
    words = set(manager.fetch(development=development))
    assert set(command.split()) <= words
    assert words & {"--ignore-scripts", "--mode=skip-build", "--skip-builds"}


def test_every_tool_hears_of_the_containers_network_in_its_own_words() -> None:
    told = node_tools.environment(
        {"SSL_CERT_FILE": "/run/ca.pem", "HTTPS_PROXY": "http://proxy.example.org"},
        prefix="/usr",
        registry="https://npm.example.org/",
        manager=Manager("yarn", "4.5.0", "yarn.lock", "8"),
    )
    assert told["NODE_EXTRA_CA_CERTS"] == "/run/ca.pem"
    assert told["npm_config_cafile"] == "/run/ca.pem"
    assert told["YARN_HTTPS_CA_FILE_PATH"] == "/run/ca.pem"
    assert told["YARN_HTTPS_PROXY"] == "http://proxy.example.org"
    assert told["npm_config_registry"] == "https://npm.example.org/"
    assert told["YARN_NPM_REGISTRY_SERVER"] == "https://npm.example.org"
    assert told["npm_config_nodedir"] == "/usr"


@pytest.mark.parametrize(
    ("version", "unknown"),
    [
        ("1.22.22", set()),
        ("2.4.3", {"YARN_HTTPS_CA_FILE_PATH", "YARN_NM_MODE", "YARN_REGISTRY"}),
        ("3.8.5", {"YARN_HTTPS_CA_FILE_PATH", "YARN_REGISTRY"}),
        ("4.5.0", {"YARN_CA_FILE_PATH", "YARN_REGISTRY"}),
    ],
)
def test_yarn_hears_no_setting_that_its_version_refuses(version: str, unknown: set[str]) -> None:
    told = node_tools.environment(
        {"SSL_CERT_FILE": "/run/ca.pem"},
        prefix="/usr",
        registry="https://npm.example.org/",
        manager=Manager("yarn", version),
    )
    assert unknown & set(told) == set()
    assert {"/run/ca.pem"} == {value for name, value in told.items() if "CA_FILE_PATH" in name}


def test_a_script_finds_the_executables_of_every_directory_above_it() -> None:
    assert node_tools.program_path("/app/node_modules/@x/y", "/bin").split(":") == [
        "/app/node_modules/@x/y/node_modules/.bin",
        "/app/node_modules/@x/node_modules/.bin",
        "/app/node_modules/.bin",
        "/bin",
    ]


# Releases of node


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (["22.1.0", "22.10.0", "23.1.0", "24.0.0"], "22.10.0"),
        (["21.0.0", "21.7.3"], "21.7.3"),
        (["23.1.0", "24.0.0-rc.1", "24.1.0"], "24.1.0"),
        ([], ""),
    ],
)
def test_the_newest_release_of_the_lowest_long_term_major_is_taken(
    versions: list[str], chosen: str
) -> None:
    assert node_release.choose(versions) == chosen


def test_what_is_available_is_said_by_the_newest_of_each_major() -> None:
    assert node_release.available(["18.1.0", "18.20.8", "9.9.9", "20.0.0"]) == (
        "9.9.9",
        "18.20.8",
        "20.0.0",
    )


@pytest.mark.parametrize(
    ("node", "npm"), [("22.1.0", "10"), ("23.1.0", "10"), ("24.1.0", "11"), ("26.0.0", "11")]
)
def test_npm_is_the_one_that_comes_with_node(node: str, npm: str) -> None:
    assert node_release.npm_range(node) == npm
