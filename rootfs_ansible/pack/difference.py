"""What changed between two images: paths, packages, sizes, modes and reasons, by manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rootfs_ansible.model.manifest import EdgeKind, Entry, Fragment, Kind
from rootfs_ansible.pack.summary import printable, size_text

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Change:
    """A thing that is in both images, and what of it changed, as text."""

    name: str
    what: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is in one image alone, in the other alone, and in both but not the same.

    Packages are ``NAME VERSION``; ``size`` is what the files grew by, in bytes.
    """

    packages_removed: tuple[str, ...]
    packages_added: tuple[str, ...]
    packages_changed: tuple[Change, ...]
    removed: tuple[Entry, ...]
    added: tuple[Entry, ...]
    changed: tuple[Change, ...]
    size: int

    def __bool__(self) -> bool:
        """Say whether anything changed."""
        return any(
            (
                self.packages_removed,
                self.packages_added,
                self.packages_changed,
                self.removed,
                self.added,
                self.changed,
            )
        )

    def to_text(self) -> str:
        """Return it for people: a line for each package and each path, and the sum at the end."""
        lines = [f"- package {name}" for name in self.packages_removed]
        lines += [f"+ package {name}" for name in self.packages_added]
        lines += [
            f"~ package {change.name}: {', '.join(change.what)}" for change in self.packages_changed
        ]
        lines += [f"- {entry.path}  {size_text(entry.taken)}" for entry in self.removed]
        lines += [f"+ {entry.path}  {size_text(entry.taken)}" for entry in self.added]
        lines += [f"~ {change.name}: {', '.join(change.what)}" for change in self.changed]
        sign = "-" if self.size < 0 else "+"
        lines.append(
            f"{len(self.removed):,} removed, {len(self.added):,} added, {len(self.changed):,}"
            f" changed; {sign}{size_text(abs(self.size))}"
        )
        return "\n".join(map(printable, lines))


def difference(before: Fragment, after: Fragment) -> Difference:
    """Return what changed from one manifest to another, everything sorted by name.

    A path that is the same counts as changed where what brings it is another.
    """
    old, new = _entries(before), _entries(after)
    whence, whither = _reasons(before), _reasons(after)
    versions = {package.name: package.version for package in before.packages}
    newer = {package.name: package.version for package in after.packages}
    return Difference(
        packages_removed=tuple(f"{name} {versions[name]}" for name in _only(versions, newer)),
        packages_added=tuple(f"{name} {newer[name]}" for name in _only(newer, versions)),
        packages_changed=tuple(
            Change(name, (f"{versions[name]} → {newer[name]}",))
            for name in sorted(set(versions) & set(newer))
            if versions[name] != newer[name]
        ),
        removed=tuple(old[path] for path in _only(old, new)),
        added=tuple(new[path] for path in _only(new, old)),
        changed=tuple(
            Change(path, what)
            for path in sorted(set(old) & set(new))
            if (
                what := (
                    *_changes(old[path], new[path]),
                    *_other_reasons(whence.get(path, set()), whither.get(path, set())),
                )
            )
        ),
        size=sum(entry.taken for entry in new.values())
        - sum(entry.taken for entry in old.values()),
    )


def _entries(manifest: Fragment) -> dict[str, Entry]:
    return {str(entry.path): entry for entry in manifest.entries}


def _reasons(manifest: Fragment) -> dict[str, set[str]]:
    """Return who needs each path directly; what lies in a directory is no reason of its own."""
    found: dict[str, set[str]] = {}
    for edge in manifest.edges:
        if edge.kind is not EdgeKind.PARENT:
            found.setdefault(edge.target, set()).add(edge.source)
    return found


def _only(one: Mapping[str, Value], other: Mapping[str, Value]) -> list[str]:
    return sorted(set(one) - set(other))


def _changes(old: Entry, new: Entry) -> Iterator[str]:
    if old.kind is not new.kind:
        yield f"{old.kind} → {new.kind}"
        return
    if old.kind is Kind.FILE and old.sha256 != new.sha256:
        yield f"content ({size_text(old.size)} → {size_text(new.size)})"
    if old.link != new.link:
        yield f"link {old.link} → {new.link}"
    if old.mode != new.mode:
        yield f"mode {old.mode:04o} → {new.mode:04o}"
    if (old.uid, old.gid) != (new.uid, new.gid):
        yield f"owner {old.uid}:{old.gid} → {new.uid}:{new.gid}"
    if old.xattrs != new.xattrs:
        yield "extended attributes"
    for name, one, other in (
        ("layer", old.layer, new.layer),
        ("package", old.package, new.package),
        ("hard link to", old.hardlink, new.hardlink),
    ):
        if one != other:
            yield f"{name} {one or 'none'} → {other or 'none'}"


def _other_reasons(old: set[str], new: set[str]) -> Iterator[str]:
    # Reasons that come and go beside one that stays explain nothing.
    if old and new and not old & new:
        yield f"needed by {min(new)} instead of {min(old)}"
