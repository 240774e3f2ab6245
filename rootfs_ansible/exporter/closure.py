"""The closure: the files that the outputs need to run, as the fixpoint over edges."""

from __future__ import annotations

import heapq
import posixpath
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

from rootfs_ansible.errors import InputError
from rootfs_ansible.exporter import companions, globs, ldcache, scripts
from rootfs_ansible.exporter.companions import Companions
from rootfs_ansible.exporter.dpkg import Installed, PackageDatabase
from rootfs_ansible.exporter.elf import BinaryFormat, ElfType, binary_format
from rootfs_ansible.exporter.findings import Findings
from rootfs_ansible.exporter.foreign import foreign
from rootfs_ansible.exporter.heads import Heads
from rootfs_ansible.exporter.interpreters import Interpreters, Script
from rootfs_ansible.exporter.loader import PRELOAD, Loader
from rootfs_ansible.exporter.mounts import is_mounted, is_runtime_mount
from rootfs_ansible.exporter.nodes import Node, Requester
from rootfs_ansible.exporter.opened import OpenedNames
from rootfs_ansible.exporter.outputs import Claim, Claims
from rootfs_ansible.exporter.pathmap import PathMap
from rootfs_ansible.exporter.root import Resolution, Root
from rootfs_ansible.exporter.status import Status, status, unfit
from rootfs_ansible.model.manifest import Edge, EdgeKind, Kind, Need, Omission, edge_order
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import Companion, ExportRequest, Foreign, Scope


@dataclass(frozen=True, slots=True)
class Reached:
    """A path that is shipped: ``layer`` is where it goes; ``kept``, ``made`` and ``content`` as
    in ``Claim``."""

    status: Status
    layer: str
    kept: bool = False
    made: bool = False
    content: bytes = b""


@dataclass(slots=True)
class Closure:
    """What is shipped from a tree, why, what it needs from elsewhere, and what is left out.

    ``edges`` are all but those of ``declared``, the claims that are edges by themselves.
    ``missing`` are the findings that make the export fail: one line each. ``binaries`` are the
    ELF files among what was followed, whoever ships them.
    """

    entries: PathMap[Reached] = field(default_factory=PathMap)
    declared: PathMap[Claim] = field(default_factory=PathMap)
    edges: set[Edge] = field(default_factory=set)
    needs: dict[ImagePath, Need] = field(default_factory=dict)
    omitted: set[Omission] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    binaries: set[ImagePath] = field(default_factory=set)

    def all_edges(self) -> Iterator[Edge]:
        """Yield ``edges`` and those of ``declared``, sorted, each as it is asked for."""
        last = None
        others = sorted(self.edges, key=edge_order)
        for edge in heapq.merge(others, self._declarations(), key=edge_order):
            if edge != last:
                yield edge
            last = edge

    def _declarations(self) -> Iterator[Edge]:
        for source in sorted({claim.output.by for claim in self.declared.unordered()}):
            for text, claim in self.declared.by_text():
                if claim.output.by == source != text:
                    yield Edge(source, text, EdgeKind.DECLARED, _declaration(claim))


def closure(
    root: Root, packages: PackageDatabase, claims: Claims, request: ExportRequest
) -> Closure:
    """Return the closure of what ``claims`` claim and of the seeds of ``request``."""
    return _Closing(root, packages, claims, request).run()


class _Closing:
    """A closure in the making."""

    def __init__(
        self, root: Root, packages: PackageDatabase, claims: Claims, request: ExportRequest
    ) -> None:
        self._root = root
        self._packages = packages
        self._claims = claims
        self._request = request
        self._loader = Loader(root)
        self._preload = PRELOAD in claims.claimed or PRELOAD in request.provided
        self._companions = Companions(request.companions)
        self._provided = frozenset(request.provided)
        self._build = request.scope is Scope.BUILD
        self._follows = request.scope is not Scope.OUTPUTS
        self._found = Closure()
        self._restored: set[ImagePath] = set()
        self._shared: dict[tuple[Status, str, bool], Reached] = {}
        self._queue: deque[Node] = deque()
        self._objects: deque[Node] = deque()
        self._loaded: set[ImagePath] = set()
        self._walked: set[ImagePath] = set()
        self._touched: set[ImagePath] = set()
        self._fired: dict[tuple[str, ImagePath | None], bool] = {}
        self._heads = Heads(root)
        self._configured: list[tuple[str, ImagePath]] = []
        self._opened_names = OpenedNames(root, packages, self._loader)
        self._findings = Findings(self._loader)
        self._interpreters = Interpreters(
            self._reach, self._is_shipped, self._owner_name, self._findings
        )

    def run(self) -> Closure:
        self._omit_foreign()
        if self._request.seeds and self._request.seed_layer not in self._request.layers:
            raise InputError(
                f"the seeds go to layer {self._request.seed_layer!r}, which is none of"
                f" {', '.join(self._request.layers)}"
            )
        for layer in self._request.layers:
            for path, claim in self._claims.claimed.pairs():
                # What comes back meanwhile is no declaration.
                if claim.output.layer == layer and path not in self._restored:
                    self._declare(path, claim)
            for path, claim in sorted(self._claims.passed.items()):
                if claim.output.layer == layer:
                    by = Requester(claim.output.by, layer)
                    self._arrive(path, by, EdgeKind.DECLARED, _declaration(claim))
            if layer == self._request.seed_layer:
                for need in sorted(self._request.seeds):
                    self._seed(need)
            self._drain()
        while self._interpreters.settle():
            self._drain()
        self._report_scripts()
        self._cache_libraries()
        self._found.edges.update(self._findings.settle(self._found.entries))
        self._found.missing += self._findings.lines
        self._report_dropped()
        self._found.declared = self._claims.claimed
        for path in self._restored:
            del self._found.declared[path]
        return self._found

    # Declared paths

    def _omit_foreign(self) -> None:
        found = foreign(self._root, self._loader, self._heads, self._claims.claimed)
        for path, reason in found.items():
            size = self._claims.claimed.pop(path).status.size
            self._found.omitted.add(Omission(path.text, "foreign", reason, size))

    def _declare(self, path: ImagePath, claim: Claim) -> None:
        by = Requester(claim.output.by, claim.output.layer, strict=claim.exact)
        if path not in self._provided and path not in self._found.entries:
            self._found.entries[path] = self._reached(claim)
            if self._says(path, claim):
                self._queue.append(Node(path, claim.status, by, tree=True))
        self._touch(path, by)

    def _reached(self, claim: Claim) -> Reached:
        """Return ``claim`` as reached; those that are the same are one."""
        layer, status = claim.output.layer, claim.status
        if claim.made:
            return Reached(status, layer, claim.kept, made=True, content=claim.content)
        key = status, layer, claim.kept
        if (known := self._shared.get(key)) is None:
            known = self._shared[key] = Reached(status, layer, claim.kept)
        return known

    def _says(self, path: ImagePath, claim: Claim) -> bool:
        """Say whether what ``claim`` claims has edges of its own: most files of a tree have none,
        and need not wait in a queue to find out."""
        if not self._follows or claim.made or claim.status.kind is Kind.DIRECTORY:
            return False
        if claim.status.kind is Kind.SYMLINK or path == PRELOAD:
            return True
        # Where foreign binaries are omitted, every file was looked at already.
        if claim.output.foreign is Foreign.KEEP:
            self._heads.look(path, claim.status)
        return self._heads.says(path)

    def _seed(self, need: Need) -> None:
        by = Requester(need.source, self._request.seed_layer)
        if self._reach(need.path, by, need.kind, need.detail):
            if need.kind is EdgeKind.ELF and self._loader.is_configured(need.path):
                self._configured.append((need.source, need.path))
            rule = self._companions.named(need.detail)
            if need.kind is EdgeKind.COMPANION and rule is not None:
                self._fire(rule, need.path, by)
        # What is needed only through a package is found again from there, or not needed here.
        elif need.direct:
            whose = f"of package {need.package} ({need.version})"
            self._findings.add(
                need.source, need.path.text, f"{need.path} {whose}, needed by {need.source}"
            )

    # The fixpoint

    def _drain(self) -> None:
        while self._queue or self._objects:
            while self._queue:
                self._follow(self._queue.popleft())
            # A library is resolved for itself only where no program loads it: what loads it may
            # also say where its own libraries are.
            if self._objects:
                node = self._objects.popleft()
                if node.path not in self._loaded:
                    self._load(node, is_program=False)

    def _follow(self, node: Node) -> None:
        """Follow the edges of one path."""
        if not self._follows:
            return
        if node.status.kind is Kind.SYMLINK:
            self._follow_link(node)
            if node.path == PRELOAD and self._root.resolve(PRELOAD) is not None:
                self._load(node, is_program=True)
        elif node.status.kind is Kind.FILE:
            self._follow_file(node)

    def _follow_link(self, node: Node) -> None:
        text = self._root.readlink(node.path)
        target = ImagePath(posixpath.join(node.path.parent.text, text))
        if is_runtime_mount(target):
            return
        by = node.by._replace(source=node.path.text)
        resolution = self._root.resolve(node.path)
        if resolution is None:
            if target in self._provided:
                self._arrive(target, by, EdgeKind.SYMLINK, "")
            elif node.by.strict:
                self._findings.lacks(node.path.text, text, "the target of the link")
            return
        final = resolution.path
        if any(is_runtime_mount(path) for path in (*resolution.links, final)):
            return
        if not node.by.strict and self._claims.excludes(final):
            return
        is_dropped = final in self._claims.dropped
        self._chain(Resolution(final, resolution.links[1:], resolution.crossed), by)
        if node.tree and self._is_directory(final):
            held = self._dropped_in(final) if is_dropped else self._held_by_link(node, final)
            for path in held:
                self._arrive(path, by, EdgeKind.SYMLINK, final.text, tree=True)

    def _dropped_in(self, directory: ImagePath) -> list[ImagePath]:
        """Return what comes back with ``directory``, which a prune rule dropped."""
        return sorted(path for path in self._claims.dropped if path.is_below(directory))

    def _held_by_link(self, node: Node, directory: ImagePath) -> Iterator[ImagePath]:
        """Yield what comes with ``directory`` because the link ``node`` leads there.

        All it holds where no package has it; what packages own where one has it; nothing where
        an output claims part of it, where the link is in it, or where several packages share it
        (/usr/share) and no output names the link.
        """
        if (
            directory in self._provided
            or directory in self._claims.claimed
            or directory in self._claims.dropped
            or directory in self._above_claims
            or node.path.is_below(directory)
        ):
            return
        if self._packages.is_shared(directory) and not node.by.strict:
            if node.by.shipped:
                reason = f"{directory} is shared by packages; declare what is needed of it"
                self._found.omitted.add(Omission(node.path.text, "link", reason))
            return
        owned = self._packages.owner(directory) is not None
        for path in self._below(directory):
            if not owned or self._packages.owner(path) is not None:
                yield path

    @cached_property
    def _above_claims(self) -> frozenset[ImagePath]:
        """Every directory that an output claims something in."""
        held = {path.parent for path in chain(self._claims.claimed, self._claims.dropped)}
        return frozenset(above for path in held for above in (*path.parents(), path))

    def _below(self, directory: ImagePath) -> Iterator[ImagePath]:
        stack = [directory]
        while stack:
            at = stack.pop()
            if at is not directory:
                yield at
            if self._is_directory(at) and not is_runtime_mount(at):
                stack += [at / name for name in reversed(self._root.names(at))]

    def _follow_file(self, node: Node) -> None:
        claim = self._claims.claimed.get(node.path)
        if claim is not None and claim.made:
            return
        if node.path == PRELOAD:
            self._load(node, is_program=True)
            return
        head = self._heads.take(node.path, node.status)
        if binary_format(head) is BinaryFormat.ELF:
            elf = self._loader.elf(node.path)
            if elf is None or not elf.is_loadable:
                return
            if reason := self._loader.foreign(elf):
                # One that is not executable, or that only lies in a tree, is data.
                if node.by.strict and node.status.is_program:
                    self._findings.lacks(node.by.source, node.path.text, reason)
                return
            # A library that needs none calls nothing, so it opens nothing: it is data.
            if elf.needed or elf.is_static or elf.interpreter:
                self._found.binaries.add(node.path)
            if elf.interpreter or elf.is_pie or elf.type == ElfType.PROGRAM:
                self._load(node, is_program=True)
            else:
                self._objects.append(node)
        elif node.status.is_program and (line := scripts.shebang(head)) is not None:
            self._interpreters.add(Script(node, line))

    def _load(self, node: Node, *, is_program: bool) -> None:
        """Follow what the loader takes for an ELF file."""
        loading = self._loader.load(
            node.path, lambda path: self._opened(path, node), preload=self._preload
        )
        self._loaded.add(node.path)
        program = loading.interpreter
        for loaded in (*((program,) if program else ()), *loading.objects):
            if loaded.requester in self._provided:
                continue
            by = self._requester(loaded.requester, node)
            self._loaded.add(loaded.real)
            self._findings.loads(loaded.requester, loaded.soname)
            is_opened = loaded.soname in self._opened(loaded.requester, node)
            detail = f"{loaded.soname} (opened by name)" if is_opened else loaded.soname
            for path in (loaded.found, *loaded.variants):
                self._reach(path, by, EdgeKind.ELF, detail)
            for path in loaded.passed:
                self._arrive(path, by, EdgeKind.SYMLINK, loaded.found.text)
            if loaded.configured:
                self._configured.append((loaded.requester.text, loaded.found))
        for missing in loading.missing:
            if self._requester(missing.requester, node).shipped:
                self._findings.lacks_library(missing, is_program=is_program)
        for version in loading.versions:
            if self._requester(version.requester, node).shipped:
                self._findings.lacks_version(version)

    def _cache_libraries(self) -> None:
        """Make /etc/ld.so.cache where shipped libraries lie in directories that only ld.so.conf
        names: without it the loader does not look there."""
        libraries: dict[ldcache.Cached, Reached] = {}
        for requester, path in self._configured:
            resolution, elf = self._root.resolve(path), self._loader.elf(path)
            reached = self._found.entries.get(resolution.path) if resolution else None
            if reached is None or elf is None or ldcache.CACHE in self._claims.claimed:
                continue
            if ldcache.CACHE in self._provided or not ldcache.is_cacheable(elf.architecture):
                way = f"the only way to {path.name}, and it cannot be made; give a RUNPATH"
                self._findings.lacks(requester, ldcache.CACHE.text, way)
            else:
                libraries[ldcache.Cached(path.name, path, elf.architecture)] = reached
                self._edge(path.text, ldcache.CACHE, EdgeKind.ELF, path.name)
        if libraries:
            content = ldcache.cache(libraries)
            made = Status(Kind.FILE, 0o644, 0, 0, len(content))
            layers = (reached.layer for reached in libraries.values())
            layer = min(layers, key=self._request.layers.index)
            self._found.entries[ldcache.CACHE] = Reached(made, layer, made=True, content=content)

    def _opened(self, path: ImagePath, node: Node) -> tuple[str, ...]:
        """Return what ``path``, one of the objects that the loading of ``node`` takes, may open;
        nothing where another fragment ships it, and what it opens with it."""
        if path in self._provided:
            return ()
        shipped = node.by.shipped or self._requester(path, node).shipped
        return self._opened_names.of(path) if shipped else ()

    def _requester(self, path: ImagePath, node: Node) -> Requester:
        """Return ``path``, one of the objects that the loading of ``node`` takes, as requester."""
        if path == node.path:
            return node.by._replace(source=path.text)
        reached = self._found.entries.get(path)
        shipped = reached is not None or path in self._claims.claimed
        return Requester(path.text, reached.layer if reached else node.by.layer, shipped)

    # Reaching a path

    def _reach(self, target: ImagePath, by: Requester, kind: EdgeKind, detail: str) -> bool:
        """Arrive at ``target`` and at every link on the way; say whether there is anything."""
        resolution = self._root.resolve(target)
        if resolution is None:
            if target in self._provided:
                self._edge(by.source, target, kind, detail)
            return target in self._provided
        self._chain(resolution, by, kind, detail, target)
        return True

    def _chain(
        self,
        resolution: Resolution,
        by: Requester,
        kind: EdgeKind = EdgeKind.SYMLINK,
        detail: str = "",
        target: ImagePath | None = None,
    ) -> None:
        """Arrive at each link of ``resolution`` from the one before it, and at its end.

        A link to a directory on the way is needed by the requester, not by the last link: other
        paths go through it, too.
        """
        at = by
        for link in resolution.links:
            led = self._root.resolve(link)
            if led is not None and led.path == resolution.path:
                self._arrive(link, at, kind, detail)
                at, kind, detail = by._replace(source=link.text), EdgeKind.SYMLINK, ""
            else:
                self._arrive(link, by, EdgeKind.SYMLINK, (target or resolution.path).text)
        self._arrive(resolution.path, at, kind, detail)
        for path in resolution.crossed:
            self._arrive(path, by, EdgeKind.SYMLINK, (target or resolution.path).text)

    def _arrive(
        self,
        path: ImagePath,
        by: Requester,
        kind: EdgeKind,
        detail: str,
        *,
        tree: bool = False,
    ) -> None:
        """Take note that ``by`` needs ``path``, and ship it unless something else does."""
        if path.text == "/":
            return
        self._place(path, by, kind, detail, tree=tree)
        self._touch(path, by)

    def _place(
        self, path: ImagePath, by: Requester, kind: EdgeKind, detail: str, *, tree: bool
    ) -> None:
        if path in self._provided:
            if by.shipped:
                self._edge(by.source, path, kind, detail)
            return
        if (drop := self._claims.dropped.pop(path, None)) is not None:
            if what := unfit(path, drop.claim.status):
                self._findings.lacks(by.source, path.text, f"{what}, which no image holds")
                return
            self._claims.claimed[path] = drop.claim
            self._restored.add(path)
            self._edge(by.source, path, kind, detail)
            by = by._replace(layer=drop.claim.output.layer)
            self._enter(Node(path, drop.claim.status, by, tree))
            return
        claim = self._claims.claimed.get(path)
        if claim is not None or path in self._found.entries:
            if claim is not None and claim.status.kind is Kind.DIRECTORY and not claim.kept:
                self._keep(path, claim)
            if by.shipped:
                self._edge(by.source, path, kind, detail)
            return
        found = self._status(path)
        if found is None:
            return
        if is_mounted(path):
            if by.shipped:
                self._findings.lacks(by.source, path.text, "in what is mounted, not shipped")
            return
        if self._build:
            package = self._packages.owner(path)
            # A common directory is there anyway, and belongs to no package more than to others.
            if package is not None and not self._packages.is_shared(path):
                self._need(path, package, by, kind, detail)
            if package is not None or not by.shipped:
                self._walk(Node(path, found, by, tree))
                return
        if what := unfit(path, found):
            self._findings.lacks(by.source, path.text, f"{what}, which no image holds")
            return
        self._edge(by.source, path, kind, detail)
        self._enter(Node(path, found, by, tree))

    def _enter(self, node: Node) -> None:
        self._found.entries[node.path] = Reached(node.status, node.by.layer, kept=True)
        self._queue.append(node)

    def _keep(self, path: ImagePath, claim: Claim) -> None:
        """Ship a claimed directory even where all that is in it is left out: a link leads there."""
        self._claims.claimed[path] = replace(claim, kept=True)
        if (reached := self._found.entries.get(path)) is not None:
            self._found.entries[path] = replace(reached, kept=True)

    def _need(
        self, path: ImagePath, package: Installed, by: Requester, kind: EdgeKind, detail: str
    ) -> None:
        if by.shipped:
            self._edge(by.source, path, kind, detail)
        known = self._found.needs.get(path)
        if known is not None and (known.direct or not by.shipped):
            return
        self._found.needs[path] = Need(
            path,
            package.name,
            package.version,
            package.architecture,
            by.source,
            kind,
            detail,
            direct=by.shipped,
        )

    def _walk(self, node: Node) -> None:
        """Follow a path that another fragment ships, for the packages that it leads to."""
        if node.path not in self._walked:
            self._walked.add(node.path)
            by = node.by._replace(shipped=False, strict=False)
            self._queue.append(node._replace(by=by))

    # Companions

    def _touch(self, path: ImagePath, by: Requester) -> None:
        """Fire the companion rules of ``path``."""
        if not self._follows or (path in self._touched and not by.shipped):
            return
        for rule in self._companions.fired_by(path):
            self._touched.add(path)
            for trigger in self._companions.triggers(rule, path):
                self._fire(rule, trigger, by._replace(source=trigger.text, strict=False))

    def _fire(self, rule: Companion, trigger: ImagePath, by: Requester) -> None:
        # What a rule finds in its trigger is another thing for each.
        key = rule.name, trigger if rule.names else None
        if self._fired.get(key, False) or (key in self._fired and not by.shipped):
            return
        self._fired[key] = by.shipped
        needs = companions.needed(self._root, rule, trigger)
        found = {pattern: list(globs.find(self._root, pattern)) for pattern in needs}
        tops = [path for matched in found.values() for path in matched]
        paths = [path for top in tops for path in (top, *self._below_matched(top))]
        elsewhere = self._build and not self._fires_here(rule, trigger, by, paths)
        lacking = [pattern for pattern, matched in found.items() if not matched]
        for path in paths:
            if elsewhere and self._is_directory(path):
                continue
            here = not elsewhere or self._is_owned(path) or path in self._provided
            by_whom = by if here else by._replace(shipped=False)
            if not self._reach(path, by_whom, EdgeKind.COMPANION, rule.name) and path in tops:
                lacking.append(path.text)
        if not rule.optional and self._ships(trigger):
            for pattern in lacking:
                regex = globs.compiled(pattern)
                if not any(regex.fullmatch(known.text) for known in self._provided):
                    what = f"companion {rule.name}: {rule.reason}"
                    self._findings.lacks(by.source, pattern, what)

    def _ships(self, trigger: ImagePath) -> bool:
        """Say whether this fragment has ``trigger``, or a lower one has it for all of them."""
        return (
            trigger in self._found.entries
            or trigger in self._claims.claimed
            or (trigger in self._provided and not self._build)
        )

    def _fires_here(
        self, rule: Companion, trigger: ImagePath, by: Requester, paths: list[ImagePath]
    ) -> bool:
        """Say whether a build ships what no package owns of the files of ``rule``.

        Where packages own a part, or where the trigger comes from another fragment, that one has
        all of it: the rule fires there for the same trigger, or for the need reported here. A
        rule that only this request has is not known to the fragments below.
        """
        if not by.shipped or any(self._is_owned(path) for path in paths):
            return False
        if trigger in self._provided:
            return rule in self._request.companions
        return self._ships(trigger)

    def _below_matched(self, top: ImagePath) -> Iterator[ImagePath]:
        if self._is_directory(top):
            resolution = self._root.resolve(top)
            yield from self._below(resolution.path if resolution else top)

    def _is_owned(self, path: ImagePath) -> bool:
        resolution = self._root.resolve(path.parent)
        if resolution is None or self._is_directory(path):
            return False
        return self._packages.owner(resolution.path / path.name) is not None

    def _is_directory(self, path: ImagePath) -> bool:
        found = self._status(path)
        return found is not None and found.kind is Kind.DIRECTORY

    def _is_shipped(self, path: ImagePath) -> bool:
        """Say whether the rootfs has ``path``, from this fragment or another."""
        resolution = self._root.resolve(path)
        real = resolution.path if resolution else path
        need = self._found.needs.get(real)
        return (
            path in self._provided
            or real in self._provided
            or real in self._found.entries
            or real in self._claims.claimed
            or (need is not None and need.direct)
        )

    def _report_scripts(self) -> None:
        """Report the scripts that nothing can run, and packages that have no other program."""
        lacking = self._interpreters.lacking()
        for path, lack in lacking.items():
            reason = f"{lack} to run this script"
            self._found.omitted.add(Omission(path.text, "interpreter", reason))
        for package, programs in self._claims.programs.items():
            resolved = [self._root.resolve(path) for path in programs]
            lacks = [lacking.get(found.path, "") for found in resolved if found is not None]
            if lacks and all(lacks):
                reason = f"{lacks[0]} to run any program of package {package}"
                self._found.omitted.add(Omission(programs[0].text, "program", reason))

    def _owner_name(self, path: ImagePath) -> str:
        resolution = self._root.resolve(path)
        owner = self._packages.owner(resolution.path) if resolution else None
        return owner.name if owner else ""

    def _report_dropped(self) -> None:
        sizes: dict[tuple[ImagePath, str], int] = {}
        for drop in self._claims.dropped.values():
            key = drop.top, f"{drop.rule.name}: {drop.rule.reason}"
            sizes[key] = sizes.get(key, 0) + drop.claim.status.size
        for (top, reason), size in sizes.items():
            self._found.omitted.add(Omission(top.text, "prune", reason, size))

    def _edge(self, source: str, target: ImagePath, kind: EdgeKind, detail: str = "") -> None:
        if source != target.text:
            self._found.edges.add(Edge(source, target.text, kind, detail))

    def _status(self, path: ImagePath) -> Status | None:
        found = self._root.lstat(path)
        return None if found is None else status(found)


def _declaration(claim: Claim) -> str:
    output = claim.output
    return output.path or output.package or output.directory or ", ".join(output.accounts)
