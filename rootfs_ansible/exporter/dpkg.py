"""The package database of a Debian tree: who owns a path, and what a package holds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from rootfs_ansible.errors import ClosureError, InputError
from rootfs_ansible.exporter import globs
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.manifest import plain_name
from rootfs_ansible.model.path import ImagePath

DATABASE = ImagePath("/var/lib/dpkg")

# The states in which a package's files are there (dpkg(1), "Package states").
_UNPACKED = {"unpacked", "half-configured", "triggers-awaited", "triggers-pending", "installed"}

# All its files together: 2,000 packages have 20 MB. A hole in a file would count, too.
_LARGEST = 128 << 20

_FIELD = re.compile(r"^([!-9;-~]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
# Names of packages and architectures (Debian Policy 5.6.7, 5.6.8): they become names of files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*")
_SUM = re.compile(r"([0-9a-f]{32})  ([^/].*)")
_SOURCE = re.compile(r"\S+")

# What a package has for people, for the package manager or for interactive shells.
DOCUMENTATION = tuple(
    ImagePath(path)
    for path in (
        "/etc/bash_completion.d",
        "/usr/share/apport",
        "/usr/share/bash-completion",
        "/usr/share/bug",
        "/usr/share/doc",
        "/usr/share/doc-base",
        "/usr/share/fish",
        "/usr/share/gtk-doc",
        "/usr/share/help",
        "/usr/share/info",
        "/usr/share/lintian",
        "/usr/share/locale",
        "/usr/share/man",
        "/usr/share/metainfo",
        "/usr/share/zsh",
    )
)

# What scripts of packages make when they are installed, by the package whose content it is.
_MADE = {
    "/etc/fonts/conf.d/*": "fontconfig-config",
    "/etc/nsswitch.conf": "libc-bin",
    "/etc/ssl/certs/*": "ca-certificates",
    "/usr/lib/*/gdk-pixbuf-2.0/*/loaders.cache": "libgdk-pixbuf-2.0-0",
    "/usr/lib/*/gio/modules/giomodule.cache": "libglib2.0-0t64",
    "/usr/lib/*/graphviz/config*": "libgvc6",
    "/usr/lib/locale/locale-archive": "locales",
    "/usr/share/mime/**": "shared-mime-info",
}
# What only the scripts that install a package call; an image has nothing to install.
_INSTALLING = {"adduser", "debconf", "ucf"}

_ANY_MADE = globs.any_of(tuple(_MADE))


@dataclass(frozen=True, slots=True)
class Installed:
    """One installed package: ``stanza`` is its record as dpkg wrote it, ``name`` carries the
    architecture (``libc6:i386``) where that is not the tree's own.

    ``basic``: every Debian system has it. ``library``: it can be there for several architectures
    (Multi-Arch: same), as a library or a part of one is.
    """

    name: str
    version: str
    architecture: str
    source: str
    depends: str
    provides: str
    stanza: str
    basic: bool = False
    library: bool = False


@dataclass(frozen=True, slots=True)
class _Alternative:
    """One group of update-alternatives(1): the links it keeps, by name."""

    links: tuple[tuple[str, ImagePath], ...]


class PackageDatabase:
    """The dpkg database of the tree ``root``; empty where the tree has none.

    It was written in a container by whatever ran there: a line that makes no sense is passed
    over, never an error, and no name in it leads out of the tree.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._shared: set[str] = set()
        self._budget = _LARGEST
        self._counted: set[ImagePath] = set()

    def owner(self, path: ImagePath) -> Installed | None:
        """Return the package that owns ``path``, which has no link among its parents.

        A link that update-alternatives or ldconfig keeps belongs to the package it leads into,
        a file that the script of a package makes to that package.
        """
        owner = self._owner(path)
        if owner is not None or not self._packages:
            return owner
        if (target := self._kept_link(path)) is not None:
            owner = self._owner(target)
        if owner is None and _ANY_MADE.fullmatch(path.text):
            makers = (name for glob, name in _MADE.items() if globs.matches(glob, path.text))
            owner = self._by_name.get(next(makers))
        return owner

    def is_shared(self, directory: ImagePath) -> bool:
        """Say whether more than one package lists ``directory``: then it is a common place."""
        return bool(self._owned) and directory.text in self._shared

    def find(self, name: str) -> Installed | None:
        """Return the installed package ``name`` (``git``, ``libc6:i386``)."""
        plain, _, architecture = name.partition(":")
        if architecture in ("", "any", "all", self.architecture):
            return self._by_name.get(plain)
        return self._by_name.get(name)

    def files(self, package: Installed) -> tuple[ImagePath, ...]:
        """Return the paths of ``package`` but its documentation, diversions applied, sorted."""
        return tuple(
            sorted(
                path
                for path in self._listed(package)
                if path.text != "/" and not any(path.is_below(top) for top in DOCUMENTATION)
            )
        )

    def sums(self, package: Installed) -> dict[str, str]:
        """Return the MD5 sums that ``package`` brought of its files, by their paths in the tree
        (deb-md5sums(5)): none of its configuration, which may be changed."""
        found = {}
        for line in self._info(package, "md5sums").split("\n"):
            if (match := _SUM.fullmatch(line)) is not None:
                found[self._moved(f"/{match[2]}", package)] = match[1]
        return found

    def alternatives(self) -> tuple[ImagePath, ...]:
        """Return every link that update-alternatives keeps outside /etc/alternatives, sorted."""
        return tuple(sorted({link for group in self._groups for _, link in group.links}))

    def dependencies(self, package: Installed) -> tuple[Installed, ...]:
        """Return the installed packages that ``package`` depends on directly: of alternatives,
        the first that is installed (deb-control(5), "Depends")."""
        found: dict[str, Installed] = {}
        for clause in package.depends.split(","):
            for choice in clause.split("|"):
                name = re.split(r"[\s(\[<]", choice.strip(), maxsplit=1)[0]
                installed = self.find(name) or self._provider(plain_name(name))
                if name and installed is not None:
                    found.setdefault(installed.name, installed)
                    break
        return tuple(found.values())

    def parts(self, package: Installed) -> tuple[Installed, ...]:
        """Return the packages that ``package`` needs to run and that no edge leads to, sorted.

        That are, of all it depends on, packages of data and scripts (Architecture: all) and
        further ones of its own source, also where libraries are in between; the libraries
        themselves are found by what loads them. What every system has is not among them: it
        would bring a shell and the package manager into every image.
        """
        return self._needed(
            package, lambda part: part.architecture == "all" or part.source == package.source
        )

    def needed(self, package: Installed) -> tuple[Installed, ...]:
        """Return all packages that ``package`` depends on, directly or not, sorted: programs and
        libraries as well, but neither what every system has nor what only installs packages."""
        return self._needed(package, lambda _: True)

    def _needed(
        self, package: Installed, wanted: Callable[[Installed], bool]
    ) -> tuple[Installed, ...]:
        found: dict[str, Installed] = {}
        walked: set[str] = set()
        waiting = [package]
        while waiting:
            at = waiting.pop()
            if at.name in walked:
                continue
            walked.add(at.name)
            for part in self.dependencies(at):
                if part.basic or part.name in _INSTALLING:
                    continue
                if wanted(part):
                    found[part.name] = part
                elif not part.library:
                    continue
                waiting.append(part)
        found.pop(package.name, None)
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def architecture(self) -> str:
        """The architecture of dpkg itself; empty where the tree has no dpkg."""
        for fields in self._stanzas:
            if fields[0].get("Package") == "dpkg":
                return fields[0].get("Architecture", "")
        return next(
            (
                fields[0]["Architecture"]
                for fields in self._stanzas
                if fields[0].get("Architecture", "all") != "all"
            ),
            "",
        )

    @cached_property
    def _stanzas(self) -> tuple[tuple[dict[str, str], str], ...]:
        text = self._read(DATABASE / "status")
        found = []
        for stanza in re.split(r"\n(?:[ \t]*\n)+", text):
            fields = dict(_FIELD.findall(stanza))
            if fields.get("Status", "").split()[-1:] and (
                fields["Status"].split()[-1] in _UNPACKED
                and _NAME.fullmatch(fields.get("Package", ""))
                and _NAME.fullmatch(fields.get("Architecture", "all"))
            ):
                found.append((fields, stanza.strip("\n") + "\n"))
        return tuple(found)

    @cached_property
    def _packages(self) -> tuple[Installed, ...]:
        native = self.architecture
        found = []
        for fields, stanza in self._stanzas:
            architecture = fields.get("Architecture", "")
            suffix = "" if architecture in ("", "all", native) else f":{architecture}"
            name = fields["Package"]
            source = _SOURCE.match(fields.get("Source", ""))
            found.append(
                Installed(
                    name=name + suffix,
                    version=fields.get("Version", ""),
                    architecture=architecture,
                    source=source.group() if source else name,
                    depends=f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}",
                    provides=fields.get("Provides", ""),
                    stanza=stanza,
                    basic=fields.get("Essential") == "yes" or fields.get("Priority") == "required",
                    library=fields.get("Multi-Arch") == "same",
                )
            )
        return tuple(sorted(found, key=lambda package: package.name))

    @cached_property
    def _by_name(self) -> dict[str, Installed]:
        return {package.name: package for package in self._packages}

    @cached_property
    def _diversions(self) -> dict[str, tuple[str, str]]:
        """The path that a diversion moves → where to, and the package that keeps the path."""
        lines = self._read(DATABASE / "diversions").split("\n")
        return {
            lines[at]: (lines[at + 1], lines[at + 2])
            for at in range(0, len(lines) - 2, 3)
            if lines[at].startswith("/") and lines[at + 1].startswith("/")
        }

    @cached_property
    def _aliases(self) -> tuple[tuple[str, str], ...]:
        """The directories at the top that are links (/lib → /usr/lib), as the tree has them."""
        found = []
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"):
            resolution = self._root.resolve(ImagePath(f"/{name}"))
            if resolution is not None and resolution.links:
                found.append((f"/{name}", resolution.path.text))
        return tuple(found)

    @cached_property
    def _owned(self) -> dict[str, Installed]:
        """Every listed path, its top as the tree has it → the first package that lists it."""
        found: dict[str, Installed] = {}
        for package in self._packages:
            for text in self._lines(package):
                if found.setdefault(text, package) is not package:
                    self._shared.add(text)
        return found

    @cached_property
    def _groups(self) -> tuple[_Alternative, ...]:
        directory = DATABASE / "alternatives"
        return tuple(
            group
            for name in self._names(directory)
            if (group := _alternative(name, self._read(directory / name))) is not None
        )

    @cached_property
    def _kept_links(self) -> frozenset[str]:
        found = set()
        for group in self._groups:
            for name, link in group.links:
                found.add(self._merged(link.text))
                found.add(f"/etc/alternatives/{name}")
        return frozenset(found)

    def _owner(self, path: ImagePath) -> Installed | None:
        return self._owned.get(path.text)

    def _kept_link(self, path: ImagePath) -> ImagePath | None:
        """Return where ``path`` leads, if it is a link that a tool keeps for a package."""
        is_kept = path.text in self._kept_links
        if not is_kept and ".so." not in path.name:
            return None
        resolution = self._root.resolve(path)
        if resolution is None or path not in resolution.links:
            return None
        # ldconfig(8) makes libfoo.so.1 beside the libfoo.so.1.2 of the package.
        return resolution.path if is_kept or resolution.path.parent == path.parent else None

    def _merged(self, text: str) -> str:
        """Return ``text`` with the links at the top of the tree taken."""
        for alias, target in self._aliases:
            if text.startswith(alias) and text[len(alias) : len(alias) + 1] in ("", "/"):
                # The link itself keeps its name; what lies below it is below its target.
                return target + text[len(alias) :] if len(text) > len(alias) else text
        return text

    def _lines(self, package: Installed) -> Iterator[str]:
        """Yield the absolute paths in the list of ``package``, diversions applied."""
        for line in self._info(package, "list").split("\n"):
            if line.startswith("/"):
                yield self._moved(line, package).removesuffix("/.") or "/"

    def _info(self, package: Installed, kind: str) -> str:
        """Return the file of that kind that dpkg keeps of ``package``; empty where it has none."""
        plain = plain_name(package.name)
        for stem in (f"{plain}:{package.architecture}", plain):
            if text := self._read(DATABASE / "info" / f"{stem}.{kind}"):
                return text
        return ""

    def _moved(self, text: str, package: Installed) -> str:
        """Return where a path of ``package`` is, diversions applied."""
        moved, keeper = self._diversions.get(text, ("", ""))
        is_moved = moved and keeper != plain_name(package.name)
        return self._merged(moved if is_moved else text)

    def _listed(self, package: Installed) -> Iterator[ImagePath]:
        for text in self._lines(package):
            try:
                yield ImagePath(text)
            except InputError:
                continue

    def _provider(self, name: str) -> Installed | None:
        return self._providers.get(name)

    @cached_property
    def _providers(self) -> dict[str, Installed]:
        """What packages provide → the first that does."""
        found: dict[str, Installed] = {}
        for package in self._packages:
            for clause in package.provides.split(","):
                found.setdefault(clause.split("(")[0].strip(), package)
        return found

    def _read(self, path: ImagePath) -> str:
        resolution = self._root.resolve(path)
        if resolution is None:
            return ""
        try:
            stream = self._root.open(resolution.path)
        except ClosureError:
            return ""
        with stream:
            if path not in self._counted:
                self._counted.add(path)
                self._budget -= os.fstat(stream.fileno()).st_size
            if self._budget < 0:
                raise ClosureError(
                    f"is larger than {_LARGEST >> 20} MB, as no package database is",
                    where=DATABASE.text,
                    hint="remove what is not dpkg's there at the end of the build",
                )
            content = stream.read()
        return content.decode("utf-8", "surrogateescape")

    def _names(self, directory: ImagePath) -> Iterable[str]:
        resolution = self._root.resolve(directory)
        try:
            return self._root.names(resolution.path) if resolution else ()
        except ClosureError:
            return ()


def _alternative(name: str, text: str) -> _Alternative | None:
    """Read one file of update-alternatives(1): a mode, the master link, then the slaves as pairs
    of lines (name, link) up to an empty line; the choices after it are of no interest."""
    lines = text.split("\n")
    if len(lines) < 2 or lines[0] not in ("auto", "manual"):
        return None
    pairs = [(name, lines[1])]
    for at in range(2, len(lines) - 1, 2):
        if not lines[at]:
            break
        pairs.append((lines[at], lines[at + 1]))
    links = tuple(
        (name, ImagePath(link)) for name, link in pairs if link.startswith("/") and "\0" not in link
    )
    return _Alternative(links) if links else None
