"""Which libraries the system's loader takes for an object, and which it would miss."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.elf import ElfFile, ElfType, Libc, VersionNeed
from rootfs_ansible.exporter.platforms import PLATFORMS
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.search import Directory, Found, Search, System
from rootfs_ansible.model.path import ImagePath

PRELOAD = ImagePath("/etc/ld.so.preload")


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


# Its names are set apart by white space or colons; a comment goes to the end of its line (do_main
# in elf/rtld.c of glibc). Musl has no such file.
_PRELOAD_SEPARATORS = re.compile(r"[ \t\n:]+")
_PRELOAD_COMMENT = re.compile(r"#.*")
_LARGEST_PRELOAD = 64 << 10

# EI_OSABI of what Linux runs: System V, GNU, and the old ABIs of ARM.
_LINUX = {0, 3, 64, 97}
_SYSTEMS = {1: "HP-UX", 2: "NetBSD", 6: "Solaris", 7: "AIX", 9: "FreeBSD", 12: "OpenBSD"}

# A program with 135 libraries looks 1,200 times into a directory.
_MOST_LOOKS = 1 << 18

# What musl's loader is itself, whatever file has the name (load_library in ldso/dynlink.c).
_IN_MUSL = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\.")


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


class _EndlessError(Exception):
    """A loading looks into more directories than any real one."""


class _Space:
    """The address space of one loading: its objects by name and by file."""

    def __init__(self, libc: Libc, top: _Object) -> None:
        self.libc = libc
        self.objects = [top]
        self.names: dict[str, _Object] = {}
        self.files: dict[ImagePath, _Object] = {}
        self.looks = 0
        self.add(top)

    def add(self, item: _Object, *names: str) -> None:
        self.files.setdefault(item.real, item)
        # musl knows an object by the name that it was searched by, not by the one it has.
        soname = "" if self.libc is Libc.MUSL else item.elf.soname
        for name in (*names, soname):
            if name:
                self.names.setdefault(name, item)

    def counted(self, directories: Iterable[Directory]) -> Iterator[Directory]:
        """Yield ``directories`` as long as the looks into them are reasonably many."""
        for directory in directories:
            self.looks += 1
            if self.looks > _MOST_LOOKS:
                raise _EndlessError
            yield directory


class Loader:
    """The loaders of the system in ``root``: for each program and library, what comes with it."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._search = Search(root)
        self._lacking: dict[tuple[ImagePath, str, ImagePath], tuple[VersionNeed, ...]] = {}

    def elf(self, path: ImagePath) -> ElfFile | None:
        """Return what the file at ``path`` (links followed) says to a loader; nothing where it
        is no regular file, no ELF file, or a broken one."""
        return self._search.elf(path)

    def foreign(self, elf: ElfFile) -> str:
        """Say why nothing in this root can load or run ``elf``; empty where something can.

        Native are the architectures whose loader the root has, or where it has none, that of
        the running machine.
        """
        if elf.osabi not in _LINUX:
            return f"made for {_SYSTEMS.get(elf.osabi, f'system {elf.osabi}')}"
        loaders = self._search.loaders
        known = PLATFORMS.get(elf.architecture)
        natives = {architecture for architecture, _ in loaders}
        if elf.architecture not in natives and (
            natives or known is None or known.name != platform.machine()
        ):
            return f"made for {known.name if known else f'machine {elf.architecture.machine}'}"
        libc = elf.libc
        if libc is Libc.BIONIC:
            return "linked to the C library of Android"
        # A tree without any loader is a part of a system, and most systems have glibc.
        if (elf.architecture, libc) not in loaders and (
            libc is Libc.MUSL or (libc is Libc.GLIBC and natives)
        ):
            return f"linked to {libc}, whose loader is not there"
        glibc = (elf.architecture, Libc.GLIBC) in loaders
        if libc is Libc.MUSL and glibc and not elf.interpreter:
            return "linked to musl, and no program of glibc can load it"
        return ""

    def is_configured(self, path: ImagePath) -> bool:
        """Say whether only ld.so.conf names the directory of the library at ``path``."""
        elf = self.elf(path)
        if elf is None:
            return False
        system = System(elf.architecture, self._libc(elf), bare=False)
        return any(
            directory.configured and directory.path == path.parent
            for directory in self._search.system(system)
        )

    def load(
        self,
        path: ImagePath,
        opened: Callable[[ImagePath], Iterable[str]] = lambda _: (),
        *,
        preload: bool = False,
    ) -> Loading:
        """Return what is loaded with the program or library at ``path``, breadth first.

        ``opened`` gives the names that an object may pass to dlopen(3); one that is nowhere is
        not missing. With ``preload`` what /etc/ld.so.preload names comes first; asked for that
        file itself, the answer is what comes with every program.
        Empty for what no loader takes: a static program, an object file, no ELF file at all.
        ``ClosureError`` where nothing is at ``path``.
        """
        resolution = self._root.resolve(path)
        if resolution is None:
            raise ClosureError("there is no such path", where=path.text)
        elf = self._preloading() if path == PRELOAD else self.elf(resolution.path)
        if elf is None or not elf.is_loadable:
            return Loading()
        top = _Object(resolution.path, resolution.path, elf)
        space = _Space(self._libc(elf), top)
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
        for name in self._preloaded if preload and space.libc is Libc.GLIBC else ():
            target = self._target(space, top, name)
            if isinstance(target, _Object):
                loaded.append(replace(_loaded(top, name, target), requester=PRELOAD))
            else:
                missing.append(replace(target, requester=PRELOAD))
        for item in space.objects:
            maybe = ((name, False) for name in opened(item.real))
            for name, must in (*_wanted(item.elf), *maybe):
                target = self._target(space, item, name)
                if isinstance(target, _Object):
                    loaded.append(_loaded(item, name, target))
                elif must:
                    missing.append(target)
        versions = tuple(self._missing_versions(space))
        return Loading(tuple(loaded), interpreter, tuple(missing), versions)

    @cached_property
    def _preloaded(self) -> tuple[str, ...]:
        """The names in /etc/ld.so.preload."""
        resolution = self._root.resolve(PRELOAD)
        if resolution is None:
            return ()
        try:
            text = self._root.head(resolution.path, _LARGEST_PRELOAD)
        except ClosureError:
            return ()
        names = _PRELOAD_COMMENT.sub("", text.decode("utf-8", "surrogateescape"))
        return tuple(filter(None, _PRELOAD_SEPARATORS.split(names.partition("\0")[0])))

    def _preloading(self) -> ElfFile | None:
        """Return /etc/ld.so.preload as a library that needs what it names; nothing without glibc,
        the only one that reads it."""
        architectures = [of for of, libc in self._search.loaders if libc is Libc.GLIBC]
        if not architectures:
            return None
        return ElfFile(architectures[0], ElfType.SHARED, 0, needed=self._preloaded)

    def _libc(self, elf: ElfFile) -> Libc:
        """Return whose loader takes ``elf``: of two that the root has, glibc's if it is silent."""
        if elf.libc is not Libc.NONE:
            return elf.libc
        loaders = self._search.loaders
        glibc = (elf.architecture, Libc.GLIBC) in loaders
        musl = (elf.architecture, Libc.MUSL) in loaders
        return Libc.MUSL if musl and not glibc else Libc.GLIBC

    def _target(self, space: _Space, item: _Object, name: str) -> _Object | Missing:
        """Return the object that ``item`` gets for ``name``, put into the space if it is new."""
        musl = space.libc is Libc.MUSL
        origin, architecture = item.found.parent, item.elf.architecture
        text = name if musl else self._search.expanded(name, origin, architecture)
        known = space.names.get(text)
        if known is not None:
            return known
        if musl and _IN_MUSL.match(text):
            text = str(self._search.loaders.get((architecture, Libc.MUSL), text))
        target = self._named(item, text) if "/" in text else self._searched(space, item, text)
        if isinstance(target, Missing):
            return target
        present = space.files.get(target.real)
        if present is None:
            # Since glibc 2.30 (_dl_map_object_from_fd); musl takes anything.
            if not musl and (target.elf.type == ElfType.PROGRAM or target.elf.is_pie):
                return Missing(item.real, name, (), f"{target.found} is a program")
            space.objects.append(target)
        space.add(present or target, name, text)
        return present or target

    def _named(self, item: _Object, text: str) -> _Object | Missing:
        """Return what a name with a slash in it stands for; there is no search."""
        if not text.startswith("/"):
            return Missing(item.real, text, (), "it depends on the working directory")
        found = self._search.named(text, item.found.parent)
        if found is None:
            return Missing(item.real, text, (text.rpartition("/")[0] or "/",))
        return _object(item, text, found)

    def _searched(self, space: _Space, item: _Object, name: str) -> _Object | Missing:
        """Search ``name`` as ``item`` asks for it: its own path first, then the system's.

        Where there is none but for newer processors, it is that for the oldest of them.
        """
        system = System(item.elf.architecture, space.libc, item.elf.skips_default_directories)
        space.looks += len(self._search.system(system))
        own = self._own_path(space, item)
        try:
            plain, newer = self._search.look(system, space.counted(own), name)
        except _EndlessError:
            return Missing(item.real, name, (), "search paths are unreasonably long")
        if plain is None:
            plain, more = self._search.in_system(system, name)
            newer += more
        found = plain or next(iter(newer), None)
        if found is not None:
            variants = {variant.real: variant.path for variant in reversed(newer)}
            variants.pop(found.real, None)
            return _object(item, name, found, tuple(reversed(variants.values())))
        places = (*self._own_path(space, item), *self._search.system(system))
        return Missing(item.real, name, tuple(dict.fromkeys(place.text for place in places)))

    def _own_path(self, space: _Space, item: _Object) -> Iterator[Directory]:
        """Yield the directories that objects name themselves.

        glibc: the RPATH of all that led to the object, unless it has a RUNPATH; then that alone.
        An RPATH beside a RUNPATH is void. musl: either one, and both are inherited.
        """
        musl = space.libc is Libc.MUSL
        if item.elf.runpath and not musl:
            yield from self._path(space, item, item.elf.runpath)
            return
        for above in item.chain():
            if musl or not above.elf.runpath:
                yield from self._path(space, above, above.elf.runpath or above.elf.rpath)

    def _path(self, space: _Space, item: _Object, text: str) -> tuple[Directory, ...]:
        if not text:
            return ()
        return self._search.path(text, item.found.parent, item.elf.architecture, space.libc)

    def _missing_versions(self, space: _Space) -> Iterator[MissingVersion]:
        """Yield what _dl_check_map_versions of glibc stops at. A library without any versions
        is taken for any, with a warning."""
        for item in space.objects:
            for name in dict.fromkeys(need.file for need in item.elf.version_needs):
                provider = space.names.get(name)
                if provider is None or not provider.elf.version_definitions:
                    continue
                key = (item.real, name, provider.real)
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


def _object(
    loader: _Object, name: str, found: Found, variants: tuple[ImagePath, ...] = ()
) -> _Object | Missing:
    elf = found.elf
    if elf is None or elf.architecture != loader.elf.architecture or elf.osabi not in _LINUX:
        return Missing(loader.real, name, (), f"{found.path} is nothing that it can load")
    passed, configured = found.directory.passed, found.directory.configured
    return _Object(found.path, found.real, elf, loader, passed, variants, configured)


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
