"""The runtime: node and what it needs to serve, without what builds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import testinfra
from testinfra.host import Host

ACCOUNT = "65532"


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_node_runtime")


@pytest.fixture(scope="module")
def service(host: Host) -> Host:
    """The container as a service sees it that runs with the runtime's account."""
    return testinfra.get_host(f"docker://{ACCOUNT}@{host.backend.name}")


def test_node_runs_and_has_its_builtins(service: Host) -> None:
    # Debian's node keeps these outside its binary: fetch is undici's, cjs-module-lexer reads
    # what a module exports, ICU has the languages.
    script = "console.log(typeof fetch, (1234.5).toLocaleString('de'))"
    assert service.check_output(f'node -e "{script}"') == "function 1.234,5"
    module = "import {join} from 'node:path'; console.log(join('a', 'b'))"
    assert service.check_output(f'node --input-type=module -e "{module}"') == "a/b"


@pytest.mark.parametrize("program", ["npm", "npx", "node-gyp", "gcc", "g++", "make"])
def test_nothing_that_builds_is_there(host: Host, program: str) -> None:
    assert not host.exists(program)


def test_the_init_passes_signals_and_exit_codes_on(service: Host) -> None:
    assert service.run("tini -s -- node -e 'process.exit(7)'").rc == 7
    handler = "process.on('SIGTERM', () => process.exit(8)); setInterval(() => {}, 1000)"
    assert service.run(f'timeout 2 tini -s -- node -e "{handler}"').rc == 124
    # A shell would tell 143 of a service that took the signal without a handler.
    ready = f"{handler}; console.log('ready')"
    script = (
        f'tini -s -- node -e "{ready}" > /tmp/said &'
        " until grep -q ready /tmp/said; do sleep 0.1; done; kill -TERM $!; wait $!"
    )
    assert service.run(script).rc == 8


def test_node_looks_for_authorities_where_they_are(host: Host) -> None:
    link = host.file("/usr/lib/ssl/cert.pem")
    assert link.is_symlink
    assert host.check_output(f"readlink -f {link.path}") == "/etc/ssl/certs/ca-certificates.crt"


def test_an_authority_of_the_distribution_is_trusted_by_default(host: Host) -> None:
    # Without what the build told the container of its own network.
    verify = "env -u SSL_CERT_FILE -u SSL_CERT_DIR openssl verify"
    authority = host.check_output("ls /usr/share/ca-certificates/mozilla/*.crt | head -n 1")
    assert host.run(f"{verify} -no-CApath -no-CAstore {authority}").succeeded
    assert host.run(f"{verify} -no-CApath -no-CAstore -no-CAfile {authority}").failed


def test_services_have_an_account_of_their_own(host: Host, service: Host) -> None:
    account = host.user("app")
    assert (account.uid, account.gid, account.home) == (65532, 65532, "/home/app")
    assert account.shell == "/usr/sbin/nologin"
    assert account.password.startswith("!")
    name = "require('os').userInfo().username"
    assert service.check_output(f'node -p "{name}"') == "app"
    assert service.run("touch /home/app/it && rm /home/app/it").succeeded
    assert service.run("touch /usr/it").failed


def test_an_account_brings_no_files_of_a_login(host: Host) -> None:
    assert host.check_output("ls -A /home/app") == ""


def test_a_time_zone_is_known(service: Host) -> None:
    assert service.check_output("TZ=Asia/Kathmandu date +%z") == "+0545"


def test_services_and_protocols_have_names(service: Host) -> None:
    assert service.check_output("getent services https").split()[1] == "443/tcp"
    assert service.check_output("getent protocols tcp").split()[1] == "6"
