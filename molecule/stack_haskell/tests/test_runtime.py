"""The runtime: what programs of GHC load and read, without what builds them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host


@pytest.fixture(scope="module")
def host(container: Callable[[str], Host]) -> Host:
    return container("stack_haskell_runtime")


@pytest.mark.parametrize("library", ["libgmp.so.10", "libffi.so.8", "libnuma.so.1"])
def test_what_a_program_of_ghc_loads_is_there(host: Host, library: str) -> None:
    assert host.check_output(f"ls /usr/lib/*/{library}")


@pytest.mark.parametrize("program", ["ghc", "cabal", "gcc"])
def test_nothing_that_builds_is_there(host: Host, program: str) -> None:
    assert not host.exists(program)


def test_text_is_utf_8(host: Host) -> None:
    assert host.check_output("LANG=C.UTF-8 locale charmap") == "UTF-8"
    assert host.file("/usr/lib/locale/C.utf8/LC_CTYPE").is_file


def test_authorities_are_found_by_the_hash_of_their_names(host: Host) -> None:
    # Haskell's TLS reads no bundle, but the files of the directory that are called so.
    found = "find -L /etc/ssl/certs -name '????????.[0-9]' -type f | wc -l"
    assert int(host.check_output(found)) > 50


def test_a_time_zone_is_known(host: Host) -> None:
    assert host.check_output("TZ=Asia/Kathmandu date +%z") == "+0545"


def test_services_have_an_account_of_their_own(host: Host) -> None:
    account = host.user("app")
    assert (account.uid, account.gid, account.home) == (65532, 65532, "/home/app")
    assert account.shell == "/usr/sbin/nologin"
    assert host.check_output("ls -A /home/app") == ""
