"""Findings: what shipped files lack, and what of it another shipped file makes good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rootfs_ansible.exporter.loader import Loader, Missing, MissingVersion
from rootfs_ansible.model.manifest import Edge, EdgeKind
from rootfs_ansible.model.path import ImagePath

# A search path may be as long as a file, and each of thousands of names can be missing in it.
_LONGEST = 1000


class Findings:
    """What makes an export fail, by who lacks what: one line each."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lines: dict[tuple[str, str], str] = {}
        self._loaded: set[tuple[str, str]] = set()
        self._excusable: set[tuple[str, str]] = set()
        self._fatal: set[tuple[str, str]] = set()

    def lacks(self, source: str, what: str, kind: str) -> None:
        """Take note that ``source`` needs ``what``, which ``kind`` describes, and has it not."""
        self.add(source, what, f"{what} ({kind}), needed by {source}")

    def add(self, source: str, what: str, line: str) -> None:
        """Take note of ``line``, the finding that ``source`` lacks ``what``."""
        self._lines[source, what] = line

    def lacks_library(self, missing: Missing, *, is_program: bool) -> None:
        """Take note of a library that is nowhere for a program, or for a library by itself.

        What a program lacks keeps it from starting. What a library lacks by itself may be there
        when a program loads it.
        """
        places = f", searched in {_listed(missing.searched)}" if missing.searched else ""
        reason = f": {missing.reason}" if missing.reason else places
        self.lacks(missing.requester.text, missing.soname, f"a library{reason}")
        told = self._fatal if is_program else self._excusable
        told.add((missing.requester.text, missing.soname))

    def lacks_version(self, missing: MissingVersion) -> None:
        """Take note of a symbol version that a library lacks for who loads it."""
        self.lacks(
            missing.requester.text,
            f"{missing.soname} ({missing.version})",
            f"a symbol version that {missing.provider} lacks",
        )

    def loads(self, requester: ImagePath, soname: str) -> None:
        """Take note that ``requester`` does get a library for ``soname``."""
        self._loaded.add((requester.text, soname))

    def settle(self, shipped: Iterable[ImagePath]) -> Iterator[Edge]:
        """Drop what the files ``shipped`` make good; yield the edges that do.

        A library finds what another shipped file has loaded before, wherever that lies.
        """
        excused = self._excusable - self._fatal
        names: dict[str, list[ImagePath]] = {}
        wanted = {what for _, what in excused}
        for path in shipped:
            if path.name in wanted:
                names.setdefault(path.name, []).append(path)
        for source, what in excused:
            loadable = [path for path in names.get(what, ()) if self._loader.elf(path)]
            if (source, what) in self._loaded:
                del self._lines[source, what]
            elif loadable:
                del self._lines[source, what]
                for path in loadable:
                    if path.text != source:
                        yield Edge(source, path.text, EdgeKind.ELF, what)

    @property
    def lines(self) -> list[str]:
        """Every finding that is left, sorted."""
        return sorted(self._lines.values())


def _listed(places: tuple[str, ...]) -> str:
    """Return ``places`` as a message can hold them: as many as fit, and the number of the rest."""
    text, *rest = places
    while rest and len(text) + len(rest[0]) < _LONGEST:
        text += f", {rest.pop(0)}"
    return text[:_LONGEST] + (f" and {len(rest)} more" if rest else "")
