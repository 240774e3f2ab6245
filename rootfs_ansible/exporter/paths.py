"""The index of a tree: what it has, for whoever finds out later that something is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.exporter.dpkg import PackageDatabase
from rootfs_ansible.exporter.mounts import RUNTIME_MOUNTS
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.exporter.tar import unwritable
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ROOT, ImagePath
from rootfs_ansible.model.paths import LIMIT, Known, index_text

INDEX = "paths.json"

_PASSED_OVER = {
    *(str(path) for path in RUNTIME_MOUNTS),
    # What a build leaves of its own work, and the records of package managers.
    "/tmp",  # noqa: S108
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/tmp",  # noqa: S108
}

_FILE = Known(Kind.FILE)


def path_index(root: Root, packages: PackageDatabase) -> Iterator[tuple[str, Known]]:
    """Yield every path of a tree with the package that owns it, one directory after the other, but
    for what is mounted there and what a build leaves of its own work."""
    left = LIMIT
    waiting = [(ROOT, True)]
    while waiting and left > 0:
        directory, is_packages = waiting.pop()
        try:
            listed = root.kinds(directory)
        except ClosureError:
            # It goes away while it is read, or is nobody's to read: as good as not there.
            continue
        above = directory.text.rstrip("/")
        left -= len(listed)
        for name, kind in listed:
            text = f"{above}/{name}"
            if kind is None or text in _PASSED_OVER:
                continue
            if kind is Kind.FILE and not is_packages:
                yield text, _FILE
                continue
            path = ImagePath(text)
            shared = is_packages and kind is Kind.DIRECTORY and packages.is_shared(path)
            owner = packages.owner(path) if is_packages and not shared else None
            try:
                link = root.readlink(path) if kind is Kind.SYMLINK else ""
            except ClosureError:
                continue
            yield text, Known(kind, owner.name if owner else "", link)
            if kind is Kind.DIRECTORY:
                # A package lists the directories that its files are in: in others there are none.
                waiting.append((path, shared or owner is not None))


def write_index(index: Iterable[tuple[str, Known]], output: Path) -> None:
    """Write an index into the directory ``output``, aside and then in place."""
    path = output / INDEX
    aside = path.with_name(f".{INDEX}.new")
    try:
        with aside.open("w", encoding="ascii") as stream:
            stream.writelines(index_text(index))
        aside.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
