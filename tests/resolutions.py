"""What is loaded with an ELF file: as this project says, and as the system's own loader says.

Needs nothing but the exporter and the standard library, so that it can be put into an image and
run there: ``python3 resolutions.py [ROOT]`` compares every ELF file below ``ROOT`` (a chroot).
"""

from __future__ import annotations

import json
import os
import platform
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from rootfs_ansible.exporter.elf import ELF_MAGIC
from rootfs_ansible.exporter.loader import PRELOAD, Loader
from rootfs_ansible.exporter.mounts import is_runtime_mount
from rootfs_ansible.exporter.platforms import PLATFORMS
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.path import ROOT, ImagePath

NOT_FOUND = "not found"

_LINE = re.compile(r"\t(?:(?P<name>.*) => )?(?P<path>.*?)(?: \(0x[0-9a-f]+\))?")
_VERSION = re.compile(r".*version `(?P<version>.*)' not found \(required by (?P<path>.*)\)")
_FATAL = re.compile(r".*: error while loading shared libraries: (?P<name>[^:]*): (?P<why>.*)")
_IGNORED = re.compile(r"ERROR: ld\.so: object '(?P<name>.*)' from /etc/ld\.so\.preload cannot .*")

Answer = list[str]


class Comparison:
    """The same question to this project's loader and to the system's, in one root.

    The answer is a list of texts in the loader's order: ``NAME => PATH`` as it opens the path,
    ``NAME => not found``, then ``VERSION lacks for PATH`` sorted. Of one that the loader gives up
    on it is ``fatal: NAME``.
    """

    def __init__(self, directory: Path, interpreter: str = "") -> None:
        self.root = Root(directory)
        self.loader = Loader(self.root)
        (known,) = (item for item in PLATFORMS.values() if item.name == platform.machine())
        self.known = known
        self.names = {text.rpartition("/")[2] for text in known.interpreters}
        self.interpreter = interpreter or known.interpreters[0]
        self._directory = directory

    def elfs(self, top: str = "/") -> Iterator[ImagePath]:
        """Yield every ELF file in ``top``, under each of its names but links."""
        waiting = [ImagePath(top)]
        while waiting:
            directory = waiting.pop()
            for name in self.root.names(directory):
                path = directory / name
                found = self.root.lstat(path)
                if found is None or is_runtime_mount(path):
                    continue
                if stat.S_ISDIR(found.st_mode):
                    waiting.append(path)
                elif stat.S_ISREG(found.st_mode) and (
                    self.root.head(path, len(ELF_MAGIC)) == ELF_MAGIC
                ):
                    yield path

    def kind(self, path: ImagePath) -> str:
        """Say what the file is to a loader: ``loaded``, or why it is nothing for this one."""
        elf = self.loader.elf(path)
        if elf is None:
            return "broken"
        if not elf.is_loadable:
            return "object file"
        if self.loader.foreign(elf):
            return "foreign"
        return "static" if elf.is_static or not elf.is_dynamic else "loaded"

    def ours(self, path: ImagePath) -> Answer:
        """What the exporter says, in the words of the loader."""
        loading = self.loader.load(path, preload=True)
        names: dict[ImagePath, str] = {}
        for item in loading.objects:
            if item.found.name not in self.names and item.real != path:
                name = item.found if "$" in item.soname else item.soname
                names.setdefault(item.real, f"{name} => {item.found}")
        # The trace leaves out an interpreter, and what is preloaded is only complained of.
        elf = self.loader.elf(path)
        unsaid = {elf.interpreter} if elf else set()
        missing = [
            item
            for item in loading.missing
            if item.requester != PRELOAD and item.soname not in unsaid
        ]
        for item in missing:
            if item.reason.startswith("/"):
                return [f"fatal: {item.soname}", f"fatal: {item.reason.split(' ')[0]}"]
        absent = dict.fromkeys(f"{item.soname} => {NOT_FOUND}" for item in missing)
        versions = {f"{item.version} lacks for {item.requester}" for item in loading.versions}
        return [*names.values(), *absent, *sorted(versions)]

    def theirs(self, path: ImagePath) -> Answer:
        """What the loader says: of libraries for newer processors it is told nothing."""
        command = [self.interpreter, "--glibc-hwcaps-mask", "", path.text]
        found, absent, versions = [], [], set()
        for line in traced(self._directory, command).splitlines():
            if fatal := _FATAL.fullmatch(line):
                return [f"fatal: {fatal['name']}"]
            if _IGNORED.fullmatch(line):
                continue
            if version := _VERSION.fullmatch(line):
                versions.add(f"{version['version']} lacks for {self._real(version['path'])}")
            elif (library := _LINE.fullmatch(line)) and library["path"] == NOT_FOUND:
                absent.append(f"{library['name']} => {NOT_FOUND}")
            elif library and library["path"].startswith("/"):
                opened = self._spelled(library["path"])
                if opened.name not in self.names and opened.text != self.interpreter:
                    name = library["name"] or opened.text
                    found.append(f"{opened if '..' in name else name} => {opened}")
        return [*found, *dict.fromkeys(absent), *sorted(versions)]

    def difference(self, path: ImagePath, theirs: Answer) -> str:
        """Say where the two differ; empty where they do not."""
        kind = self.kind(path)
        if kind != "loaded":
            # What is nothing to the loader has no libraries, whatever words it finds for that.
            found = [line for line in theirs if "=> /" in line]
            return f"{path}: {kind}, but the loader takes it: {found}" if found else ""
        ours = self.ours(path)
        if (elf := self.loader.elf(path)) and not elf.needed and not theirs:
            # The trace says "statically linked" then, whatever is preloaded.
            return ""
        if theirs and theirs[0].startswith("fatal: "):
            return "" if theirs[0] in ours else f"{path}: ours {ours}, the loader's {theirs}"
        loaded = [path, *(item.real for item in self.loader.load(path).objects)]
        elfs = [elf for elf in map(self.loader.elf, loaded) if elf]
        if any(elf.filters or elf.auxiliary for elf in elfs):
            # What a filter stands for comes before it, where that is the program: unsaid.
            unsaid = {name for elf in elfs for name in elf.auxiliary}
            top = elfs[0].filters + elfs[0].auxiliary
            theirs = sorted(x for x in theirs if x not in {f"{n} => {NOT_FOUND}" for n in unsaid})
            ours = sorted(x for x in ours if x.split(" => ")[0] not in top or x in theirs)
        return "" if ours == theirs else f"{path}: ours {_beyond(ours, theirs)}"

    def _spelled(self, text: str) -> ImagePath:
        """Return ``text`` as a ``Loaded`` has it: a ``..`` taken where the links before it lead."""
        above, _, name = text.rpartition("/")
        if ".." not in above.split("/"):
            return ImagePath(text)
        found = self.root.follow(ROOT, f"{above}/")
        assert found is not None, text
        return found.path / name

    def _real(self, text: str) -> ImagePath:
        found = self.root.resolve(ImagePath(text))
        assert found is not None, text
        return found.path


def _beyond(ours: Answer, theirs: Answer) -> str:
    mine = [line for line in ours if line not in theirs]
    other = [line for line in theirs if line not in ours]
    return f"{mine}, the loader's {other}" if mine or other else f"{ours}, in another order"


def traced(root: Path, command: list[str]) -> str:
    """Return what the loader ``command`` says in ``root`` that it would load.

    As ldd(1) asks it: ``ld.so --list`` is the same, but gives up on the first that is missing.
    """
    source, target = os.pipe()
    asking = {"LD_TRACE_LOADED_OBJECTS": "1"}
    if str(root) == "/":
        actions = [(os.POSIX_SPAWN_DUP2, target, 1), (os.POSIX_SPAWN_DUP2, target, 2)]
        child = os.posix_spawn(command[0], command, asking, file_actions=actions)
    else:
        child = os.fork()
    if not child:
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.chroot(root)
        os.chdir("/")
        os.execve(command[0], command, asking)
    os.close(target)
    with open(source, encoding="utf-8", errors="surrogateescape") as stream:  # noqa: PTH123
        said = stream.read()
    os.waitpid(child, 0)
    return said


def compared(comparison: Comparison, paths: Iterable[ImagePath]) -> list[str]:
    """Return the differences for ``paths``."""
    found = (comparison.difference(path, comparison.theirs(path)) for path in paths)
    return list(filter(None, found))


def main() -> None:
    """Compare a whole root; print counts and differences as JSON."""
    comparison = Comparison(Path(sys.argv[1] if sys.argv[1:] else "/"))
    paths = list(comparison.elfs())
    differences = compared(comparison, paths)
    kinds = Counter(map(comparison.kind, paths))
    json.dump({"kinds": kinds, "differences": differences}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
