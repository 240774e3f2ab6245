"""The archive's index: which package holds a Haskell library, a foreign one, a tool, data."""

from __future__ import annotations

import pytest
from ansible_collections.rootfs.builder.plugins.module_utils.haskell_archive import Library, parse

INDEX = """\
Package: libghc-quickcheck2-dev
Provides: libghc-quickcheck2-dev-2.14.3-95
Depends: libghc-random-dev-1.2.1-aa, libc6 (>= 2.14)
Ghc-Package: QuickCheck-2.14.3-1Yw6aP
Description: tests
 Package: of no importance

Package: libghc-random-dev
Provides: libghc-random-dev-1.2.1-aa
Ghc-Package: random-1.2.1-9x

Package: random-data

Package: libghc-pandoc-dev
Depends: libghc-quickcheck2-dev-2.14.3-95
Ghc-Package: pandoc-3.1-4k

Package: pandoc-data

Package: libsqlite3-dev
Depends: libsqlite3-0 (= 3.46.1), libc6-dev

Package: libcurl4t64

Package: libcurl4-openssl-dev
Depends: libcurl4t64 (= 8.14.1)

Package: libcurl4-gnutls-dev
Depends: libcurl3t64-gnutls (= 8.14.1)

Package: libglib2.0-dev

Package: libgtk-3-dev

Package: libyaml-dev

Package: libpcre2-dev

Package: libfoo1-dev

Package: libfoo2-dev

Package: alex

Package: gtk2hs-buildtools
"""
ARCHIVE = parse(INDEX.splitlines(keepends=True))


def test_a_library_is_found_by_its_own_name_and_not_the_packages() -> None:
    assert ARCHIVE.libraries["QuickCheck"] == Library("2.14.3", "libghc-quickcheck2-dev")
    assert set(ARCHIVE.libraries) == {"QuickCheck", "random", "pandoc"}


def test_the_last_stanza_counts_without_an_empty_line() -> None:
    assert "gtk2hs-buildtools" in ARCHIVE.packages


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("sqlite3", "libsqlite3-dev"),
        ("libsqlite3", "libsqlite3-dev"),
        ("curl", "libcurl4-openssl-dev"),
        ("glib-2.0", "libglib2.0-dev"),
        ("gtk+-3.0", "libgtk-3-dev"),
        ("yaml-0.1", "libyaml-dev"),
        ("libpcre2-8", "libpcre2-dev"),
        ("foo", ""),
        ("nowhere", ""),
    ],
)
def test_the_package_of_a_foreign_library_follows_from_its_name(name: str, package: str) -> None:
    assert ARCHIVE.development(name) == package


def test_a_tool_is_in_a_package_of_its_name_or_of_its_haskell_packages() -> None:
    assert ARCHIVE.program("alex", "alex") == "alex"
    assert ARCHIVE.program("gtk2hs-buildtools", "gtk2hsC2hs") == "gtk2hs-buildtools"
    assert ARCHIVE.program("random", "randomize") == "libghc-random-dev"
    assert ARCHIVE.program("nothing", "nothing") == ""


def test_data_comes_along_also_for_libraries_that_only_others_need() -> None:
    assert ARCHIVE.with_data(["libghc-pandoc-dev"]) == ("pandoc-data", "random-data")
    assert ARCHIVE.with_data(["libsqlite3-dev"]) == ()
