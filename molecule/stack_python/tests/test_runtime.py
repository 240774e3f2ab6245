"""The runtime: what Python programs load and read, without what builds and installs them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_python_runtime")


@pytest.mark.parametrize(
    "module", ["asyncio", "ctypes", "curses", "lzma", "readline", "sqlite3", "ssl", "zoneinfo"]
)
def test_what_a_program_imports_is_there(host: Host, module: str) -> None:
    host.check_output(f"/usr/bin/python3 -c 'import {module}'")


@pytest.mark.parametrize("program", ["gcc", "pip"])
def test_nothing_that_builds_is_there(host: Host, program: str) -> None:
    assert not host.exists(program)


def test_byte_code_is_checked_against_nothing(host: Host) -> None:
    # PEP 552: the second word of the file is 1 for a hash, 2 more where it is checked.
    text = "import json; print(open(json.__cached__, 'rb').read(8)[4:].hex())"
    assert host.check_output(f'/usr/bin/python3 -c "{text}"') == "01000000"


def test_text_is_utf_8(host: Host) -> None:
    assert host.check_output("LANG=C.UTF-8 locale charmap") == "UTF-8"


def test_a_time_zone_and_the_authorities_are_known(host: Host) -> None:
    text = (
        "import datetime, ssl, zoneinfo;"
        "print(datetime.datetime(2024, 2, 29, tzinfo=zoneinfo.ZoneInfo('Asia/Kathmandu')));"
        "print(len(ssl.create_default_context().get_ca_certs()) > 50)"
    )
    said = host.check_output(f'/usr/bin/python3 -c "{text}"').splitlines()
    assert said == ["2024-02-29 00:00:00+05:45", "True"]


def test_services_have_an_account_of_their_own(host: Host) -> None:
    account = host.user("app")
    assert (account.uid, account.gid, account.home) == (65532, 65532, "/home/app")
    assert account.shell == "/usr/sbin/nologin"
    assert host.check_output("ls -A /home/app") == ""
