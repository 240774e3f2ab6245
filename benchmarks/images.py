"""What is inside an image, read from what `docker save` and the OCI image layout hold."""

from __future__ import annotations

import json
import posixpath
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True, slots=True)
class Node:
    """One path: `kind` is file, hardlink, link, directory or special, `size` in bytes."""

    kind: str
    mode: int
    size: int = 0
    link: str = ""


Tree = dict[str, Node]


@dataclass(frozen=True, slots=True)
class Image:
    """An image on disk: an archive or a layout, its scheme as syft names it, and its tree."""

    name: str
    path: Path
    scheme: str
    tree: Tree


def save(name: str, archive: Path) -> Image:
    """Return the image that the engine calls `name`, saved as `archive`."""
    with archive.open("wb") as output:
        subprocess.run(["docker", "save", name], stdout=output, check=True)
    return replace(read(archive), name=name)


def read(path: Path) -> Image:
    """Return the image in a layout directory, an OCI or docker archive, or a tar of its tree."""
    if path.is_dir():
        return Image(str(path), path, "oci-dir", _merged(_oci_layers(_DirectoryBlobs(path))))
    with tarfile.open(path) as archive:
        names = set(archive.getnames())
        blobs = _TarBlobs(archive)
        if "index.json" in names and "oci-layout" in names:
            return Image(str(path), path, "oci-archive", _merged(_oci_layers(blobs)))
        if "manifest.json" in names:
            return Image(str(path), path, "docker-archive", _merged(_docker_layers(blobs)))
        return Image(str(path), path, "file", _merged([path.open("rb")]))


def files(tree: Tree) -> list[str]:
    """Return the paths of `tree` that are files, hard links counted as often as they occur."""
    return sorted(path for path, node in tree.items() if node.kind in ("file", "hardlink"))


def size(tree: Tree) -> int:
    """Return the bytes of the files of `tree`, hard links counted once."""
    return sum(node.size for node in tree.values() if node.kind == "file")


def setuid(tree: Tree) -> list[str]:
    """Return the files of `tree` that run as their owner or their group."""
    return [path for path in files(tree) if tree[path].mode & (stat.S_ISUID | stat.S_ISGID)]


def packages(image: Image) -> dict[str, int]:
    """Return how many packages of each type syft sees in `image`."""
    report = subprocess.run(
        ["syft", "scan", f"{image.scheme}:{image.path}", "-o", "json", "-q"],
        stdout=subprocess.PIPE,
        check=True,
    )
    counts: dict[str, int] = {}
    for artifact in json.loads(report.stdout)["artifacts"]:
        counts[artifact["type"]] = counts.get(artifact["type"], 0) + 1
    return counts


def steps(tree: Tree, path: str) -> Iterator[str]:
    """Yield every path that opening `path` goes through, links first, inside `tree` alone."""
    done, ahead = "", [part for part in path.split("/") if part]
    for _ in range(1000):
        if not ahead:
            return
        name = ahead.pop(0)
        if name == "..":
            done = posixpath.dirname(done).rstrip("/")
            continue
        here = f"{done}/{name}"
        node = tree.get(here)
        if node is None:
            return
        yield here
        if node.kind != "link":
            done = here
            continue
        if node.link.startswith("/"):
            done = ""
        ahead = [part for part in node.link.split("/") if part not in ("", ".")] + ahead


class _DirectoryBlobs:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(self, name: str) -> IO[bytes]:
        return (self._directory / name).open("rb")


class _TarBlobs:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def open(self, name: str) -> IO[bytes]:
        blob = self._archive.extractfile(name)
        if blob is None:
            raise SystemExit(f"{self._archive.name!r}: {name} is not a file")
        return blob


Blobs = _DirectoryBlobs | _TarBlobs


def _oci_layers(blobs: Blobs) -> Iterator[IO[bytes]]:
    manifest = _json(blobs, "index.json")["manifests"][0]
    while "layers" not in manifest:
        manifest = _json(blobs, _blob(manifest["digest"]))
        if "manifests" in manifest:
            manifest = manifest["manifests"][0]
    for layer in manifest["layers"]:
        yield blobs.open(_blob(layer["digest"]))


def _docker_layers(blobs: Blobs) -> Iterator[IO[bytes]]:
    for name in _json(blobs, "manifest.json")[0]["Layers"]:
        yield blobs.open(name)


def _json(blobs: Blobs, name: str) -> Any:  # noqa: ANN401 - a document of another's making
    with blobs.open(name) as document:
        return json.load(document)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/", 1)


def _merged(layers: Iterator[IO[bytes]] | list[IO[bytes]]) -> Tree:
    """Apply `layers` in their order, as the image specification says of whiteouts."""
    tree: Tree = {}
    for blob in layers:
        with blob, tarfile.open(fileobj=blob) as layer:
            _apply(tree, layer)
    return tree


def _apply(tree: Tree, layer: tarfile.TarFile) -> None:
    added: Tree = {}
    for member in layer:
        path = posixpath.normpath("/" + member.name)
        directory, name = posixpath.split(path)
        if name == OPAQUE:
            _remove(tree, directory, itself=False)
        elif name.startswith(WHITEOUT):
            _remove(tree, posixpath.join(directory, name.removeprefix(WHITEOUT)), itself=True)
        elif path != "/":
            added[path] = _node(member)
    for path, node in added.items():
        if node.kind != "directory":
            _remove(tree, path, itself=False)
    tree |= added


def _remove(tree: Tree, path: str, *, itself: bool) -> None:
    node = tree.get(path)
    if node is not None and node.kind == "directory":
        for below in [other for other in tree if other.startswith(f"{path}/")]:
            del tree[below]
    if itself:
        tree.pop(path, None)


def _node(member: tarfile.TarInfo) -> Node:
    if member.isdir():
        return Node("directory", member.mode)
    if member.issym():
        return Node("link", member.mode, link=member.linkname)
    if member.islnk():
        return Node("hardlink", member.mode, link=posixpath.normpath("/" + member.linkname))
    if member.isreg():
        return Node("file", member.mode, member.size)
    return Node("special", member.mode)
