"""Where a system's loader looks for libraries: directories in order, and the files in them.

The rules are those of ld.so(8) and glibc's elf/dl-load.c, and of musl's ldso/dynlink.c. No
environment variable takes part: nothing sets LD_LIBRARY_PATH in an image.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.elf import Architecture, BrokenElfError, ElfFile, Libc, read_elf
from rootfs_ansible.exporter.ldconfig import configured_directories
from rootfs_ansible.exporter.platforms import PLATFORMS
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ROOT, ImagePath

_LARGEST_PATH = 64 << 10
# No path is longer (PATH_MAX, limits.h), and a search path of real libraries is a few kilobytes.
_LONGEST_DIRECTORY = 4096
_LONGEST_EXPANDED = 256 << 10

# What ldconfig(8) takes for the name of a library (_dl_is_dso of glibc's elf/dl-is_dso.h).
_CACHEABLE = re.compile(r"(lib|ld-|ld64).*\.so", re.DOTALL)

_MUSL_TOKEN = re.compile(r"\$ORIGIN|\$\{ORIGIN\}")
_TOKEN = re.compile(r"\$(?:(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_])|\{(ORIGIN|LIB|PLATFORM)\})")


class Directory(NamedTuple):
    """A directory of a search path, as ``text`` for messages; no ``path`` where it is absent.

    ``passed`` are links and directories on the way there that ``path`` no longer names, because
    a ``..`` followed them. ``cached``: ld.so.conf names it, and ``configured``: nothing else does.
    ``levels`` are the directories in its glibc-hwcaps, for newer processors.
    """

    text: str
    path: ImagePath | None
    passed: tuple[ImagePath, ...] = ()
    cached: bool = False
    configured: bool = False
    levels: tuple[Directory, ...] = ()


class Found(NamedTuple):
    """The file that a search ends at: ``path`` as the loader opens it, ``real`` without links.

    Without ``elf`` it is one that no loader takes.
    """

    path: ImagePath
    real: ImagePath
    elf: ElfFile | None
    directory: Directory


class Looked(NamedTuple):
    """What a search meets: the ``plain`` file, which runs everywhere, and those in glibc-hwcaps
    before it, of which the machine chooses at run time (``newer``, in the order of levels)."""

    plain: Found | None
    newer: tuple[Found, ...] = ()


class System(NamedTuple):
    """What decides the directories that are searched for every object; ``bare`` is what
    DF_1_NODEFLIB leaves of them."""

    architecture: Architecture
    libc: Libc
    bare: bool


class Search:
    """The search paths of the system in ``root``; what is looked up is looked up once."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._elfs: dict[ImagePath, ElfFile | None] = {}
        self._paths: dict[tuple[str, ImagePath, Architecture, Libc], tuple[Directory, ...]] = {}
        self._systems: dict[System, tuple[Directory, ...]] = {}
        self._in_system: dict[tuple[System, str], Looked] = {}
        self._candidates: dict[tuple[Architecture, Libc, ImagePath, str], Found | None] = {}
        self._held: dict[ImagePath, frozenset[str]] = {}
        self._levels: dict[ImagePath, tuple[Directory, ...]] = {}

    def elf(self, path: ImagePath) -> ElfFile | None:
        """Return what the file at ``path`` (links followed) says to a loader; nothing where it
        is no regular file, no ELF file, or a broken one."""
        if path in self._elfs:
            return self._elfs[path]
        resolution = self._root.resolve(path)
        if resolution is None:
            return None
        real = resolution.path
        if real not in self._elfs:
            try:
                with self._root.open(real) as handle:
                    self._elfs[real] = read_elf(handle)
            except (BrokenElfError, ClosureError):
                self._elfs[real] = None
        return self._elfs[real]

    @cached_property
    def loaders(self) -> dict[tuple[Architecture, Libc], ImagePath]:
        """The loaders that the root has."""
        found: dict[tuple[Architecture, Libc], ImagePath] = {}
        for known in PLATFORMS.values():
            musl = [f"/lib/ld-musl-{name}.so.1" for name in known.musl]
            for libc, texts in ((Libc.GLIBC, known.interpreters), (Libc.MUSL, musl)):
                for path in map(ImagePath, texts):
                    elf = self.elf(path)
                    if elf is not None and elf.architecture == known.architecture:
                        found.setdefault((known.architecture, libc), path)
        return found

    def expanded(self, text: str, origin: ImagePath, architecture: Architecture) -> str:
        """Return ``text`` with the dynamic string tokens of ld.so(8) replaced; as it is where it
        would become longer than anything that can be opened."""
        if "$" not in text or text.count("$") * len(origin.text) > _LONGEST_EXPANDED:
            return text
        known = PLATFORMS.get(architecture)
        values = {
            "ORIGIN": origin.text.rstrip("/"),
            "LIB": self._library(architecture),
            "PLATFORM": known.token if known else "",
        }
        return _TOKEN.sub(lambda match: values[match[1] or match[2]], text)

    def path(
        self, text: str, origin: ImagePath, architecture: Architecture, libc: Libc
    ) -> tuple[Directory, ...]:
        """Return the directories of an RPATH or RUNPATH; those relative to the working
        directory are none that an image could answer for."""
        if not text:
            return ()
        key = (text, origin, architecture, libc)
        if key not in self._paths:
            expanded = (
                _in_musl(text, origin)
                if libc is Libc.MUSL
                else self.expanded(text, origin, architecture)
            )
            self._paths[key] = tuple(
                self._with_levels(self._directory(part, origin), libc)
                for part in dict.fromkeys(expanded.split(":"))
                if part.startswith("/") and len(part) <= _LONGEST_DIRECTORY
            )
        return self._paths[key]

    def system(self, system: System) -> tuple[Directory, ...]:
        """Return the directories that every object of ``system`` is searched in.

        The sources of /etc/ld.so.cache are read in its stead: it can be stale, and an image has
        none until one is made of the same sources.
        """
        if system not in self._systems:
            musl = system.libc is Libc.MUSL
            self._systems[system] = (
                self._musl_directories(system.architecture)
                if musl
                else self._glibc_directories(system.architecture, system.bare)
            )
        return self._systems[system]

    def in_system(self, system: System, name: str) -> Looked:
        """Return what ``name`` leads to in the directories of ``system``."""
        if (system, name) not in self._in_system:
            self._in_system[system, name] = self.look(system, self.system(system), name)
        return self._in_system[system, name]

    def look(self, system: System, directories: Iterable[Directory], name: str) -> Looked:
        """Return what a search for ``name`` in ``directories`` meets, up to its end."""
        newer: list[Found] = []
        for directory in directories:
            for level in directory.levels:
                variant = self._candidate(system, level, name)
                if variant is not None and variant.elf is not None:
                    newer.append(variant._replace(directory=directory))
            found = self._candidate(system, directory, name)
            if found is not None and (not directory.cached or self._is_cached(found, name)):
                return Looked(found, tuple(newer))
        return Looked(None, tuple(newer))

    def _candidate(self, system: System, directory: Directory, name: str) -> Found | None:
        """Return the file that the loader meets in ``directory``.

        glibc passes over a file of another architecture (``open_verify``); any other that cannot
        be loaded ends the search. For musl every file does (``path_open``).
        """
        if directory.path is None or name not in self._names(directory.path):
            return None
        key = (system.architecture, system.libc, directory.path, name)
        if key not in self._candidates:
            found = self._open(directory, name)
            if system.libc is not Libc.MUSL and found is not None and found.elf is not None:
                found = found if found.elf.architecture == system.architecture else None
            self._candidates[key] = found
        found = self._candidates[key]
        return found and found._replace(directory=directory)

    def _is_cached(self, found: Found, name: str) -> bool:
        """Say whether ldconfig(8) records ``found`` under ``name`` (search_dir of elf/ldconfig.c).

        It looks at libraries alone, and records a directory's names that they give themselves;
        a link for the link editor (libx.so, which leads to one that is libx.so.1) by its own.
        """
        if found.elf is None:
            return False
        soname = found.elf.soname or name
        if _CACHEABLE.match(name):
            if soname == name:
                return True
            if name.endswith(".so") and soname.startswith(name):
                status = self._root.lstat(found.path)
                if status is not None and stat.S_ISLNK(status.st_mode):
                    return True
        # The name that another file there gives itself leads to what has it.
        others = (self.elf(found.path.parent / other) for other in self._cacheable(found))
        return any(other is not None and other.soname == name for other in others)

    def _cacheable(self, found: Found) -> list[str]:
        names = self._names(found.directory.path) if found.directory.path else ()
        return sorted(name for name in names if _CACHEABLE.match(name) and name != found.path.name)

    def named(self, text: str, origin: ImagePath) -> Found | None:
        """Return the file at the absolute path ``text``, which needs no search."""
        above, _, name = text.rpartition("/")
        return self._open(self._directory(above, origin), name)

    def _open(self, directory: Directory, name: str) -> Found | None:
        if directory.path is None:
            return None
        path = directory.path / name
        resolution = self._root.resolve(path)
        if resolution is None:
            return None
        elf = self.elf(resolution.path)
        return Found(path, resolution.path, elf if elf and elf.is_loadable else None, directory)

    def _with_levels(self, directory: Directory, libc: Libc) -> Directory:
        """Return ``directory`` with those in its glibc-hwcaps, which musl knows nothing of."""
        if directory.path is None or libc is Libc.MUSL:
            return directory
        if directory.path not in self._levels:
            place = directory.path / "glibc-hwcaps"
            levels = self._names(place) if place.name in self._names(directory.path) else ()
            self._levels[directory.path] = tuple(
                self._directory(f"{place}/{level}", ROOT) for level in sorted(levels)
            )
        return directory._replace(levels=self._levels[directory.path])

    def _names(self, directory: ImagePath) -> frozenset[str]:
        """Return what ``directory`` holds, so that the many names that it does not hold cost
        neither a system call nor memory; nothing where it is none, or closed to this user."""
        if directory not in self._held:
            try:
                resolution = self._root.follow(directory, ".")
                names = self._root.names(resolution.path) if resolution else ()
            except ClosureError:
                names = ()
            self._held[directory] = frozenset(names)
        return self._held[directory]

    def _directory(self, text: str, origin: ImagePath) -> Directory:
        """Return the directory that the absolute ``text`` leads to; of what is passed on the way,
        that which ``origin`` is in is there anyway."""
        normal = ImagePath(text or "/")
        try:
            resolution = self._root.follow(ROOT, f"{text}/")
        except ClosureError:
            resolution = None
        if resolution is None:
            return Directory(normal.text, None)
        if ".." not in text.split("/"):
            return Directory(normal.text, normal)
        passed = resolution.links + resolution.crossed
        away = tuple(path for path in passed if not origin.is_below(path))
        return Directory(resolution.path.text, resolution.path, away)

    def _glibc_directories(self, architecture: Architecture, bare: bool) -> tuple[Directory, ...]:
        """Return what /etc/ld.so.cache holds, then what glibc was built to search: Debian's own
        directories, or its upstream's."""
        library = self._library(architecture)
        texts = dict.fromkeys((f"/{library}", f"/usr/{library}", "/lib", "/usr/lib"))
        defaults = [ImagePath(text) for text in texts]
        found = [
            self._directory(path.text, ROOT)._replace(cached=True, configured=path not in defaults)
            for path in configured_directories(self._root)
            if not (bare and any(path.is_below(default) for default in defaults))
        ]
        if not bare:
            found += [self._directory(path.text, ROOT) for path in defaults]
        return tuple(self._with_levels(directory, Libc.GLIBC) for directory in found)

    def _musl_directories(self, architecture: Architecture) -> tuple[Directory, ...]:
        """Return musl's search path: that of /etc/ld-musl-ARCH.path, or its default."""
        text = "/lib:/usr/local/lib:/usr/lib"
        loader = self.loaders.get((architecture, Libc.MUSL))
        if loader is not None:
            file = ImagePath(f"/etc/{loader.name.removesuffix('.so.1')}.path")
            resolution = self._root.resolve(file)
            if resolution is not None:
                with self._root.open(resolution.path) as handle:
                    text = handle.read(_LARGEST_PATH).decode("utf-8", "surrogateescape")
        return tuple(
            self._directory(part, ROOT)
            for part in re.split("[:\n]", text.replace("\0", ""))
            if part.startswith("/")
        )

    def _library(self, architecture: Architecture) -> str:
        """Return ``$LIB``, which is also where the default directories are."""
        known = PLATFORMS.get(architecture)
        if known is None:
            return "lib"
        for triplet in known.triplets:
            for directory in (f"/lib/{triplet}", f"/usr/lib/{triplet}"):
                if self._root.resolve(ImagePath(directory)):
                    return f"lib/{triplet}"
        return known.library


def _in_musl(text: str, origin: ImagePath) -> str:
    """Return a search path as musl reads it: any other token than the origin makes it void
    (fixup_rpath of ldso/dynlink.c)."""
    parts = _MUSL_TOKEN.split(text)
    if any("$" in part for part in parts) or len(parts) * len(origin.text) > _LONGEST_EXPANDED:
        return ""
    return origin.text.rstrip("/").join(parts)
