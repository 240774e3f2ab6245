"""Licences as SPDX licence expressions, from how packages of all kinds write them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

_LONGEST = 100
"""Characters; what is longer is the text of a licence, or its story, and no name."""

_NO_NAMES = ("UNKNOWN", "NOASSERTION")
"""What setuptools and SPDX write where nobody says one."""

_MACHINE_READABLE = re.compile(
    r"\AFormat(?:-Specification)?:\s*\S*(?:copyright-format|dep5)", re.IGNORECASE
)
_FIELD = re.compile(r"^([A-Za-z-]+):[ \t]*(.*)$", re.MULTILINE)
_WORDS = re.compile(r",?\s+(and|or)\s+|\s*,\s*|([()])", re.IGNORECASE)
_GNU = re.compile(r"(A?GPL|LGPL|GFDL)(?:-NIV)?-?v?([0-9](?:\.[0-9])?)(\+?)", re.IGNORECASE)
_OF_DEBIAN = {
    "apache-2": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd-2-clauses": "BSD-2-Clause",
    "bsd-3-clauses": "BSD-3-Clause",
    "expat": "MIT",
    "mpl-2": "MPL-2.0",
    "psf-2": "PSF-2.0",
    "public-domain": "LicenseRef-public-domain",
}
"""Short names of the copyright format 1.0 (and near misses) that SPDX has other names for."""


def expression(text: str) -> str:
    """Return the SPDX licence expression (SPDX 2.3, annex D) that ``text`` is or names.

    What is none becomes a ``LicenseRef``, which says no more than the name that it has; empty
    where ``text`` is no name either.
    """
    plain = " ".join(text.split())
    if not plain or plain in _NO_NAMES or len(text) > _LONGEST:
        return ""
    try:
        return str(canonicalize_license_expression(plain))
    except InvalidLicenseExpression:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-.")
        return f"LicenseRef-{name.removeprefix('LicenseRef-')}" if name else ""


def joined(expressions: Iterable[str], word: str) -> str:
    """Return what all of ``expressions`` say, joined by ``AND`` or ``OR``."""
    other = " AND " if word == "OR" else " OR "
    parts = (
        [item] if other in item or "(" in item else item.split(f" {word} ")
        for item in expressions
        if item
    )
    found = sorted({part for some in parts for part in some})
    if len(found) == 1:
        return found[0]
    return f" {word} ".join(f"({item})" if other in item else item for item in found)


def of_copyright(text: str) -> str:
    """Return the licence of a Debian package by its copyright file, where that is of the
    machine-readable format 1.0; else, and where it names none, empty."""
    if not _MACHINE_READABLE.match(text):
        return ""
    return joined((_of_debian(name) for name in _named(text)), "AND")


def _named(text: str) -> Iterator[str]:
    """Yield the licences of the paragraphs that say which files they are of."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        fields = {name.lower(): value.strip() for name, value in _FIELD.findall(paragraph)}
        if "files" in fields and fields.get("license"):
            yield fields["license"]


def _of_debian(text: str) -> str:
    """Return what a synopsis of the copyright format says, its licences one by one.

    There ``and`` binds closer than ``or``, and a comma before either looser than both; where one
    has commas or brackets of its own, all that it names is joined by what it is joined by.
    """
    # Without long runs of spaces, in which the expression would begin anew at each.
    plain = " ".join(text.split())
    words = [word for word in _WORDS.split(plain) if word and word.strip()]
    names = [word for word in words if word.lower() not in ("and", "or", "(", ")")]
    operators = {word.upper() for word in words if word.lower() in ("and", "or")}
    known = [_short_name(name.strip()) for name in names]
    # Both at once: whoever keeps to all of them keeps to whatever is meant.
    return joined(known, "OR" if operators == {"OR"} else "AND")


def _short_name(name: str) -> str:
    if found := _GNU.fullmatch(name):
        kind, version, later = found.groups()
        number = version if "." in version else f"{version}.0"
        return expression(f"{kind.upper()}-{number}-{'or-later' if later else 'only'}")
    return expression(_OF_DEBIAN.get(name.lower(), name))
