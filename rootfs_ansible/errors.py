"""The one tree of errors: what failed, where, and what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Mapping
from typing import Any


class RootfsError(Exception):
    """A failure that a user can act on.

    ``what`` is the fact, ``where`` the file, container or app it was found in, ``details`` all
    findings of the same kind (one line each) and ``hint`` the way out.
    """

    def __init__(
        self, what: str, *, where: str = "", hint: str = "", details: Iterable[str] = ()
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        self.details = tuple(details)

    def __str__(self) -> str:
        """Render the fact, its findings and the hint, as a person reads them."""
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        lines += [f"  - {detail}" for detail in self.details]
        if self.hint:
            lines.append(f"Hint: {self.hint}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the error as the JSON object that crosses a connection."""
        return {
            "kind": type(self).__name__,
            "what": self.what,
            "where": self.where,
            "hint": self.hint,
            "details": list(self.details),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> RootfsError:
        """Return the error that ``to_json`` wrote, as the class of the same name."""
        kinds = {kind.__name__: kind for kind in _descendants(RootfsError)}
        kind = kinds.get(str(data.get("kind", "")), RootfsError)
        details = data.get("details")
        return kind(
            str(data.get("what", "an error without a text")),
            where=str(data.get("where", "")),
            hint=str(data.get("hint", "")),
            details=[str(detail) for detail in details] if isinstance(details, list) else (),
        )


class InputError(RootfsError):
    """What a user, an inventory or a file declares is not valid."""


class ClosureError(RootfsError):
    """Something that must be shipped is missing from the tree it should come from."""


class UntrustedError(RootfsError):
    """What came back from a container is not what an exporter may send."""


class LinkError(RootfsError):
    """Fragments do not fit together: a need nobody satisfies, or a path owned twice."""


class StoreError(RootfsError):
    """The store cannot be read or written."""


class EngineError(RootfsError):
    """The container engine is missing, does not answer, or refuses."""


class PolicyError(RootfsError):
    """What was built holds what the policy of its app does not allow."""


class BuildError(RootfsError):
    """A playbook run ended without an image."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return what a message adds where ``name`` is nearly one that is known, or nothing."""
    # Imported here: the exporter runs where Python lacks it.
    import difflib

    near = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {near[0]}?" if near else ""


def of_system(error: OSError) -> RootfsError:
    """Return what the system refused as an error that a user can act on."""
    place = "" if error.filename is None else str(error.filename)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return RootfsError(error.strerror or str(error) or type(error).__name__, where=place)
    # What is full without a name is a temporary file: they have none.
    temporary = _temporary()
    place = place or temporary
    hint = "free some space there"
    if place.startswith(temporary):
        hint += ", or set TMPDIR to a directory that has more"
    return RootfsError("the disk is full", where=place, hint=hint)


def _temporary() -> str:
    # Imported here: the exporter, which raises our errors too, runs where Python lacks it.
    import tempfile

    try:
        return tempfile.gettempdir()
    except OSError:
        # Python has tried them all.
        return "every directory of temporary files"


def _descendants(kind: type[RootfsError]) -> list[type[RootfsError]]:
    found = [kind]
    for child in kind.__subclasses__():
        found += _descendants(child)
    return found
