"""The store: an OCI image layout (image-spec 1.0, image-layout.md) that is cache and output."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from rootfs_ansible.errors import InputError, StoreError, UntrustedError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.manifest import Fragment, Kind, Layer
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.store.admission import Findings, check_fragment, check_layer
from rootfs_ansible.store.aside import directory_aside, locked, sweep, write, written_aside
from rootfs_ansible.store.tar import LayerReader

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"
SUBJECT = "rootfs.builder.subject"
"""The annotation of an artifact in the index that says what it is of."""
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
LAYOUT = {"imageLayoutVersion": "1.0.0"}

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DOCUMENT = re.compile(_KEY.pattern + r"\.json")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_FRAGMENT_LIMIT = 1 << 28
_MOST_VALUES = 12 << 20
"""Bytes of a fragment.json: 500,000 entries with their edges."""
_RECENT = 600
"""Seconds in which a file that was used counts as used now: most builds write no time at all."""


def default_directory() -> Path:
    """Return where the store is if nobody says otherwise (``rootfs_store``)."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "rootfs-ansible" / "store"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What the index says of an image: its manifest's ``digest`` and ``size`` (bytes)."""

    digest: str
    size: int


class Store:
    """An OCI image layout in ``directory``, made when something is first written to it.

    Blobs are named by their digest, written aside and renamed; index.json changes under a lock,
    so that two builds at once both find their images in it. Beside the layout lie ``records/``
    (what a stage gave, by its key), ``manifests/`` (why an image holds what it holds, by its
    digest) and ``aside/`` (what is being written). The time of a file is that of its last use,
    by which upkeep knows what a running build relies on. Raises ``StoreError`` where the
    directory cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._aside = self._directory / "aside"
        self._blobs = self._directory / "blobs" / "sha256"
        self._records = self._directory / "records"
        self._manifests = self._directory / "manifests"
        self._is_ready = False

    @property
    def directory(self) -> Path:
        """The layout's directory."""
        return self._directory

    def admit(self, fragment: Fragment, exported: Path, epoch: int = 0) -> Fragment:
        """Check an export from a container as the untrusted input it is, and keep its layers.

        ``exported`` holds ``<layer>.tar`` for each layer, ``epoch`` is the time that every member
        must have (seconds). Each tar is read once, and must hold exactly the fragment's entries
        of that layer, with their attributes and contents. Returns the fragment. Raises
        ``UntrustedError`` with all findings, and keeps nothing, where anything differs.
        """
        findings = Findings()
        findings.extend(check_fragment(fragment))
        findings.refuse()
        findings.extend(_missized(fragment, exported))
        findings.refuse()
        new = [layer for layer in fragment.layers if not self._reuses(layer.digest, layer.size)]
        needed = sum(layer.size for layer in new)
        with self._writing(needed), contextlib.ExitStack() as asides:
            for layer in fragment.layers:
                file = None
                if layer in new:
                    file = asides.enter_context(
                        written_aside(self._aside, self._blob(layer.digest))
                    )
                findings.extend(_checked(fragment, layer, exported, epoch, file))
            findings.refuse()
        return fragment

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give an empty directory on the store's file system that is removed at the end.

        What a killed process leaves there, the next one removes.
        """
        with contextlib.ExitStack() as stack:
            with self._writing():
                path = stack.enter_context(directory_aside(self._aside))
            try:
                yield path
            except OSError as error:
                if error.errno in _FULL:
                    raise self._failure(error) from error
                raise

    def has(self, digest: str, size: int | None = None) -> bool:
        """Say whether a blob is there, in its full size (bytes) where that is known."""
        try:
            found = self._blob(digest).stat().st_size
        except OSError:
            return False
        return size is None or found == size

    def holds(self, fragment: Fragment) -> bool:
        """Say whether every layer of a fragment is there."""
        return all(self.has(layer.digest, layer.size) for layer in fragment.layers)

    def blob(self, digest: str) -> Path:
        """Return the path of a blob; ``StoreError`` where it is not there."""
        path = self._blob(digest)
        if not path.is_file():
            raise StoreError(
                f"{digest} is missing",
                where=str(self._directory),
                hint="build the image again, the store keeps what is still there",
            )
        return path

    def descriptor(self, digest: str) -> Descriptor:
        """Return the digest of a blob with its size; ``StoreError`` where it is not there."""
        path = self.blob(digest)
        with self._reading():
            return Descriptor(digest, path.stat().st_size)

    def put_blob(self, content: bytes) -> Descriptor:
        """Keep a small blob and return its digest and size."""
        descriptor = Descriptor("sha256:" + hashlib.sha256(content).hexdigest(), len(content))
        if not self._reuses(descriptor.digest, descriptor.size):
            self._write(self._blob(descriptor.digest), content)
        return descriptor

    def read_blob(self, digest: str) -> bytes:
        """Return a small blob; ``StoreError`` where it is missing or not what its name says."""
        path = self.blob(digest)
        with self._reading():
            content = path.read_bytes()
        if "sha256:" + hashlib.sha256(content).hexdigest() != digest:
            raise StoreError(
                f"{digest} is damaged",
                where=str(path),
                hint="run `rootfs-ansible store check`, and build again",
            )
        return content

    def contents(self, digest: str, paths: Collection[ImagePath]) -> dict[ImagePath, bytes]:
        """Return what is in those files of a layer that it has; ``StoreError`` where the layer is
        not there."""
        found: dict[ImagePath, bytes] = {}
        with self._reading(), self.blob(digest).open("rb", buffering=0) as file:
            reader = LayerReader(file.read, digest)
            for member in reader.members():
                if member.path in paths and member.kind is Kind.FILE and not member.hardlink:
                    found[member.path] = b"".join(reader.content())
        return found

    def record(self, key: str) -> dict[str, Any] | None:
        """Return what was recorded for a stage's key; a damaged record counts as none."""
        path = self._records / self._named(key)
        self._use(path)
        return self._document(path)

    def put_record(self, key: str, document: Mapping[str, Any]) -> None:
        """Record a JSON document for a stage's key, in place of an earlier one."""
        self._replace(self._records / self._named(key), canonical(document))

    def manifest(self, digest: str) -> dict[str, Any] | None:
        """Return the manifest (entries, edges, packages) of the image with that digest."""
        return self._document(self.manifest_path(digest))

    def manifest_path(self, digest: str) -> Path:
        """Return where the manifest of the image with that digest lies."""
        return self._manifests / f"{self._hexadecimal(digest)}.json"

    def put_manifest(self, digest: str, document: Mapping[str, Any]) -> Path:
        """Write the manifest of the image with that digest and return its path."""
        path = self.manifest_path(digest)
        self._replace(path, canonical(document))
        return path

    def ref(self, name: str) -> Descriptor | None:
        """Return the image of that name; nothing where there is none."""
        return self.refs().get(name)

    def refs(self) -> dict[str, Descriptor]:
        """Return the images of the index by their names (org.opencontainers.image.ref.name)."""
        found = {}
        for item in self.items():
            name = item.get("annotations", {}).get(REF_NAME)
            if isinstance(name, str):
                try:
                    document = Document(item, "manifests")
                    found[name] = Descriptor(document.text("digest"), document.integer("size"))
                except InputError as error:
                    raise self._damaged() from error
        return found

    def put_ref(self, name: str, image: Descriptor) -> None:
        """Name an image in the index; the name leaves the image that had it."""
        with self.exclusive():
            items = [
                item for item in self.items() if item.get("annotations", {}).get(REF_NAME) != name
            ]
            items.append(index_item(name, image))
            self.put_items(items)

    def put_artifacts(self, image: Descriptor, documents: Mapping[str, bytes]) -> None:
        """Keep documents about an image, by their media types, as artifacts that refer to it
        (image-spec 1.1, manifest.md); earlier ones of the same types are no longer listed."""
        items = [
            self._artifact(image, kind, self.put_blob(content))
            for kind, content in documents.items()
        ]
        with self.exclusive():
            others = [
                item
                for item in self.items()
                if item.get("artifactType") not in documents
                or item.get("annotations", {}).get(SUBJECT) != image.digest
            ]
            self.put_items([*others, *items])

    def artifact(self, digest: str, kind: str) -> bytes | None:
        """Return the document of that media type about the image with that digest, if any."""
        for item in self.items():
            if (
                item.get("artifactType") == kind
                and item.get("annotations", {}).get(SUBJECT) == digest
            ):
                try:
                    manifest = json.loads(self.read_blob(str(item.get("digest"))))
                    return self.read_blob(str(manifest["layers"][0]["digest"]))
                except (ValueError, LookupError, TypeError) as error:
                    raise self._damaged() from error
        return None

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the store: nobody else changes its index, its records and its manifests, nor takes
        up a blob that is there already. A method that does one of these waits for ever inside."""
        with self._writing(), locked(self._directory / "lock"):
            yield

    def blobs(self) -> dict[str, Path]:
        """Return the files of all blobs by their digests."""
        return {f"sha256:{path.name}": path for path in _files(self._blobs, _HEXADECIMAL)}

    def records(self) -> dict[str, Path]:
        """Return the files of all records by their keys."""
        return {path.stem: path for path in _files(self._records, _DOCUMENT)}

    def manifests(self) -> dict[str, Path]:
        """Return the files of the manifests of images by the digests of these."""
        return {f"sha256:{path.stem}": path for path in _files(self._manifests, _DOCUMENT)}

    def _artifact(self, image: Descriptor, kind: str, content: Descriptor) -> dict[str, Any]:
        empty = self.put_blob(b"{}")
        manifest = self.put_blob(
            canonical(
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST_TYPE,
                    "artifactType": kind,
                    "config": _described(EMPTY_TYPE, empty),
                    "layers": [_described(kind, content)],
                    "subject": _described(MANIFEST_TYPE, image),
                }
            )
        )
        return {
            **_described(MANIFEST_TYPE, manifest),
            "artifactType": kind,
            "annotations": {SUBJECT: image.digest},
        }

    def put_items(self, items: list[dict[str, Any]]) -> None:
        """Write the index: artifacts first, then images by name; the store is held
        (``exclusive``)."""

        def order(item: dict[str, Any]) -> tuple[str, str, str]:
            said = item.get("annotations", {})
            return (
                str(said.get(REF_NAME, "")),
                str(said.get(SUBJECT, "")),
                str(item.get("artifactType", "")),
            )

        self._write(self._directory / "index.json", canonical(index(sorted(items, key=order))))

    def items(self) -> list[dict[str, Any]]:
        """Return the descriptors of the index: of artifacts, and of images by name."""
        path = self._directory / "index.json"
        with self._reading():
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                return []
        try:
            items = json.loads(content)["manifests"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged() from error
        if not isinstance(items, list) or not all(
            isinstance(item, dict) and isinstance(item.get("annotations", {}), dict)
            for item in items
        ):
            raise self._damaged()
        return items

    def _damaged(self) -> StoreError:
        return StoreError(
            "the index of the store is damaged",
            where=str(self._directory / "index.json"),
            hint="run `rootfs-ansible store check`; the next build of each image names it again",
        )

    def _document(self, path: Path) -> dict[str, Any] | None:
        with self._reading():
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return document if isinstance(document, dict) else None

    def _use(self, path: Path) -> None:
        """Note that a file that is there is used; upkeep, which has just decided on it by its
        time, is waited for."""
        try:
            if time.time() - path.stat().st_mtime < _RECENT:
                return
            with locked(self._directory / "lock"):
                os.utime(path)
        except OSError:
            # It is gone, or the store is another user's, who does not clean it up under us.
            return

    def _reuses(self, digest: str, size: int) -> bool:
        """Say whether a blob is there in its full size, to be relied on from now on."""
        self._use(self._blob(digest))
        return self.has(digest, size)

    def _replace(self, path: Path, content: bytes) -> None:
        with (
            self._writing(len(content)),
            locked(self._directory / "lock"),
            written_aside(self._aside, path) as file,
        ):
            write(file, content)

    def _write(self, path: Path, content: bytes) -> None:
        with self._writing(len(content)), written_aside(self._aside, path) as file:
            write(file, content)

    def _blob(self, digest: str) -> Path:
        return self._blobs / self._hexadecimal(digest)

    def _hexadecimal(self, digest: str) -> str:
        match = _DIGEST.fullmatch(digest)
        if match is None:
            raise StoreError(f"not a digest: {digest!r}", where=str(self._directory))
        return match[1]

    def _named(self, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise StoreError(f"not a key of a stage: {key!r}", where=str(self._directory))
        return f"{key}.json"

    def _prepare(self) -> None:
        for directory in (self._blobs, self._records, self._manifests, self._aside):
            directory.mkdir(parents=True, exist_ok=True)
        sweep(self._aside)
        for name, content in (("oci-layout", LAYOUT), ("index.json", index([]))):
            path = self._directory / name
            if not path.exists():
                with locked(self._directory / "lock"):
                    if not path.exists():
                        with written_aside(self._aside, path) as file:
                            write(file, canonical(content))
        self._is_ready = True

    @contextlib.contextmanager
    def _writing(self, size: int = 0) -> Iterator[None]:
        try:
            if not self._is_ready:
                self._prepare()
            if size > shutil.disk_usage(self._directory).free:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            yield
        except OSError as error:
            raise self._failure(error, size) from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failure(error) from error

    def require(self, size: int) -> None:
        """Raise ``StoreError`` where the disk has no room for ``size`` bytes more."""
        with self._writing(size):
            pass

    def _failure(self, error: OSError, size: int = 0) -> StoreError:
        where = str(self._directory)
        if error.errno not in _FULL:
            return StoreError(
                f"cannot be used: {error.strerror or error}",
                where=str(error.filename or where),
                hint="the store must be a directory that this user may write to",
            )
        needed = f"{size} bytes are needed, " if size else ""
        try:
            free = shutil.disk_usage(self._directory).free
        except OSError:
            free = 0
        return StoreError(
            f"the disk of the store is full: {needed}{free} bytes are free",
            where=where,
            hint="make room on that file system, or set rootfs_store to a larger one",
        )


def read_fragment(exported: Path) -> Fragment:
    """Return the fragment that an exporter wrote into ``exported``.

    It is as untrusted as the rest: ``UntrustedError`` where it is no fragment, whatever it is.
    """
    path = exported / "fragment.json"
    try:
        with opened(path) as file:
            content = file.read(_FRAGMENT_LIMIT + 1)
        if len(content) > _FRAGMENT_LIMIT:
            raise UntrustedError(f"is larger than {_FRAGMENT_LIMIT} bytes", where=str(path))
        # Each value takes sixty bytes and more, be it written as three.
        if sum(map(content.count, (b",", b"[", b"{"))) > _MOST_VALUES:
            raise UntrustedError(f"has more than {_MOST_VALUES} values", where=str(path))
        return Fragment.from_json(json.loads(content))
    except OSError as error:
        raise UntrustedError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError, InputError) as error:
        raise UntrustedError(f"is not a fragment: {error}", where=str(path)) from error


def index(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an OCI image index (image-spec 1.0, image-index.md)."""
    return {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": items}


def index_item(name: str, image: Descriptor) -> dict[str, Any]:
    """Return the descriptor of a named image in an index (image-spec 1.0, descriptor.md)."""
    return {**_described(MANIFEST_TYPE, image), "annotations": {REF_NAME: name}}


def _described(kind: str, blob: Descriptor) -> dict[str, Any]:
    return {"mediaType": kind, "digest": blob.digest, "size": blob.size}


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return a JSON document as the same bytes every time: sorted keys, no spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def _files(directory: Path, names: re.Pattern[str]) -> Iterator[Path]:
    if directory.is_dir():
        yield from (path for path in sorted(directory.iterdir()) if names.fullmatch(path.name))


def _missized(fragment: Fragment, exported: Path) -> Iterator[str]:
    for layer in fragment.layers:
        path = exported / f"{layer.name}.tar"
        try:
            status = path.lstat()
        except OSError as error:
            yield f"{path.name} cannot be read: {error.strerror}"
            continue
        if not stat.S_ISREG(status.st_mode) or status.st_size != layer.size:
            yield f"{path.name} is no file of {layer.size} bytes"


def _checked(
    fragment: Fragment, layer: Layer, exported: Path, epoch: int, file: BinaryIO | None
) -> Iterator[str]:
    entries = {entry.path: entry for entry in fragment.entries if entry.layer == layer.name}
    digest = hashlib.sha256()
    size = 0
    path = exported / f"{layer.name}.tar"
    try:
        source = opened(path)
    except OSError as error:
        yield f"{path.name} cannot be read: {error.strerror}"
        return

    def read(limit: int) -> bytes:
        nonlocal size
        block = source.read(min(limit, layer.size + 1 - size))
        size += len(block)
        if size > layer.size:
            raise UntrustedError(f"it has more than {layer.size} bytes", where=path.name)
        digest.update(block)
        if file is not None:
            write(file, block)
        return block

    with source:
        try:
            yield from check_layer(LayerReader(read, path.name), entries, epoch)
        except UntrustedError as error:
            yield str(error)
            return
    if (f"sha256:{digest.hexdigest()}", size) != (layer.digest, layer.size):
        yield f"{path.name}: its digest or size is not the one of the fragment"


def opened(path: Path) -> BinaryIO:
    """Open a plain file that an export consists of, unbuffered; ``OSError`` for anything else."""
    # Neither a link to somewhere else nor a FIFO that never ends may stand in for the file.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.fdopen(os.open(path, flags), "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return file
