"""Packing: a linked manifest and a configuration become an OCI image in the store."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.model.component import Component
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.image import Image, ImageConfig, ImageLayer
from rootfs_ansible.model.manifest import Candidate, Fragment, Kind, Layer
from rootfs_ansible.pack.components import with_components
from rootfs_ansible.pack.documents import attach, bill_of
from rootfs_ansible.pack.provenance import Provenance
from rootfs_ansible.pack.sbom import Bill
from rootfs_ansible.store.layout import MANIFEST_TYPE, Descriptor, Store, canonical

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_NAME = re.compile(
    rf"(?=.{{1,255}}\Z)(?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*:[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}}"
)
"""repository:tag, as the reference grammar of the distribution specification has it."""
_LAST_EPOCH = 253_402_300_799
"""The end of the year 9999, the last that RFC 3339 can write."""


def pack(
    store: Store,
    linked: Fragment,
    config: ImageConfig,
    name: str,
    epoch: int = 0,
    *,
    named: Iterable[Component] = (),
    made: Provenance | None = None,
) -> Image:
    """Put the image that ``linked`` describes into ``store``, to be known as ``name``
    (repository:tag). Nothing has the name yet: it is given when the image is delivered.

    ``epoch`` is the time it is said to be created at, in seconds. Layers stay plain tars
    (``application/vnd.oci.image.layer.v1.tar``): the bytes that gzip gives depend on the zlib at
    hand, plain ones are the same on every machine, and a registry client may still compress
    them. A layer without entries is left out of the image. ``named`` are the components that no
    file of it tells, ``made`` what it was made from. Raises ``InputError`` for a name that
    no registry takes and ``StoreError`` where a layer is missing or the store cannot be written.
    """
    check_name(name)
    if not 0 <= epoch <= _LAST_EPOCH:
        raise InputError(
            f"not a time: {epoch}", hint="rootfs_epoch is in seconds since 1970 (SOURCE_DATE_EPOCH)"
        )
    layers = [layer for layer in linked.layers if layer.digest]
    for layer in layers:
        if not store.has(layer.digest, layer.size):
            raise StoreError(
                f"layer {layer.name} ({layer.digest}) is missing or not whole",
                where=str(store.directory),
                hint="build again: what is missing is made again",
            )
    settings = store.put_blob(canonical(image_configuration(config, layers, epoch)))
    image = store.put_blob(
        canonical(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST_TYPE,
                "config": {
                    "mediaType": CONFIG_TYPE,
                    "digest": settings.digest,
                    "size": settings.size,
                },
                "layers": [
                    {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}
                    for layer in layers
                ],
                **({"annotations": dict(config.labels)} if config.labels else {}),
            }
        )
    )
    linked = with_components(store, linked, named)
    counted = _counted(linked)
    document = linked.to_json()
    del document["needs"]
    document |= {
        "digest": image.digest,
        "id": settings.digest,
        "layers": [layer.to_json() for layer in counted],
        "config": config.to_json(),
        "epoch": epoch,
    }
    store.put_manifest(image.digest, document)
    attach(store, image, Bill(name, image.digest, epoch, config.architecture, linked), made)
    return _image(store, name, image.digest, document)


def check_name(name: str) -> None:
    """Raise ``InputError`` for a name (repository:tag) that no registry takes."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"not an image name: {name!r}",
            hint="it is repository:tag, the repository in lower case (rootfs_image_name,"
            " rootfs_image_tag)",
        )


def find_image(store: Store, name: str, found: Descriptor) -> Image | None:
    """Return an image of the store under a name; nothing where it, or a part of it, is gone.

    ``found`` says which: the index may give the name to another one at any time.
    """
    document = store.manifest(found.digest)
    if document is None or not store.has(found.digest, found.size):
        return None
    try:
        image = _image(store, name, found.digest, document)
        store.read_blob(found.digest)
        store.read_blob(image.config_digest)
    except (InputError, StoreError):
        return None
    blobs = [(layer.digest, layer.size) for layer in image.layers if layer.digest]
    return image if all(store.has(digest, size) for digest, size in blobs) else None


def read_manifest(store: Store, image: str) -> Fragment:
    """Return the manifest of an image: ``image`` is the file of one, or what ``store`` knows it
    by (repository, with a tag other than ``latest``, or the digest).

    Raises ``InputError`` where there is no such image, or the file is no manifest.
    """
    return Fragment.from_json(_manifest_document(store, image)[1])


def read_bill(store: Store, image: str) -> Bill:
    """Return what an image is made of; ``image`` as for ``read_manifest``."""
    name, document = _manifest_document(store, image)
    if not name:
        digest = Document(document, "manifest").text("digest")
        known = (name for name, found in sorted(store.refs().items()) if found.digest == digest)
        name = next(known, f"image:{digest.removeprefix('sha256:')[:12]}")
    return bill_of(name, document)


def _manifest_document(store: Store, image: str) -> tuple[str, dict[str, Any]]:
    """Return the name of an image, empty where it was not asked for by that, and its manifest."""
    path = Path(image)
    if path.suffix == ".json" and path.is_file():
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise InputError(f"is no manifest: {error}", where=image) from error
        if not isinstance(document, dict):
            raise InputError("is no manifest", where=image)
        return "", document
    digest = digest_of(store, image)
    found = store.manifest(digest)
    if found is None:
        raise InputError(f"there is no manifest of {image}", where=str(store.directory))
    return "" if digest == image else _full_name(image), found


def digest_of(store: Store, image: str) -> str:
    """Return the digest of what ``store`` knows as ``image`` (repository, with a tag other than
    ``latest``, or the digest itself); ``InputError`` where it knows none of that name."""
    if image.startswith("sha256:"):
        return image
    names = store.refs()
    name = _full_name(image)
    if name not in names and Path(image).suffix == ".json":
        raise InputError("there is no such file", where=image)
    if name not in names:
        raise InputError(
            f"there is no image {name}",
            where=str(store.directory),
            hint=f"it has {', '.join(sorted(names))}" if names else "build one first",
        )
    return names[name].digest


def _full_name(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def image_configuration(config: ImageConfig, layers: list[Layer], epoch: int) -> dict[str, Any]:
    """Return the OCI image configuration (image-spec 1.0, config.md).

    ``layers`` are those of the image, lowest first: each has a history entry that names it.
    """
    created = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    settings: dict[str, Any] = {
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "Env": [f"{key}={value}" for key, value in config.environment],
        "WorkingDir": config.working_directory,
        "User": config.user,
        "ExposedPorts": {port: {} for port in config.ports},
        "Volumes": {volume: {} for volume in config.volumes},
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
    }
    return {
        "architecture": config.architecture,
        "os": "linux",
        "created": created,
        "config": {key: value for key, value in settings.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "history": [
            {"created": created, "created_by": f"rootfs-ansible: layer {layer.name}"}
            for layer in layers
        ],
    }


def _counted(linked: Fragment) -> tuple[ImageLayer, ...]:
    files = Counter(entry.layer for entry in linked.entries if entry.kind is not Kind.DIRECTORY)
    packages = Counter(package.layer for package in linked.packages)
    return tuple(
        ImageLayer(layer.name, layer.digest, layer.size, files[layer.name], packages[layer.name])
        for layer in linked.layers
    )


def _image(store: Store, name: str, digest: str, document: dict[str, Any]) -> Image:
    manifest = Document(document, "manifest")
    layers = manifest.each("layers", ImageLayer.from_json)
    return Image(
        name=name,
        digest=digest,
        config_digest=manifest.text("id"),
        size=sum(layer.size for layer in layers),
        layers=layers,
        config=ImageConfig.from_json(document.get("config")),
        manifest=store.manifest_path(digest),
        layout=store.directory,
        candidates=len(manifest.each("candidates", Candidate.from_json)),
    )
