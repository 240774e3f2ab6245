"""Candidates: what shipped binaries name as texts, what the tree has, and what is not shipped."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator
from itertools import chain

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter import strings
from rootfs_ansible.exporter.closure import Closure
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.mounts import is_runtime_mount
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.manifest import Candidate
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest

# Nothing that runs reads these, or it writes them first; what the engine writes into every
# container is there anyway.
_NEVER = tuple(
    ImagePath(f"/{directory}/{name}")
    for directory, names in {
        "etc": ("hostname", "hosts", "mtab", "resolv.conf"),
        "usr": ("include", "lib/debug", "share/doc", "share/info", "share/man", "src"),
        "var": ("cache", "lib/dpkg", "log", "tmp"),
    }.items()
    for name in names
)

# What the C library names is the same in every image, and what matters of it has a rule.
_C_LIBRARY = re.compile(r"ld-(linux|musl)\b.*|libc\.so\b.*")

_LIBRARY = re.compile(r".+\.so(\.[0-9].*)?", re.DOTALL)


class _Candidates:
    """The search of an export."""

    def __init__(
        self, root: Root, packages: PackageDatabase, found: Closure, request: ExportRequest
    ) -> None:
        self._root = root
        self._packages = packages
        self._binaries = sorted(
            path
            for path in found.binaries
            if path in found.entries and not _C_LIBRARY.fullmatch(path.name)
        )
        # Not one set of all that is shipped: trees have hundreds of thousands of paths.
        self._shipped = (found.entries, frozenset(request.provided), found.needs)
        self._above = _above(chain.from_iterable(self._shipped))
        # A library is looked for where the image has some.
        self._libraries = sorted(
            {
                path.parent
                for path in chain.from_iterable(self._shipped)
                if _LIBRARY.fullmatch(path.name)
            }
            | {path.parent for path in found.binaries}
        )
        self._known: dict[str, tuple[ImagePath, str] | None] = {}

    def all(self) -> Iterator[Candidate]:
        for binary in self._binaries:
            with self._root.open(binary) as stream:
                named = strings.names(stream)
            for name in sorted(named):
                if name not in self._known:
                    self._known[name] = self._readable(name)
                if (target := self._known[name]) is not None:
                    yield Candidate(binary.text, name, target[0].text, target[1])

    def _is_shipped(self, path: ImagePath) -> bool:
        return any(path in shipped for shipped in self._shipped)

    def _readable(self, name: str) -> tuple[ImagePath, str] | None:
        try:
            return self._lacking(name)
        except ClosureError:
            # A text may name anything, also what is nobody's to read: as good as not there.
            return None

    def _lacking(self, name: str) -> tuple[ImagePath, str] | None:
        """Return the path that ``name`` means and its package, where it should be told of."""
        if name.startswith("/"):
            return self._candidate(ImagePath(name))
        places = (directory / name for directory in self._libraries)
        there = [place for place in places if self._root.lstat(place) is not None]
        if any(map(self._is_shipped, there)):
            return None
        return self._candidate(there[0]) if there else None

    def _candidate(self, path: ImagePath) -> tuple[ImagePath, str] | None:
        if is_runtime_mount(path):
            return None
        resolution = self._root.resolve(path)
        status = self._root.lstat(resolution.path) if resolution else None
        if resolution is None or status is None:
            return None
        real = resolution.path
        if self._is_shipped(real) and self._is_shipped(path):
            return None
        # Where /etc/mtab leads has the number of this process in it.
        if is_runtime_mount(real) or any(real.is_below(top) for top in _NEVER):
            return None
        owner = self._packages.owner(real)
        if stat.S_ISDIR(status.st_mode):
            # A directory that one package has for itself, and of which nothing is shipped.
            lacks = owner is not None and not self._packages.is_shared(real)
            if not lacks or real.text in self._above or not self._root.names(real):
                return None
        elif not stat.S_ISREG(status.st_mode) or self._is_shipped(real):
            return None
        return real, owner.name if owner else ""


def _above(paths: Iterable[ImagePath]) -> set[str]:
    """Return the directories that ``paths`` lie in, as text: there are few for many paths."""
    found: set[str] = set()
    for path in paths:
        at = path.text.rpartition("/")[0]
        while at and at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return found


def candidates(
    root: Root, packages: PackageDatabase, found: Closure, request: ExportRequest
) -> tuple[Candidate, ...]:
    """Return what the shipped ELF files of ``found`` name, and the rootfs has not.

    A name is the whole of a C string: an absolute path, or that of a library with its version. It
    counts where the tree has such a file, or a directory that one package has for itself and that
    is not empty; it may be what the program opens, or a text that nothing ever uses.
    """
    return tuple(_Candidates(root, packages, found, request).all())
