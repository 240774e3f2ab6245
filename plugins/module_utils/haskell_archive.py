"""What the distribution has for Haskell: the archive's own index, as apt keeps it.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_LIBRARY = re.compile(r"(?P<name>.+)-(?P<version>[0-9]+(?:\.[0-9]+)*)(?:-[^-]+)?$")
_NEED = re.compile(r"\s*([a-z0-9][a-z0-9+.-]*)")
_RUNTIME = r"lib{}-?[0-9][0-9.]*[a-z]?(?:t64)?"
_DEVELOPMENT = r"lib{}-?[0-9][0-9.]*[a-z]?-dev"


@dataclass(frozen=True, slots=True)
class Library:
    """A Haskell library of the distribution: its version and the package that holds it."""

    version: str
    package: str


@dataclass(frozen=True, slots=True)
class Archive:
    """The index of the archive.

    ``libraries`` are Haskell's by their own names. ``packages`` are what each package depends on;
    ``provides`` who stands for a name that is no package's.
    """

    libraries: Mapping[str, Library] = field(default_factory=dict)
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provides: Mapping[str, str] = field(default_factory=dict)

    def with_data(self, packages: Iterable[str]) -> tuple[str, ...]:
        """Return the packages that hold the data of Haskell libraries, of ``packages`` and of all
        that these depend on: nothing else depends on them."""
        names = {library.package: name for name, library in self.libraries.items()}
        found = set()
        for package in self._closure(packages):
            name = names.get(package, "").lower()
            found |= {
                candidate
                for candidate in (f"{name}-data", f"libghc-{name}-data")
                if name and candidate in self.packages
            }
        return tuple(sorted(found))

    def development(self, name: str) -> str:
        """Return the package to compile against a foreign library or pkg-config module ``name``.

        Found by the distribution's rules for names: there is none, or several, where they leave
        that open.
        """
        bare = re.sub(r"^lib", "", name.lower()).replace("_", "-")
        # glib-2.0 is in libglib2.0-dev, gtk+-3.0 in libgtk-3-dev, yaml-0.1 in libyaml-dev.
        stems = [bare, bare.replace("-", "", 1), re.sub(r"\+|\.0$", "", bare)]
        stems = list(dict.fromkeys([*stems, re.sub(r"-?[0-9.]+$", "", bare)]))
        for stem in stems:
            if f"lib{stem}-dev" in self.packages:
                return f"lib{stem}-dev"
        for pattern in (_DEVELOPMENT, _RUNTIME):
            for stem in stems:
                regex = re.compile(pattern.format(re.escape(stem)))
                matching = {package for package in self.packages if regex.fullmatch(package)}
                if pattern is _RUNTIME:
                    matching = {
                        package
                        for package, needs in self.packages.items()
                        if package.endswith("-dev") and matching & set(needs)
                    }
                if len(matching) == 1:
                    return matching.pop()
        return f"{bare}-dev" if f"{bare}-dev" in self.packages else ""

    def program(self, package: str, program: str) -> str:
        """Return the package that has a build tool: it is called as the tool or Haskell's is."""
        for name in (program.lower(), package.lower()):
            if name in self.packages:
                return name
        library = self.libraries.get(package)
        return library.package if library else ""

    def _closure(self, packages: Iterable[str]) -> Iterator[str]:
        todo, done = list(packages), set[str]()
        while todo:
            name = todo.pop()
            name = name if name in self.packages else self.provides.get(name, name)
            if name not in done:
                done.add(name)
                yield name
                todo += [need for need in self.packages.get(name, ()) if need.startswith("libghc-")]


def parse(index: Iterable[str]) -> Archive:
    """Return the archive whose ``Packages`` index these are the lines of."""
    libraries: dict[str, Library] = {}
    packages: dict[str, tuple[str, ...]] = {}
    provides: dict[str, str] = {}
    for fields in _stanzas(index):
        package = fields.get("Package", "")
        packages[package] = tuple(_names(fields.get("Depends", "")))
        found = _LIBRARY.fullmatch(fields.get("Ghc-Package", ""))
        if found:
            libraries[found["name"]] = Library(found["version"], package)
            provides |= dict.fromkeys(_names(fields.get("Provides", "")), package)
    return Archive(libraries, packages, provides)


def _names(value: str) -> Iterator[str]:
    for alternative in value.split(","):
        if found := _NEED.match(alternative):
            yield found[1]


def _stanzas(index: Iterable[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in index:
        if line.startswith((" ", "\t")):
            continue
        if line.strip():
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif fields:
            yield fields
            fields = {}
    if fields:
        yield fields
