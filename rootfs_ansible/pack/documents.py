"""The documents of an image: its bills of materials, and the statement of how it came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.image import ImageConfig
from rootfs_ansible.model.manifest import Fragment
from rootfs_ansible.pack import cyclonedx, provenance, spdx
from rootfs_ansible.pack.provenance import Provenance, statement
from rootfs_ansible.pack.sbom import Bill
from rootfs_ansible.store.layout import Descriptor, Store, canonical

FORMATS: Mapping[str, Callable[[Bill], dict[str, Any]]] = {
    "spdx": spdx.spdx,
    "cyclonedx": cyclonedx.cyclonedx,
}
"""The formats of a bill of materials, by what a user calls them."""

_TYPES = {"spdx": spdx.MEDIA_TYPE, "cyclonedx": cyclonedx.MEDIA_TYPE}


def bill_of(name: str, document: Mapping[str, Any]) -> Bill:
    """Return what the image ``name`` is made of, by the document that its manifest is."""
    described = Document(document, "manifest")
    return Bill(
        name,
        described.text("digest"),
        described.integer("epoch", 0),
        ImageConfig.from_json(document.get("config")).architecture,
        Fragment.from_json(document),
    )


def attach(store: Store, image: Descriptor, bill: Bill, made: Provenance | None) -> None:
    """Keep the documents of an image in the store, where whoever reads OCI finds them: as
    artifacts that refer to it (image-spec 1.1, manifest.md)."""
    documents = {_TYPES[name]: canonical(write(bill)) for name, write in FORMATS.items()}
    if made is not None:
        documents[provenance.MEDIA_TYPE] = canonical(statement(bill, made))
    store.put_artifacts(image, documents)


def provenance_of(store: Store, digest: str) -> bytes:
    """Return the statement of how an image came about; ``InputError`` where there is none."""
    content = store.artifact(digest, provenance.MEDIA_TYPE)
    if content is None:
        raise InputError(
            f"nothing says how {digest} was made",
            where=str(store.directory),
            hint="build it again: an older version of rootfs-ansible left no such statement",
        )
    return content
