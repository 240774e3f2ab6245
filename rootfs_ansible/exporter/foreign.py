"""Foreign binaries: what lies under an output for other machines, systems and C libraries."""

from __future__ import annotations

from rootfs_ansible.exporter.elf import BinaryFormat, binary_format
from rootfs_ansible.exporter.heads import Heads
from rootfs_ansible.exporter.loader import Loader
from rootfs_ansible.exporter.outputs import Claim
from rootfs_ansible.exporter.pathmap import PathMap
from rootfs_ansible.exporter.root import Root
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.model.request import Foreign


def foreign(
    root: Root, loader: Loader, heads: Heads, claimed: PathMap[Claim]
) -> dict[ImagePath, str]:
    """Return what nothing in the tree can load or run, and the links to it, each with the reason;
    of those paths alone whose output says that such files are omitted."""
    found: dict[ImagePath, str] = {}
    links: list[ImagePath] = []
    for path, claim in claimed.pairs():
        if claim.output.foreign is not Foreign.OMIT or claim.made:
            continue
        if claim.status.kind is Kind.SYMLINK:
            links.append(path)
            continue
        head = heads.look(path, claim.status) if claim.status.kind is Kind.FILE else b""
        if reason := _reason(loader, path, head):
            found[path] = reason
    for link in links if found else ():
        resolution = root.resolve(link)
        if resolution is not None and resolution.path in found:
            found[link] = f"leads to {resolution.path}: {found[resolution.path]}"
    return found


def _reason(loader: Loader, path: ImagePath, head: bytes) -> str:
    kind = binary_format(head)
    if kind is None:
        return ""
    if kind is not BinaryFormat.ELF:
        return f"a {kind} file, which Linux does not load"
    elf = loader.elf(path)
    return loader.foreign(elf) if elf is not None and elf.is_loadable else ""
