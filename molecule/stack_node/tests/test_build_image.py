"""The build image: what compiles Node projects, with the network and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from testinfra.host import Host

from rootfs_ansible.drive.engine import Engine

ROLE = Path(__file__).resolve().parents[3] / "roles" / "stack_node"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())

DISTRIBUTION = "/usr"
TOOLCHAIN = "/usr/local"


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_node_build")


@pytest.fixture(scope="module")
def offline(host: Host) -> Iterator[None]:
    """Take the network from the container, as the compile does once all is fetched."""
    engine = Engine()
    found = engine.container(host.backend.name)
    assert found is not None
    engine.disconnect(found.name)
    yield
    for network in found.networks:
        engine.connect(found.name, network)


def node(prefix: str, command: str) -> str:
    """Return a command that finds only the node below a prefix, and its headers.

    What node and npm keep for another time is kept in memory.
    """
    path = f"PATH={prefix}/bin:/usr/bin:/bin HOME=/run/rootfs TMPDIR=/run/rootfs"
    return f"cd /app && {path} npm_config_nodedir={prefix} {command}"


def test_the_distributions_node_is_the_one_that_the_role_believes_in(host: Host) -> None:
    version = host.check_output(node(DISTRIBUTION, "node --version"))
    assert version == f"v{DEFAULTS['stack_node_distribution_version']}"


def test_the_toolchain_is_the_lowest_long_term_release_of_the_range(host: Host) -> None:
    assert host.check_output(node(TOOLCHAIN, "node --version")).startswith("v22.")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("prefix", [DISTRIBUTION, TOOLCHAIN])
def test_an_addon_compiles_offline_with_the_headers_of_its_node(host: Host, prefix: str) -> None:
    interfaces = host.check_output("tail -n +3 /proc/net/dev | cut -d: -f1")
    assert interfaces.split() == ["lo"]
    host.check_output(node(prefix, "npm run --silent compile"))
    version = host.check_output(node(prefix, "node --version"))
    assert host.check_output(node(prefix, "npm run --silent answer")) == version


def test_an_old_node_gyp_finds_the_distutils_that_python_dropped(host: Host) -> None:
    assert host.check_output("python3 -c 'import distutils.version; print(1)' 2>/dev/null") == "1"


def test_pkg_config_finds_the_libraries_that_addons_link(host: Host) -> None:
    assert "-luv" in host.check_output("pkg-config --libs libuv").split()


def test_making_it_leaves_nothing_behind(host: Host) -> None:
    debian = "-path /root/.bashrc -o -path /root/.profile -o -path /root/.ssh"
    places = "/root /tmp /var/tmp /var/cache/apt/archives"
    found = f"find {places} -mindepth 1 ! \\( {debian} -o -name lock -o -name partial \\)"
    assert host.check_output(found) == ""
