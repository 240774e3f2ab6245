"""The runtime: what every service finds below it, and no service."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_roles_runtime")


def test_an_init_is_there(host: Host) -> None:
    assert host.check_output("tini -- echo ran") == "ran"


def test_no_systemd_is_there(host: Host) -> None:
    # A role finds one that starts nothing, while it is applied.
    assert not host.exists("systemctl")


def test_authorities_are_there_for_openssl(host: Host) -> None:
    bundle = host.file("/etc/ssl/certs/ca-certificates.crt")
    assert bundle.content_string.count("BEGIN CERTIFICATE") > 50
    assert host.file("/usr/lib/ssl/cert.pem").exists


def test_a_time_zone_is_known(host: Host) -> None:
    assert host.check_output("TZ=Asia/Kathmandu date +%z") == "+0545"


def test_services_have_an_account_of_their_own(host: Host) -> None:
    account = host.user("app")
    assert (account.uid, account.gid, account.home) == (65532, 65532, "/home/app")
    assert account.shell == "/usr/sbin/nologin"


def test_packages_start_no_services(host: Host) -> None:
    assert host.run("/usr/sbin/policy-rc.d").rc == 101
