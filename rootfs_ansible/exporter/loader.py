"""Which libraries the system's loader takes for an object: glibc's and musl's search, rooted.

The rules are those of ld.so(8) and glibc's elf/dl-load.c (``_dl_map_object``), and of musl's
ldso/dynlink.c. No environment variable takes part: nothing sets LD_LIBRARY_PATH in an image.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.elf import (
    Architecture,
    BrokenElfError,
    ElfFile,
    Libc,
    VersionNeed,
    read_elf,
)
from rootfs_ansible.exporter.ldconfig import configured_directories
from rootfs_ansible.exporter.platforms import PLATFORMS
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ROOT, ImagePath

_LARGEST_PATH = 64 << 10


@dataclass(frozen=True, slots=True)
class Loaded:
    """A library that ``requester`` gets for the name ``soname``.

    ``found`` is the path that the loader opens, links not followed, and ``real`` the file that it
    is. ``passed`` are links and directories on the way that ``found`` no longer names, because a
    ``..`` followed them. ``variants`` are the same library for newer processors (glibc-hwcaps).
    ``configured``: only ld.so.conf names its directory, so that at run time only a matching
    /etc/ld.so.cache leads to it.
    """

    requester: ImagePath
    soname: str
    found: ImagePath
    real: ImagePath
    passed: tuple[ImagePath, ...] = ()
    variants: tuple[ImagePath, ...] = ()
    configured: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """A library (or an interpreter) that ``requester`` needs and that is not there.

    ``searched`` are the directories in the order of the search; ``reason`` says what is wrong
    with a file that has the name and ends the search, and is empty where there is none.
    """

    requester: ImagePath
    soname: str
    searched: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MissingVersion:
    """A symbol version that ``requester`` needs of ``soname`` and that ``provider`` lacks."""

    requester: ImagePath
    soname: str
    version: str
    provider: ImagePath


@dataclass(frozen=True, slots=True)
class Loading:
    """All that the loader takes for one object, itself not included, in the loader's order.

    ``objects`` has one entry per name that an object needs, so the same library occurs as often
    as something needs it.
    """

    objects: tuple[Loaded, ...] = ()
    interpreter: Loaded | None = None
    missing: tuple[Missing, ...] = ()
    versions: tuple[MissingVersion, ...] = ()


# EI_OSABI of what Linux runs: System V, GNU, and the old ABIs of ARM.
_LINUX = {0, 3, 64, 97}
_SYSTEMS = {1: "HP-UX", 2: "NetBSD", 6: "Solaris", 7: "AIX", 9: "FreeBSD", 12: "OpenBSD"}

_TOKEN = re.compile(r"\$(?:(ORIGIN|LIB|PLATFORM)(?![A-Za-z0-9_])|\{(ORIGIN|LIB|PLATFORM)\})")

# What musl's loader is itself, whatever file has the name (load_library in ldso/dynlink.c).
_IN_MUSL = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\.")


class _Directory(NamedTuple):
    """A directory of a search path; ``path`` is empty where it is not there."""

    text: str
    path: ImagePath | None
    passed: tuple[ImagePath, ...] = ()
    configured: bool = False


class _Found(NamedTuple):
    """The file that a search ends at; without ``elf`` it is one that no loader takes."""

    path: ImagePath
    real: ImagePath
    elf: ElfFile | None
    directory: _Directory
    variants: tuple[ImagePath, ...] = ()


@dataclass(slots=True, eq=False)
class _Object:
    """An object in the address space that a loading fills."""

    found: ImagePath
    real: ImagePath
    elf: ElfFile
    loader: _Object | None = None
    passed: tuple[ImagePath, ...] = ()
    variants: tuple[ImagePath, ...] = ()
    configured: bool = False

    def chain(self) -> Iterator[_Object]:
        """Yield the object, the one that caused it to be loaded, and so on up to the program."""
        at: _Object | None = self
        while at is not None:
            yield at
            at = at.loader


class _Space:
    """The address space of one loading: its objects by name and by file."""

    def __init__(self, libc: Libc) -> None:
        self.libc = libc
        self.objects: list[_Object] = []
        self.names: dict[str, _Object] = {}
        self.files: dict[ImagePath, _Object] = {}

    def add(self, item: _Object, *names: str) -> None:
        self.files.setdefault(item.real, item)
        for name in (*names, item.elf.soname):
            if name:
                self.names.setdefault(name, item)


class Loader:
    """The loaders of the system in ``root``; what they look up is looked up once."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._elfs: dict[ImagePath, ElfFile | None] = {}
        self._systems: dict[tuple[Architecture, Libc, bool], tuple[_Directory, ...]] = {}
        self._paths: dict[tuple[str, ImagePath, Architecture], tuple[_Directory, ...]] = {}
        self._by_system: dict[tuple[Architecture, Libc, bool, str], _Found | None] = {}
        self._candidates: dict[tuple[Architecture, ImagePath, str], _Found | None] = {}
        self._hwcaps: dict[ImagePath, tuple[_Directory, ...]] = {}
        self._lacking: dict[tuple[ImagePath, ImagePath], tuple[VersionNeed, ...]] = {}

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

    def foreign(self, elf: ElfFile) -> str:
        """Say why nothing in this root can load or run ``elf``; empty where something can.

        Native are the architectures whose loader the root has, or where it has none, that of
        the running machine.
        """
        if elf.osabi not in _LINUX:
            return f"made for {_SYSTEMS.get(elf.osabi, f'system {elf.osabi}')}"
        known = PLATFORMS.get(elf.architecture)
        natives = {architecture for architecture, _ in self._loaders}
        if elf.architecture not in natives and (
            natives or known is None or known.name != platform.machine()
        ):
            return f"made for {known.name if known else f'machine {elf.architecture.machine}'}"
        libc = elf.libc
        if libc is Libc.BIONIC:
            return "linked to the C library of Android"
        if libc is Libc.NONE or (elf.architecture, libc) in self._loaders:
            return ""
        # A tree without any loader is a part of a system; most systems have glibc.
        return (
            f"linked to {libc}, whose loader is not there" if natives or libc is Libc.MUSL else ""
        )

    def load(self, path: ImagePath) -> Loading:
        """Return what is loaded with the program or library at ``path``, breadth first.

        Empty for what no loader takes: a static program, an object file, no ELF file at all.
        ``ClosureError`` where nothing is at ``path``.
        """
        resolution = self._root.resolve(path)
        if resolution is None:
            raise ClosureError("there is no such path", where=path.text)
        elf = self.elf(resolution.path)
        if elf is None or not elf.is_loadable:
            return Loading()
        top = _Object(resolution.path, resolution.path, elf)
        space = _Space(self._libc(elf))
        space.objects.append(top)
        space.add(top)
        loaded: list[Loaded] = []
        missing: list[Missing] = []
        interpreter = None
        if elf.interpreter:
            target = self._named(top, elf.interpreter)
            if isinstance(target, _Object):
                space.add(target, elf.interpreter, target.found.name)
                interpreter = _loaded(top, elf.interpreter, target)
            else:
                missing.append(target)
        for item in space.objects:
            for name, must in _wanted(item.elf):
                target = self._target(space, item, name)
                if isinstance(target, _Object):
                    loaded.append(_loaded(item, name, target))
                elif must:
                    missing.append(target)
        versions = tuple(self._missing_versions(space))
        return Loading(tuple(loaded), interpreter, tuple(missing), versions)

    @cached_property
    def _loaders(self) -> dict[tuple[Architecture, Libc], ImagePath]:
        """The loaders that the root has."""
        found: dict[tuple[Architecture, Libc], ImagePath] = {}
        for known in PLATFORMS.values():
            for libc, texts in (
                (Libc.GLIBC, known.interpreters),
                (Libc.MUSL, [f"/lib/ld-musl-{name}.so.1" for name in known.musl]),
            ):
                for path in map(ImagePath, texts):
                    elf = self.elf(path)
                    if elf is not None and elf.architecture == known.architecture:
                        found.setdefault((known.architecture, libc), path)
        return found

    def _libc(self, elf: ElfFile) -> Libc:
        """Return whose loader takes ``elf``: of two that the root has, glibc's if it is silent."""
        if elf.libc is not Libc.NONE:
            return elf.libc
        musl = (elf.architecture, Libc.MUSL) in self._loaders
        return (
            Libc.MUSL
            if musl and (elf.architecture, Libc.GLIBC) not in self._loaders
            else Libc.GLIBC
        )

    def _target(self, space: _Space, item: _Object, name: str) -> _Object | Missing:
        """Return the object that ``item`` gets for ``name``, put into the space if it is new."""
        text = _expanded(name, item.found.parent, self._tokens(item.elf.architecture))
        known = space.names.get(text)
        if known is not None:
            return known
        if space.libc is Libc.MUSL and _IN_MUSL.match(text):
            text = str(self._loaders.get((item.elf.architecture, Libc.MUSL), text))
        target = self._named(item, text) if "/" in text else self._searched(space, item, text)
        if isinstance(target, Missing):
            return target
        present = space.files.get(target.real)
        if present is None:
            space.objects.append(target)
        space.add(present or target, name, text)
        return present or target

    def _named(self, item: _Object, text: str) -> _Object | Missing:
        """Return what a name with a slash in it stands for; there is no search."""
        if not text.startswith("/"):
            return Missing(item.real, text, (), "it depends on the working directory")
        above, _, name = text.rpartition("/")
        directory = self._directory(above + "/", item.real)
        found = self._open(directory, name)
        if found is None:
            return Missing(item.real, text, (directory.text,))
        if found.elf is None or found.elf.architecture != item.elf.architecture:
            return Missing(item.real, text, (), f"{found.path} is nothing that it can load")
        return _object(item, found, found.elf)

    def _searched(self, space: _Space, item: _Object, name: str) -> _Object | Missing:
        """Search ``name`` as ``item`` asks for it: its own path first, then the system's."""
        architecture = item.elf.architecture
        system = (architecture, space.libc, item.elf.skips_default_directories)
        found = None
        for directory in self._own_path(space, item):
            found = self._candidate(architecture, directory, name)
            if found is not None:
                break
        else:
            if (*system, name) not in self._by_system:
                self._by_system[*system, name] = self._find_in_system(system, name)
            found = self._by_system[*system, name]
        if found is None:
            places = (*self._own_path(space, item), *self._system(*system))
            return Missing(item.real, name, tuple(dict.fromkeys(place.text for place in places)))
        if found.elf is None:
            return Missing(item.real, name, (), f"{found.path} is nothing that it can load")
        return _object(item, found, found.elf)

    def _find_in_system(self, system: tuple[Architecture, Libc, bool], name: str) -> _Found | None:
        for directory in self._system(*system):
            found = self._candidate(system[0], directory, name)
            # ldconfig records a library by the name that it gives itself.
            if found and not (
                directory.configured and found.elf and found.elf.soname not in ("", name)
            ):
                return found
        return None

    def _own_path(self, space: _Space, item: _Object) -> Iterator[_Directory]:
        """Yield the directories that objects name themselves.

        glibc: RPATH of all that led to the object, unless it has a RUNPATH; then its own
        RUNPATH. An RPATH beside a RUNPATH is void. musl: either one, and both are inherited.
        """
        if space.libc is Libc.MUSL:
            for above in item.chain():
                yield from self._path(above.elf.runpath or above.elf.rpath, above)
        elif item.elf.runpath:
            yield from self._path(item.elf.runpath, item)
        else:
            for above in item.chain():
                if not above.elf.runpath:
                    yield from self._path(above.elf.rpath, above)

    def _path(self, text: str, item: _Object) -> tuple[_Directory, ...]:
        """Return the directories of an RPATH or RUNPATH; those relative to the working
        directory are none that an image could answer for."""
        if not text:
            return ()
        origin = item.found.parent
        key = (text, origin, item.elf.architecture)
        if key not in self._paths:
            expanded = _expanded(text, origin, self._tokens(item.elf.architecture))
            self._paths[key] = tuple(
                self._directory(part, item.real)
                for part in dict.fromkeys(expanded.split(":"))
                if part.startswith("/")
            )
        return self._paths[key]

    def _directory(self, text: str, holder: ImagePath) -> _Directory:
        """Return the directory that the absolute ``text`` leads to; what is passed on the way is
        noted but for what ``holder`` is in, which is there anyway."""
        resolution = self._root.follow(ROOT, text + "/")
        normal = ImagePath(text)
        if resolution is None:
            return _Directory(normal.text, None)
        if ".." not in text.split("/"):
            return _Directory(normal.text, normal)
        passed = resolution.links + resolution.crossed
        return _Directory(
            resolution.path.text,
            resolution.path,
            tuple(path for path in passed if not holder.is_below(path)),
        )

    def _system(self, architecture: Architecture, libc: Libc, bare: bool) -> tuple[_Directory, ...]:
        """Return the directories that every object of the system is searched in; ``bare`` asks
        for what DF_1_NODEFLIB leaves of them.

        The sources of /etc/ld.so.cache are read in its stead: it can be stale, and an image has
        none until one is made of the same sources.
        """
        key = (architecture, libc, bare)
        if key not in self._systems:
            if libc is Libc.MUSL:
                found = [
                    self._directory(text, ROOT) for text in self._musl_directories(architecture)
                ]
            else:
                defaults = [
                    self._directory(text, ROOT) for text in self._default_directories(architecture)
                ]
                paths = [ImagePath(directory.text) for directory in defaults]
                found = [
                    self._directory(path.text, ROOT)._replace(configured=path not in paths)
                    for path in configured_directories(self._root)
                    if not (bare and any(path.is_below(default) for default in paths))
                ]
                found += [] if bare else defaults
            self._systems[key] = tuple(found)
        return self._systems[key]

    def _default_directories(self, architecture: Architecture) -> tuple[str, ...]:
        """Return what glibc was built to search: Debian's own directories, or its upstream's."""
        library = self._library(architecture)
        return tuple(dict.fromkeys((f"/{library}", f"/usr/{library}", "/lib", "/usr/lib")))

    def _library(self, architecture: Architecture) -> str:
        known = PLATFORMS.get(architecture)
        if known is None:
            return "lib"
        for triplet in known.triplets:
            for directory in (f"/lib/{triplet}", f"/usr/lib/{triplet}"):
                if self._root.resolve(ImagePath(directory)):
                    return f"lib/{triplet}"
        return known.library

    def _musl_directories(self, architecture: Architecture) -> list[str]:
        """Return musl's search path: of /etc/ld-musl-ARCH.path, or its default."""
        loader = self._loaders.get((architecture, Libc.MUSL))
        if loader is not None:
            name = loader.name.removesuffix(".so.1")
            resolution = self._root.resolve(ImagePath(f"/etc/{name}.path"))
            if resolution is not None:
                with self._root.open(resolution.path) as handle:
                    text = handle.read(_LARGEST_PATH).decode("utf-8", "surrogateescape")
                return [part for part in re.split("[:\n]", text) if part.startswith("/")]
        return ["/lib", "/usr/local/lib", "/usr/lib"]

    def _tokens(self, architecture: Architecture) -> dict[str, str]:
        known = PLATFORMS.get(architecture)
        token = known.token if known else ""
        return {"LIB": self._library(architecture), "PLATFORM": token}

    def _candidate(
        self, architecture: Architecture, directory: _Directory, name: str
    ) -> _Found | None:
        """Return what the loader meets in ``directory``: the plain library, and beside it those
        in glibc-hwcaps, of which the machine would choose; it alone goes everywhere."""
        if directory.path is None:
            return None
        key = (architecture, directory.path, name)
        if key not in self._candidates:
            variants = [
                found.path
                for place in self._hwcaps_of(directory.path)
                if (found := self._open(place, name)) and found.elf
            ]
            found = self._open(directory, name)
            # One of another architecture is passed over (open_verify), any other ends the search.
            if found and found.elf and found.elf.architecture != architecture:
                found = None
            self._candidates[key] = found._replace(variants=tuple(variants)) if found else None
        found = self._candidates[key]
        return found._replace(directory=directory) if found else None

    def _hwcaps_of(self, directory: ImagePath) -> tuple[_Directory, ...]:
        if directory not in self._hwcaps:
            resolution = self._root.follow(directory, "glibc-hwcaps/")
            names = self._root.names(resolution.path) if resolution else ()
            self._hwcaps[directory] = tuple(
                self._directory(f"{directory}/glibc-hwcaps/{name}", ROOT) for name in names
            )
        return self._hwcaps[directory]

    def _open(self, directory: _Directory, name: str) -> _Found | None:
        if directory.path is None:
            return None
        path = directory.path / name
        resolution = self._root.resolve(path)
        if resolution is None:
            return None
        elf = self.elf(resolution.path)
        return _Found(path, resolution.path, elf if elf and elf.is_loadable else None, directory)

    def _missing_versions(self, space: _Space) -> Iterator[MissingVersion]:
        """Yield what _dl_check_map_versions of glibc stops at. A library without any versions
        is taken for any, with a warning."""
        for item in space.objects:
            for name in dict.fromkeys(need.file for need in item.elf.version_needs):
                provider = space.names.get(name)
                if provider is None or not provider.elf.version_definitions:
                    continue
                key = (item.real, provider.real)
                if key not in self._lacking:
                    held = set(provider.elf.version_definitions)
                    self._lacking[key] = tuple(
                        need
                        for need in item.elf.version_needs
                        if need.file == name and not need.weak and need.version not in held
                    )
                for need in self._lacking[key]:
                    yield MissingVersion(item.real, name, need.version, provider.real)


def _wanted(elf: ElfFile) -> Iterator[tuple[str, bool]]:
    """Yield the names that an object asks for, and whether it must get them."""
    yield from ((name, True) for name in elf.needed)
    yield from ((name, True) for name in elf.filters)
    yield from ((name, False) for name in elf.auxiliary)


def _expanded(text: str, origin: ImagePath, tokens: dict[str, str]) -> str:
    if "$" not in text:
        return text
    values = {"ORIGIN": origin.text.rstrip("/"), **tokens}
    return _TOKEN.sub(lambda match: values[match[1] or match[2]], text)


def _object(loader: _Object, found: _Found, elf: ElfFile) -> _Object:
    directory = found.directory
    return _Object(
        found.path,
        found.real,
        elf,
        loader,
        directory.passed,
        found.variants,
        directory.configured,
    )


def _loaded(requester: _Object, name: str, item: _Object) -> Loaded:
    return Loaded(
        requester.real,
        name,
        item.found,
        item.real,
        item.passed,
        item.variants,
        item.configured,
    )
