"""What a traced run proves: which paths it missed that the build had, and what it never touched."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rootfs_ansible.drive.strace import Access, Wish
from rootfs_ansible.exporter import globs
from rootfs_ansible.exporter.dpkg import DOCUMENTATION
from rootfs_ansible.model.manifest import EdgeKind, Entry, Fragment, Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.paths import Known, Paths

BUILD = "build"
STAGING = "staging"

_ORDINARY = Path(__file__).with_name("ordinary.json")

_ABSENT = {"ENOENT", "ENOTDIR"}
_REFUSED = {"EACCES", "EROFS", "EPERM"}

_AHEAD = 64
"""How many accesses of a process a search for a name may take, and how many of them in a row may
have to do with something else: what other threads do meanwhile."""
_ASIDE = 6

_SHELLS = {"ash", "bash", "dash", "sh"}

_PLAIN = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/._+@-]*")
_LOADER = re.compile(r"/(?:usr/)?lib\w*/(?:[^/]+/)?ld-[^/]*\.so\.[0-9]+")


@dataclass(frozen=True, slots=True)
class Finding:
    """A path that the run missed and that a container of the build had.

    ``program`` wanted it, ``package`` owns it (empty: no package), ``container`` had it: ``build``
    or ``staging``. ``declare`` are the lines that ship it, ``note`` why it is not there, where that
    is known. One that is not ``certain`` counts only where the run failed.
    """

    path: str
    program: str
    wish: Wish
    package: str
    container: str
    declare: tuple[str, ...]
    note: str = ""
    certain: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "path": self.path,
            "process": self.program,
            "wish": str(self.wish),
            "package": self.package,
            "container": self.container,
            "declare": list(self.declare),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A path that was missed and is no finding, and why."""

    path: str
    program: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"path": self.path, "process": self.program, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Untouched:
    """Files that are shipped and that the run did not touch: of a package, or of a directory.

    ``size`` is in bytes.
    """

    name: str
    files: int
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"name": self.name, "files": self.files, "size": self.size}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trace of a run says: its findings, what it passed over, what was never touched (the
    largest first), and the numbers of processes and of paths touched."""

    findings: tuple[Finding, ...]
    passed_over: tuple[PassedOver, ...]
    untouched: tuple[Untouched, ...]
    processes: int
    touched: int


def judge(
    accesses: Sequence[Access],
    manifest: Fragment,
    containers: Sequence[tuple[str, Paths]],
    *,
    ignore: Sequence[str] = (),
    volumes: Sequence[str] = (),
    compiled: bool = True,
) -> Verdict:
    """Judge the ``accesses`` of a run of the image that ``manifest`` describes.

    ``containers`` are the indexes of what its build and staging containers had, in the order in
    which they are asked. ``ignore`` are globs of paths that are no findings, ``volumes`` the
    directories that hold what the run itself writes. ``compiled`` says that the stack has a build
    container, which the layers of the app come from.
    """
    shipped = Paths({str(entry.path): _known(entry) for entry in manifest.entries})
    judging = _Judging(accesses, manifest, shipped, containers, ignore, volumes, compiled)
    findings, passed = judging.findings()
    touched = _touched(accesses, manifest, shipped)
    return Verdict(
        tuple(findings),
        tuple(passed),
        tuple(_untouched(manifest, touched)),
        len({access.process for access in accesses}),
        len(touched),
    )


class _Judging:
    """One trace beside what is shipped and what the containers had."""

    def __init__(
        self,
        accesses: Sequence[Access],
        manifest: Fragment,
        shipped: Paths,
        containers: Sequence[tuple[str, Paths]],
        ignore: Sequence[str],
        volumes: Sequence[str],
        compiled: bool,
    ) -> None:
        self._shipped = shipped
        self._containers = containers
        self._ignored = globs.any_of(tuple(ignore))
        self._volumes = tuple(ImagePath(volume) for volume in volumes)
        self._compiled = compiled
        self._left_out = {item.path: item for item in manifest.omitted}
        self._of: dict[int, list[Access]] = {}
        self._at: list[tuple[Access, int]] = []
        for access in accesses:
            own = self._of.setdefault(access.process, [])
            self._at.append((access, len(own)))
            own.append(access)
        # What the run made is no file of an image, though it was missing before.
        self._found = {access.path for access in accesses if access.found}

    def findings(self) -> tuple[list[Finding], list[PassedOver]]:
        findings: dict[str, Finding] = {}
        passed: dict[str, PassedOver] = {}
        for access, number in self._at:
            if access.error in _REFUSED and access.wish is Wish.MAKE:
                refused = self._refused(access)
                if refused is not None:
                    findings.setdefault(refused.path, refused)
                continue
            if access.error not in _ABSENT:
                continue
            path = access.path
            if access.wish is Wish.MAKE:
                path = posixpath.dirname(path.rstrip("/")) or "/"
            found = self._had(path)
            if found is None or self._shipped.resolve(path) is not None:
                continue
            # The same file by another name (/bin, /usr/bin) is one finding.
            led = found[2]
            if led in findings and findings[led].certain:
                continue
            reason = self._ordinary(access, path, number)
            if reason:
                passed.setdefault(path, PassedOver(path, access.program, reason))
                continue
            finding = self._finding(access, path, *found)
            if led not in findings or finding.certain:
                findings[led] = finding
        for finding in findings.values():
            passed.pop(finding.path, None)
        return (
            sorted(findings.values(), key=lambda finding: finding.path),
            [passed[path] for path in sorted(passed)],
        )

    def _had(self, path: str) -> tuple[str, Paths, str] | None:
        """Return the container that had a path, what it had, and where the path led there."""
        for name, paths in self._containers:
            led = paths.resolve(path)
            if led is not None and led != "/":
                return name, paths, led
        return None

    def _ordinary(self, access: Access, path: str, number: int) -> str:
        """Return why it is no finding that a path was missed; nothing where it is one."""
        normal = posixpath.normpath(path)
        for rule in _rules():
            if not rule.question and rule.paths.fullmatch(normal):
                return rule.reason
        if self._ignored.fullmatch(normal):
            return "rootfs_smoke.ignore names it"
        if any(ImagePath(normal).is_below(volume) for volume in self._volumes):
            return "it is in a volume of the image"
        if path in self._found:
            return "the run made it"
        omission = self._left_out.get(normal)
        if omission is not None and omission.kind == "foreign":
            return omission.reason
        if access.wish is not Wish.MAKE and self._searched(access, number):
            return "the process found one of that name elsewhere"
        return ""

    def _searched(self, access: Access, number: int) -> bool:
        """Say whether the process went on looking for the name in other places, and found it.

        While it looks it may ask for the directories that it looked in, as glibc's loader does, and
        its other threads do what they do.
        """
        own = self._of[access.process]
        name = posixpath.basename(access.path.rstrip("/"))
        aside = 0
        for other in own[number + 1 : number + 1 + _AHEAD]:
            if posixpath.basename(other.path.rstrip("/")) == name:
                if other.found:
                    return True
                aside = 0
            elif not access.path.startswith(other.path.rstrip("/") + "/"):
                aside += 1
                if aside > _ASIDE:
                    return False
        return False

    def _finding(
        self, access: Access, path: str, container: str, paths: Paths, led: str
    ) -> Finding:
        known = paths[led]
        package = known.package or next(
            (paths[step].package for step in paths.steps(path) if paths[step].package), ""
        )
        normal = path if ".." not in path.split("/") else led
        normal = posixpath.normpath(normal)
        return Finding(
            normal,
            access.program,
            access.wish,
            package,
            container,
            self._declared(access, normal, package, container),
            self._note(normal),
            self._certain(access, known, paths, led, package),
        )

    def _certain(self, access: Access, known: Known, paths: Paths, led: str, package: str) -> bool:
        """Say whether who missed a path wanted what it holds.

        Who asks whether something is there goes on without it, or ends: then the run fails. So
        does an interpreter that looks for a module, and who lists a directory that is empty.
        """
        if any(rule.question and rule.paths.fullmatch(led) for rule in _rules()):
            return False
        if known.kind is Kind.DIRECTORY:
            listed = access.wish in (Wish.LIST, Wish.READ, Wish.MAKE)
            return listed and (access.wish is Wish.MAKE or _holds(paths, led))
        # A shell looks for the programs that it is to run by asking.
        return access.wish is not Wish.ASK or not package or access.program in _SHELLS

    def _declared(self, access: Access, path: str, package: str, container: str) -> tuple[str, ...]:
        """Return the lines that ship a path, as an inventory or a rootfs.yml says them."""
        if access.wish is Wish.MAKE:
            return (f"rootfs_volumes: [{_quoted(path)}]",)
        lines = (f"rootfs_packages: [{_quoted(package)}]",) if package else ()
        if package and not any(ImagePath(path).is_below(top) for top in DOCUMENTATION):
            return lines
        layer = ", layer: system" if package or (self._compiled and container == STAGING) else ""
        return (*lines, f"rootfs_outputs: [{{path: {_quoted(path)}{layer}}}]")

    def _note(self, path: str) -> str:
        for at in (path, *(str(above) for above in reversed(ImagePath(path).parents()))):
            omission = self._left_out.get(at)
            if omission is not None and omission.kind == "prune":
                return f"left out: {omission.reason}"
        return ""

    def _refused(self, access: Access) -> Finding | None:
        """Return a path that could not be written, which counts where the run failed."""
        directory = posixpath.dirname(posixpath.normpath(access.path)) or "/"
        if directory == "/" or any(rule.paths.fullmatch(access.path) for rule in _rules()):
            return None
        return Finding(
            posixpath.normpath(access.path), access.program, access.wish, "", "",
            (f"rootfs_volumes: [{_quoted(directory)}]",), "it could not be written", False,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rule:
    """Paths whose absence is ordinary, and why; a ``question`` counts where the run failed."""

    paths: re.Pattern[str]
    reason: str
    question: bool


@cache
def _rules() -> tuple[_Rule, ...]:
    rules = json.loads(_ORDINARY.read_text(encoding="utf-8"))
    return tuple(
        _Rule(globs.any_of(tuple(rule["paths"])), rule["reason"], rule.get("question", False))
        for rule in rules
    )


def _known(entry: Entry) -> Known:
    return Known(entry.kind, entry.package, entry.link)


def _holds(paths: Mapping[str, Known], directory: str) -> bool:
    return any(
        path.startswith(f"{directory}/") and known.kind is not Kind.DIRECTORY
        for path, known in paths.items()
    )


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _touched(accesses: Iterable[Access], manifest: Fragment, shipped: Paths) -> set[str]:
    """Return the shipped paths that a run touched, with the links on the way, and what the kernel
    opens by itself: interpreters, and the loader."""
    interpreters: dict[str, list[str]] = {}
    for edge in manifest.edges:
        if edge.kind is EdgeKind.SHEBANG or (
            edge.kind is EdgeKind.ELF and _LOADER.fullmatch(edge.target)
        ):
            interpreters.setdefault(edge.source, []).append(edge.target)
    touched: set[str] = set()
    waiting = [(access.path, access.wish is Wish.RUN) for access in accesses if access.found]
    while waiting:
        path, is_run = waiting.pop()
        steps = shipped.steps(path)
        touched.update(steps)
        if is_run and steps:
            waiting += [(target, False) for target in interpreters.get(steps[-1], [])]
    return touched


def _untouched(manifest: Fragment, touched: set[str]) -> Iterator[Untouched]:
    """Yield, the largest first, what of each package, or of each directory of files of none, was
    not touched under any of its names."""
    names: dict[str, set[str]] = {}
    for entry in manifest.entries:
        names.setdefault(str(entry.hardlink or entry.path), set()).add(str(entry.path))
    found: dict[str, list[int]] = {}
    for entry in manifest.entries:
        if entry.kind is not Kind.FILE or entry.hardlink is not None:
            continue
        if names[str(entry.path)].isdisjoint(touched):
            found.setdefault(entry.package or _place(str(entry.path)), []).append(entry.size)
    shares = [Untouched(name, len(sizes), sum(sizes)) for name, sizes in found.items()]
    yield from sorted(shares, key=lambda share: (-share.size, share.name))


def _place(path: str) -> str:
    """Return the directory that stands for a file of no package: that of its npm package or of its
    Python package, or the uppermost."""
    parts = path.split("/")[1:-1]
    for mark in ("node_modules", "site-packages", "dist-packages"):
        if mark in parts:
            at = len(parts) - parts[::-1].index(mark)
            depth = at + 1 + (parts[at : at + 1] != [] and parts[at].startswith("@"))
            return "/" + "/".join(parts[:depth])
    return "/" + "/".join(parts[: 3 if parts[:1] == ["usr"] else 2])
