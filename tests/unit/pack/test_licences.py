"""Licences as SPDX expressions, from what packages of all kinds call them."""

from __future__ import annotations

import pytest

from rootfs_ansible.pack.licences import expression, joined, of_copyright

FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("(MIT OR Apache-2.0)", "(MIT OR Apache-2.0)"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "GPL-3.0-only WITH GCC-exception-3.1"),
        ("BSD", "LicenseRef-BSD"),
        ("SEE LICENSE IN LICENSE.md", "LicenseRef-SEE-LICENSE-IN-LICENSE.md"),
        ("LicenseRef-own/words", "LicenseRef-own-words"),
        ("", ""),
        ("…", ""),
        ("UNKNOWN", ""),
        ("Permission is hereby granted, free of charge, " * 3, ""),
    ],
)
def test_a_name_is_an_expression_or_a_reference(text: str, meant: str) -> None:
    assert expression(text) == meant


def test_brackets_are_where_they_are_needed() -> None:
    assert joined(["MIT", "A OR B", "MIT", ""], "AND") == "(A OR B) AND MIT"
    assert joined(["MIT AND ISC", "ISC"], "AND") == "ISC AND MIT"
    assert joined(["MIT AND ISC", "ISC"], "OR") == "ISC OR (MIT AND ISC)"
    assert joined(["(MIT OR ISC)", "(MIT OR Zlib)"], "OR") == "(MIT OR ISC) OR (MIT OR Zlib)"


@pytest.mark.parametrize(
    ("names", "meant"),
    [
        (["Expat"], "MIT"),
        (["GPL-2+", "GPL-2"], "GPL-2.0-only AND GPL-2.0-or-later"),
        (["LGPL-2.1+", "LGPLv3"], "LGPL-2.1-or-later AND LGPL-3.0-only"),
        (["GPL-1+ or Artistic"], "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        (["BSD-3-clause and ISC, and Zlib"], "BSD-3-Clause AND ISC AND Zlib"),
        # Whoever keeps to all of them keeps to whatever is meant.
        (["MPL-1.1 or GPL-2, and MIT"], "GPL-2.0-only AND MIT AND MPL-1.1"),
        (["GPL-2+ with OpenSSL exception"], "LicenseRef-GPL-2-with-OpenSSL-exception"),
        (["public-domain", "Expat"], "LicenseRef-public-domain AND MIT"),
    ],
)
def test_the_copyright_format_of_debian_is_read(names: list[str], meant: str) -> None:
    files = "\n\n".join(
        f"Files: {name[0]}/*\nCopyright: 2000 A\nLicense: {name}\n text" for name in names
    )
    text = (
        f"{FORMAT}Upstream-Name: x\n\n{files}\n\nLicense: Apache-2.0\n of nothing that is there\n"
    )
    assert of_copyright(text) == meant


def test_a_copyright_file_in_prose_says_nothing() -> None:
    assert of_copyright("This is free software.\n\nFiles: *\nLicense: MIT\n") == ""
