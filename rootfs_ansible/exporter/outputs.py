"""Outputs: which paths of a tree the declared outputs claim, and what of them is dropped."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rootfs_ansible.errors import InputError
from rootfs_ansible.exporter import accounts, globs
from rootfs_ansible.exporter.dpkg import DOCUMENTATION, Installed, PackageDatabase
from rootfs_ansible.exporter.mounts import RUNTIME_MOUNTS, is_mounted
from rootfs_ansible.exporter.pathmap import PathMap
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.status import Status, status, unfit
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import ExportRequest, Output, Prune

_BLOCK = 1 << 20

# Where packages have programs for users; those for administration (sbin) are no reason to declare
# a package, and many that hold only data have one.
_PROGRAMS = {"/bin", "/usr/bin", "/usr/games", "/usr/local/bin"}


@dataclass(frozen=True, slots=True)
class Claim:
    """A path that an output claims.

    ``exact``: the output names this one file. ``kept``: a directory that is shipped even where
    nothing in it is. ``made``: the export makes it, as ``status`` says and a file with
    ``content``, whatever the tree has there.
    """

    output: Output
    status: Status
    exact: bool = False
    kept: bool = False
    made: bool = False
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Drop:
    """A claimed path that a prune rule drops, together with all of ``top``."""

    claim: Claim
    rule: Prune
    top: ImagePath


@dataclass(slots=True)
class Claims:
    """What the outputs of a request claim in a tree.

    ``passed`` are the links and directories on the way to what an output names, with its name.
    ``programs`` are the programs for users of each declared package, by its name. ``unmatched``
    and ``special`` are findings: outputs that match nothing, and paths that no image can hold.
    """

    claimed: PathMap[Claim] = field(default_factory=PathMap)
    dropped: dict[ImagePath, Drop] = field(default_factory=dict)
    passed: dict[ImagePath, Claim] = field(default_factory=dict)
    programs: dict[str, list[ImagePath]] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    _excluded: list[tuple[ImagePath, re.Pattern[str]]] = field(default_factory=list)

    def excludes(self, path: ImagePath) -> bool:
        """Say whether an output leaves ``path`` out on purpose, and no other claims it."""
        return path not in self.claimed and any(
            path.is_below(top)
            and any(regex.fullmatch(text.text) for text in (*path.parents(), path))
            for top, regex in self._excluded
        )


def claims(root: Root, packages: PackageDatabase, request: ExportRequest) -> Claims:
    """Return what the outputs of ``request`` claim: the first output that matches a path."""
    found = _Claiming(root, packages, request)
    for output in request.outputs:
        found.take(output)
    found.take_accounts()
    return found.claims


@dataclass(frozen=True, slots=True)
class _Pruning:
    """A prune rule at work in ``directory``; ``top`` is where it began to drop."""

    rule: Prune
    start: int
    drop: re.Pattern[str]
    keep: re.Pattern[str]
    top: ImagePath | None = None
    kept: bool = False

    def at(self, path: ImagePath) -> _Pruning:
        """Return the rule as it is at ``path``, a child of where it was."""
        if self.kept or self.keep.fullmatch(path.text, self.start):
            return replace(self, top=None, kept=True)
        if self.top is None and self.drop.fullmatch(path.text, self.start):
            return replace(self, top=path)
        return self


class _Claiming:
    """Claims in the making."""

    def __init__(self, root: Root, packages: PackageDatabase, request: ExportRequest) -> None:
        self._root = root
        self._packages = packages
        self._request = request
        self._layers = set(request.layers)
        self._digests = dict(request.digests)
        self._complete: set[ImagePath] = set()
        self._special: set[ImagePath] = set()
        self._accounts: list[Output] = []
        self.claims = Claims()

    def take(self, output: Output) -> None:
        if output.layer not in self._layers:
            raise InputError(
                f"an output of {output.by} goes to layer {output.layer!r}, which is none of"
                f" {', '.join(self._request.layers)}"
            )
        if output.accounts:
            self._accounts.append(output)
        elif output.directory:
            self._directory(output)
        elif output.package:
            self._package(output)
        else:
            self._path(output)

    def take_accounts(self) -> None:
        """Claim the files of accounts for all outputs that declare some, in the layer of the
        first: with the accounts that own what is claimed, which are known now."""
        if not self._accounts:
            return
        output = self._accounts[0]
        owned = {(claim.status.uid, claim.status.gid) for claim in self.claims.claimed.unordered()}
        found = accounts.accounts(
            self._root,
            {name for declared in self._accounts for name in declared.accounts},
            {uid for uid, _ in owned},
            {gid for _, gid in owned},
        )
        for declared in self._accounts:
            unknown = sorted(set(declared.accounts) & set(found.unknown))
            if unknown:
                self._unmatched(declared, f"no such account: {', '.join(unknown)}")
        for path, content in ((accounts.PASSWD, found.passwd), (accounts.GROUP, found.group)):
            if path in self._request.provided:
                raise InputError(
                    f"{output.by} declares accounts in layer {output.layer}, but a lower layer"
                    f" has {path} already",
                    hint="declare every account where the first ones are declared",
                )
            made = Status(Kind.FILE, 0o644, 0, 0, len(content))
            # A directory that is declared has all of the tree's accounts; these are the wanted.
            self.claims.claimed.pop(path, None)
            self._claim(path, Claim(output, made, made=True, content=content))

    def _path(self, output: Output) -> None:
        excluded = self._excluding(output, globs.base(output.path))
        literal = self._root.lstat(ImagePath(output.path)) is not None
        matched = False
        for found in globs.find(self._root, output.path):
            real = self._real(found, output)
            if real is None or excluded.fullmatch(real.text):
                continue
            if is_mounted(real):
                if literal:
                    raise _mounted(output, real)
                continue
            matched = True
            self._tree(real, output, excluded, exact=literal)
        if not matched:
            self._unmatched(output, f"{output.path} matches nothing")

    def _tree(
        self, top: ImagePath, output: Output, excluded: re.Pattern[str], *, exact: bool
    ) -> None:
        """Claim ``top`` and, where it is a directory, all it holds."""
        seen = self._status(top)
        stack: list[tuple[ImagePath, Status, tuple[_Pruning, ...]]] = (
            [(top, seen, ())] if seen else []
        )
        shared: dict[tuple[Status, bool], Claim] = {}
        while stack:
            path, found, pruning = stack.pop()
            if path in self._complete:
                continue
            held: tuple[tuple[str, os.stat_result], ...] = ()
            if found.kind is Kind.DIRECTORY:
                held = () if path in RUNTIME_MOUNTS else self._root.entries(path)
                pruning += tuple(self._starting(path, [name for name, _ in held], output))
                for name, below in reversed(held):
                    child = path / name
                    if not (output.excluding and excluded.fullmatch(child.text)):
                        rules = tuple(rule.at(child) for rule in pruning) if pruning else ()
                        stack.append((child, status(below), rules))
                if not output.excluding:
                    self._complete.add(path)
            is_directory = found.kind is Kind.DIRECTORY
            key = found, is_directory and not held
            if exact and path is top and not is_directory:
                claim = Claim(output, found, exact=True)
            elif key in shared:
                claim = shared[key]
            else:
                claim = shared[key] = Claim(output, found, kept=key[1])
            dropping = next((rule for rule in pruning if rule.top is not None), None)
            if dropping is None or dropping.top is None:
                self._claim(path, claim)
            elif path not in self.claims.claimed:
                drop = Drop(claim, dropping.rule, dropping.top)
                self.claims.dropped.setdefault(path, drop)

    def _starting(
        self, directory: ImagePath, names: Sequence[str], output: Output
    ) -> Iterator[_Pruning]:
        """Yield the rules that start to work in ``directory`` of an output."""
        for rule in self._request.prune:
            if rule.layer not in ("", output.layer):
                continue
            if globs.is_glob(rule.beside) or "/" in rule.beside:
                if not any(globs.search(self._root, directory, rule.beside)):
                    continue
            elif rule.beside not in names:
                continue
            if rule.finished and not any(globs.search(self._root, directory, rule.finished)):
                continue
            start = len(directory.text.rstrip("/")) + 1
            yield _Pruning(rule, start, globs.any_of(rule.drop), globs.any_of(rule.keep))

    def _package(self, output: Output) -> None:
        package = self._packages.find(output.package)
        if package is None:
            self._unmatched(output, f"package {output.package} is not installed")
            return
        excluded = self._excluding(output, ImagePath("/"))
        matched = set()
        own = {part.name: part for part in self._parts(package)}
        follow = self._packages.needed if output.dependencies else self._packages.parts
        needed = {part.name: part for of in own.values() for part in follow(of)}
        for part in (own | needed).values():
            paths = self._packages.files(part)
            above = {path.parent for path in paths}
            for path in paths:
                real = self._real(path, output)
                found = self._status(real) if real is not None else None
                if real is None or found is None or _is_excluded(real, excluded):
                    continue
                # The parents of its files follow by themselves.
                if found.kind is Kind.DIRECTORY and path in above:
                    continue
                self._claim(real, Claim(output, found, kept=found.kind is Kind.DIRECTORY))
                matched.add(real)
                # A library is declared for itself, whatever scripts its data comes with.
                is_asked = part.name in own or not package.library
                if is_asked and found.kind is not Kind.DIRECTORY:
                    self._program(real, output)
        for link in self._packages.alternatives():
            resolution = self._root.resolve(link)
            if resolution is None or any(link.is_below(top) for top in DOCUMENTATION):
                continue
            real = self._real(link, output)
            found = self._status(real) if real is not None else None
            if real is not None and found is not None and resolution.path in matched:
                self._claim(real, Claim(output, found))
                self._program(real, output)
        if not matched:
            self._unmatched(output, f"package {output.package} holds nothing but documentation")

    def _program(self, path: ImagePath, output: Output) -> None:
        if path.parent.text in _PROGRAMS:
            self.claims.programs.setdefault(output.package, []).append(path)

    def _parts(self, package: Installed) -> Iterator[Installed]:
        """Yield ``package``, or where it has no files of its own, what it stands for."""
        seen: set[str] = set()
        waiting = [package]
        while waiting:
            at = waiting.pop()
            if at.name in seen:
                continue
            seen.add(at.name)
            if any(self._is_file(path) for path in self._packages.files(at)):
                yield at
            else:
                waiting += reversed(self._packages.dependencies(at))

    def _is_file(self, path: ImagePath) -> bool:
        found = self._status(path)
        return found is not None and found.kind is not Kind.DIRECTORY

    def _directory(self, output: Output) -> None:
        if output.mode & 0o002 and not output.mode & 0o1000:
            raise InputError(
                f"{output.by} declares {output.directory} writable by everybody"
                f" (mode {output.mode:04o})",
                hint="give it an owner, or set the sticky bit (mode 1777)",
            )
        made = Status(Kind.DIRECTORY, output.mode, output.uid, output.gid, 0)
        path = self._future(ImagePath(output.directory), output)
        for above in path.parents():
            found = self._status(above)
            if found is not None and found.kind is not Kind.DIRECTORY:
                what = "a link that leads nowhere" if found.kind is Kind.SYMLINK else "a file"
                raise InputError(
                    f"{output.by} declares the directory {output.directory}, but {above} is {what}",
                    hint="declare a directory elsewhere, or remove what is in its way at the end"
                    " of the build",
                )
        if path.text != "/":
            self._claim(path, Claim(output, made, kept=True, made=True))

    def _claim(self, path: ImagePath, claim: Claim) -> None:
        if path in self.claims.claimed or path in self.claims.dropped or path.text == "/":
            return
        # No package has a file there; that its list says so may be the work of the build.
        if is_mounted(path) and claim.status.kind is not Kind.DIRECTORY:
            return
        if what := unfit(path, claim.status):
            if path not in self._special:
                self._special.add(path)
                self.claims.special.append(
                    f"{path} is {what} (declared by {claim.output.by}, layer {claim.output.layer})"
                )
            return
        self._check_provided(path, claim)
        self.claims.claimed[path] = claim

    def _check_provided(self, path: ImagePath, claim: Claim) -> None:
        """Refuse a file that an output names where a lower layer has another one: it would not
        be shipped, as no layer changes what a lower one has."""
        digest = self._digests.get(path.text) if claim.exact else None
        if digest is None or claim.status.kind is not Kind.FILE or claim.status.special:
            return
        found = hashlib.sha256()
        with self._root.open(path) as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
        if found.hexdigest() == digest:
            return
        output = claim.output
        raise InputError(
            f"{output.by} declares {path} in layer {output.layer}, but a lower layer has another"
            " file there",
            hint="ship it under another path and let the app read that, or change it where the"
            " lower layer is made",
        )

    def _real(self, path: ImagePath, output: Output) -> ImagePath | None:
        """Return ``path`` with the links among its parents taken, which are claimed too."""
        if path.text == "/":
            return path
        parent = self._root.resolve(path.parent)
        if parent is None:
            return None
        for passed in (*parent.links, *parent.crossed):
            found = self._status(passed)
            if found is not None:
                self.claims.passed.setdefault(passed, Claim(output, found))
        return parent.path / path.name

    def _future(self, path: ImagePath, output: Output) -> ImagePath:
        """Return ``path``, which need not exist, with the links on the way to it taken."""
        return self._real(path, output) or self._future(path.parent, output) / path.name

    def _excluding(self, output: Output, base: ImagePath) -> re.Pattern[str]:
        regex = globs.any_of(globs.absolute(output.excluding, base))
        if output.excluding:
            self.claims._excluded.append((base, regex))
        return regex

    def _status(self, path: ImagePath) -> Status | None:
        found = self._root.lstat(path)
        return None if found is None else status(found)

    def _unmatched(self, output: Output, what: str) -> None:
        if not output.optional:
            self.claims.unmatched.append(f"{what} (declared by {output.by}, layer {output.layer})")


def _mounted(output: Output, path: ImagePath) -> InputError:
    return InputError(
        f"{output.by} declares {output.path}, which is in {path.parents()[1]}: that is mounted"
        " when an image runs, and what the build has there is not part of one",
        hint="declare it as a directory to have an empty one, or put the file elsewhere",
    )


def _is_excluded(path: ImagePath, excluded: re.Pattern[str]) -> bool:
    texts: Iterable[ImagePath] = (*path.parents(), path)
    return any(excluded.fullmatch(text.text) for text in texts)
