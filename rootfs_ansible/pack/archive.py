"""Archives of a whole image: for an engine's ``load``, and for whoever reads OCI."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rootfs_ansible.model.image import Image
from rootfs_ansible.pack.output import written_output
from rootfs_ansible.store.aside import write
from rootfs_ansible.store.layout import LAYOUT, Descriptor, Store, canonical, index, index_item

_BLOCK = 512
_READ = 1 << 20


def docker_archive(
    store: Store, image: Image, engine_layers: Iterable[Sequence[str]] = ()
) -> Iterator[bytes]:
    """Yield the bytes of an archive that ``docker load`` reads, deterministically.

    ``engine_layers`` are the layers of images that the engine has (``RootFS.Layers``, lowest
    first): those that this image shares with one of them, from the lowest on without a gap, are
    left out, since the engine finds them by the chain of their digests. An engine with another
    image store may refuse such a thin archive; without ``engine_layers`` it is complete. The
    format is manifest.json of Docker Image Specification v1.2, which every engine since 1.10
    takes. Raises ``StoreError`` where a blob is missing.
    """
    omitted = set(image.digests[: shared_layers(image.digests, engine_layers)])
    files = [(_blob_name(digest), digest) for digest in image.digests if digest not in omitted]
    manifest = [
        {
            "Config": f"{_hexadecimal(image.config_digest)}.json",
            "RepoTags": [image.name],
            "Layers": [_blob_name(digest) for digest in image.digests],
        }
    ]
    yield from _member(
        f"{_hexadecimal(image.config_digest)}.json", store.read_blob(image.config_digest)
    )
    yield from _member("manifest.json", json.dumps(manifest, sort_keys=True).encode("ascii"))
    yield from _directories(files)
    for name, digest in files:
        yield from _file(name, store.blob(digest))
    yield bytes(2 * _BLOCK)


def shared_layers(layers: Sequence[str], engine_layers: Iterable[Sequence[str]]) -> int:
    """Return how many of ``layers``, from the lowest on, an image of the engine has as well."""
    longest = 0
    for others in engine_layers:
        shared = 0
        for ours, theirs in zip(layers, others, strict=False):
            if ours != theirs:
                break
            shared += 1
        longest = max(longest, shared)
    return longest


def write_oci_archive(store: Store, image: Image, path: Path) -> None:
    """Write an OCI archive: the tar of an image layout that holds this image alone.

    Same image, same bytes. Replaces ``path`` at once when it is complete. Raises ``StoreError``
    where a blob is missing, ``InputError`` where ``path`` cannot be written.
    """
    with written_output(path) as file:
        for block in _oci_archive(store, image):
            write(file, block)


def _oci_archive(store: Store, image: Image) -> Iterator[bytes]:
    manifest = store.read_blob(image.digest)
    items = [index_item(image.name, Descriptor(image.digest, len(manifest)))]
    files = [
        (_blob_name(digest), digest)
        for digest in sorted({image.digest, image.config_digest, *image.digests})
    ]
    yield from _directories(files)
    for name, digest in files:
        yield from _file(name, store.blob(digest))
    yield from _member("index.json", canonical(index(items)))
    yield from _member("oci-layout", canonical(LAYOUT))
    yield bytes(2 * _BLOCK)


def _directories(files: Sequence[tuple[str, Any]]) -> Iterator[bytes]:
    for name in ("blobs/", "blobs/sha256/") if files else ():
        yield _header(name, 0, tarfile.DIRTYPE, 0o755)


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content), tarfile.REGTYPE, 0o644)
    yield content + bytes(-len(content) % _BLOCK)


def _file(name: str, path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    yield _header(name, size, tarfile.REGTYPE, 0o644)
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ):
            yield block
    yield bytes(-size % _BLOCK)


def _header(name: str, size: int, kind: bytes, mode: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode = size, kind, mode
    return member.tobuf(tarfile.PAX_FORMAT)


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{_hexadecimal(digest)}"


def _hexadecimal(digest: str) -> str:
    return digest.removeprefix("sha256:")
