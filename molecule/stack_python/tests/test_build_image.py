"""The build image: pip, a compiler, and what reads requirements as the field's libraries do."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from testinfra.host import Host

REQUIREMENTS = "/usr/bin/python3 /usr/local/lib/rootfs-python/requirements.py"
INSTALLED = "/run/rootfs/installed"


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_python_build")


@pytest.fixture
def install(host: Host) -> Callable[..., None]:
    """Return what notes that a package is installed, with what it requires."""
    host.check_output(f"rm -rf {INSTALLED}")

    def noted(name: str, version: str, *requires: str) -> None:
        place = f"{INSTALLED}/{name}-{version}.dist-info"
        lines = [f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        text = "\\n".join(["Metadata-Version: 2.1", *lines, ""])
        host.check_output(f"mkdir -p {place} && printf '{text}\\n' > {place}/METADATA")

    return noted


def missing(host: Host) -> list[tuple[str, str, str]]:
    found = json.loads(host.check_output(f"{REQUIREMENTS} missing {INSTALLED}"))
    return [(item["package"], item["requirement"], item["installed"]) for item in found]


def test_what_a_build_system_asks_for_besides_is_found(host: Host) -> None:
    found = json.loads(host.check_output(f"{REQUIREMENTS} build /app"))
    assert found == {"/app": ["no-such-tool >=3"]}


def test_a_tree_that_cannot_be_built_is_an_error_in_its_own_words(host: Host) -> None:
    host.check_output("mkdir -p /run/rootfs/x && printf '[build-system]\\n' > "
                      "/run/rootfs/x/pyproject.toml")  # fmt: skip
    ended = host.run(f"{REQUIREMENTS} build /run/rootfs/x")
    assert ended.rc == 1
    assert "`requires` is a required property" in ended.stderr


def test_what_packages_lack_of_each_other_is_found(
    host: Host, install: Callable[..., None]
) -> None:
    install("web", "1.0", "Letters.Small >=2", "paper", 'nothing; sys_platform == "win32"')
    install("letters_small", "1.5")
    assert missing(host) == [
        ("web 1.0", "Letters.Small>=2", "1.5"),
        ("web 1.0", "paper", ""),
    ]


def test_what_only_an_extra_needs_is_not_missing(host: Host, install: Callable[..., None]) -> None:
    install("web", "1.0", 'colours; extra == "colours"')
    assert missing(host) == []


def test_an_extension_compiles_and_loads(host: Host) -> None:
    host.check_output(
        "cd /run/rootfs && gcc -shared -fPIC $(pkgconf --cflags python3) -o greeter.so"
        " /app/greeter.c && python -c 'import greeter'"
    )


@pytest.mark.parametrize("program", ["g++", "make", "pip", "pkg-config"])
def test_what_packages_are_compiled_with_is_there(host: Host, program: str) -> None:
    assert host.exists(program)


def test_making_it_leaves_nothing_behind(host: Host) -> None:
    debian = "-path /root/.bashrc -o -path /root/.profile -o -path /root/.ssh"
    places = "/root /tmp /var/tmp /var/cache/apt/archives"
    found = f"find {places} -mindepth 1 ! \\( {debian} -o -name lock -o -name partial \\)"
    assert host.check_output(found) == ""
