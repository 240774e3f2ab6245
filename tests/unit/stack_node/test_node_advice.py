"""What is shown of the output of package managers and scripts, and what to do about it."""

from __future__ import annotations

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils import node_advice
from ansible_collections.rootfs.builder.plugins.module_utils.node_tools import Manager

# What is shown of a tool's output


def test_output_is_shown_without_colours_and_without_what_says_nothing() -> None:
    assert node_advice.cleaned(
        "\x1b[31mfirst\x1b[0m\n\nnpm notice New version\nnpm WARN deprecated x\n"
        "npm ERR! code ELIFECYCLE\nnpm ERR!\n"
        "npm ERR! A complete log of this run can be found in:\n"
    ) == ("first", "npm ERR! code ELIFECYCLE")


def test_npms_usage_does_not_hide_what_it_said_before() -> None:
    missing = [f"npm error Missing: package{number}@1.0.0 from lock file" for number in range(30)]
    usage = [f"npm error [--option-{number}]" for number in range(60)]
    output = [*missing, "npm error", "npm error Clean install a project", "npm error Usage:"]
    assert node_advice.cleaned("http\n", "\n".join([*output, *usage])) == ("http", *missing)


def test_a_cause_that_every_request_shares_is_shown_once() -> None:
    requests = [
        f"npm http fetch GET https://registry.example.org/p{number} attempt 1 failed with ENOTFOUND"
        for number in range(100)
    ]
    output = "\n".join([*requests, "npm http fetch GET 200 https://x 10ms", "npm error E"])
    assert node_advice.cleaned(output) == (requests[0], "npm error E")


def test_of_a_long_output_the_first_error_and_the_end_are_shown() -> None:
    output = [f"line {number}" for number in range(500)]
    output[100] = "src/addon.cc:7:1: error: expected ';'"
    shown = node_advice.cleaned("\n".join(output))
    assert output[100] in shown
    assert shown[-1] == "line 499"
    assert len(shown) < 80


# What to do about it


@pytest.mark.parametrize(
    ("manager", "line", "hint"),
    [
        (
            Manager("npm", lock="package-lock.json"),
            "npm ERR! `npm ci` can only install packages when your package.json and"
            " package-lock.json are in sync.",
            "package-lock.json does not agree with package.json: run npm install and commit"
            " package-lock.json",
        ),
        (
            Manager("pnpm", lock="pnpm-lock.yaml"),
            "ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with frozen-lockfile",
            "pnpm-lock.yaml does not agree with package.json: run pnpm install and commit"
            " pnpm-lock.yaml",
        ),
        (
            Manager("yarn", lock="yarn.lock"),
            "error Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`.",
            "yarn.lock does not agree with package.json: run yarn install and commit yarn.lock",
        ),
        (
            Manager("npm"),
            "npm ERR! syscall spawn git\nnpm ERR! enoent An unknown git error occurred",
            "a dependency comes from a git repository: set rootfs_build_packages: [git], and see"
            " that its host can be reached",
        ),
        (
            Manager("npm"),
            "npm http fetch GET https://x attempt 1 failed with SELF_SIGNED_CERT_IN_CHAIN",
            "set rootfs_build_ca_bundle to the certificates of your network",
        ),
        (
            Manager("npm"),
            "npm ERR! code E401",
            "give the registry's token: rootfs_secrets: {npmrc: FILE} (see the role's README)",
        ),
        *(
            (
                Manager("yarn"),
                line,
                "a package takes no such node or package manager: set stack_node_version (or"
                " engines.node of package.json) to the node that it wants, packageManager of"
                " package.json to the package manager",
            )
            for line in (
                'error undici@8.0.0: The engine "node" is incompatible with this module. Expected'
                ' version ">=22.19.0". Got "20.19.2"',
                'npm ERR! code EBADENGINE\nnpm ERR! notsup Required: {"npm":">=10"}',
                " ERR_PNPM_UNSUPPORTED_ENGINE  Unsupported environment (bad pnpm version)",
            )
        ),
        *(
            (
                Manager("yarn"),
                line,
                "the settings name a variable: set rootfs_secrets: {NPM_TOKEN: FILE}",
            )
            for line in (
                'error An unexpected error: "Failed to replace env in config: ${NPM_TOKEN}".',
                "Usage Error: Environment variable not found (NPM_TOKEN) in /app/.yarnrc.yml",
            )
        ),
        (
            Manager("npm"),
            "npm ERR! getaddrinfo EAI_AGAIN registry.example.org",
            "the registry was not reached: see stack_node_registry and rootfs_build_proxy",
        ),
        (
            Manager("npm"),
            "npm error network request to https://codeload.github.com/x/y/tar.gz/1 failed, reason:"
            " getaddrinfo ENOTFOUND codeload.github.com",
            "a dependency comes from a git repository, and codeload.github.com was not reached: see"
            " rootfs_build_proxy, or depend on a release in the registry",
        ),
        (
            Manager("npm"),
            "see https://github.com/npm/cli\ngetaddrinfo EAI_AGAIN npm.pkg.github.com",
            "the registry was not reached: see stack_node_registry and rootfs_build_proxy",
        ),
    ],
)
def test_a_failed_fetch_says_what_to_do(manager: Manager, line: str, hint: str) -> None:
    assert node_advice.fetch_advice(manager, [line]) == hint


@pytest.mark.parametrize(
    "output",
    [
        "npm ERR! code E404\nnpm ERR! 404  '@x/left-pda@1.0.0' is not in this registry.",
        "npm ERR! code ETARGET\nnpm ERR! notarget No matching version found for @x/left-pda@9.",
        "ERR_PNPM_FETCH_404 GET: Not Found - 404\n@x/left-pda is not in the npm registry",
        'error Couldn\'t find package "@x/left-pda" on the "npm" registry.',
        'error Couldn\'t find any versions for "@x/left-pda" that matches "9.0.0"',
        "➤ YN0035: │ @x/left-pda@npm:1.3.0: Package not found",
        "➤ YN0082: │ @x/left-pda@npm:9.0.0: No candidates found",
    ],
)
def test_a_dependency_that_does_not_exist_is_named(output: str) -> None:
    assert node_advice.fetch_advice(Manager("npm"), output.splitlines()) == (
        "the dependency @x/left-pda does not exist in the registry: correct it in package.json, or"
        " set stack_node_registry"
    )


def test_a_missing_header_asks_for_a_build_package() -> None:
    line = "../src/x.cc:1:10: fatal error: cairo.h: No such file or directory"
    assert "rootfs_build_packages" in node_advice.script_advice("canvas", [line], offline=True)


@pytest.mark.parametrize(
    ("libraries", "packages", "of_node"),
    [
        (["z", "icui18n", "icudata", "uv"], "libicu-dev, libuv1-dev, zlib1g-dev", True),
        (["cares", "brotlidec", "nghttp2"], "libbrotli-dev, libc-ares-dev, libnghttp2-dev", True),
        (["pq"], "libpq-dev", False),
    ],
)
def test_a_library_that_the_linker_lacks_asks_for_its_package(
    libraries: list[str], packages: str, *, of_node: bool
) -> None:
    lines = ["gyp info it worked", *(f"/usr/bin/ld: cannot find -l{name}" for name in libraries)]
    hint = node_advice.script_advice("vm", node_advice.cleaned("\n".join(lines)), offline=True)
    assert f"set rootfs_build_packages: [{packages}]" in hint
    assert ("stack_node_version" in hint) == of_node


def test_a_script_that_wanted_the_network_is_told_every_way_out() -> None:
    hint = node_advice.script_advice("engine", ["Error: getaddrinfo EAI_AGAIN x"], offline=True)
    for way in (
        "engine",
        "rootfs_build_env",
        "rootfs_build_packages",
        "stack_node_scripts_network",
    ):
        assert way in hint
    assert not node_advice.script_advice("engine", ["Error: getaddrinfo EAI_AGAIN"], offline=False)
