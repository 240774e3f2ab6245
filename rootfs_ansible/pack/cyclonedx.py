"""A bill of materials as CycloneDX 1.6 has it (https://cyclonedx.org/docs/1.6/json/)."""

from __future__ import annotations

from typing import Any

from rootfs_ansible import __version__
from rootfs_ansible.model.component import SYSTEM
from rootfs_ansible.pack.sbom import Bill, Item, readable

MEDIA_TYPE = "application/vnd.cyclonedx+json"

_LAYER = "rootfs:layer"
_LAYER_DIGEST = "rootfs:layer:digest"


def cyclonedx(bill: Bill) -> dict[str, Any]:
    """Return the document of an image: same image, same document.

    A component names its layer as a property, ``rootfs:layer``.
    """
    dependencies = dict(bill.dependencies)
    dependencies[bill.purl] = tuple(item.reference for item in bill.items)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{bill.identity}",
        "version": 1,
        "metadata": {
            "timestamp": bill.created,
            "tools": {
                "components": [
                    {"type": "application", "name": "rootfs-ansible", "version": __version__}
                ]
            },
            "component": {
                "type": "container",
                "bom-ref": bill.purl,
                "name": bill.repository,
                "version": bill.tag,
                "hashes": [_hash("SHA-256", bill.digest.removeprefix("sha256:"))],
                "purl": bill.purl,
                "properties": [
                    {"name": f"{_LAYER_DIGEST}:{layer.name}", "value": layer.digest}
                    for layer in bill.layers
                ],
            },
        },
        "components": [_component(item) for item in bill.items],
        "dependencies": [
            {"ref": reference, "dependsOn": list(targets)}
            for reference, targets in sorted(dependencies.items())
        ],
    }


def _component(item: Item) -> dict[str, Any]:
    group, slash, name = item.name.rpartition("/")
    component: dict[str, Any] = {
        "type": "operating-system" if item.type == SYSTEM else "library",
        "bom-ref": item.reference,
        "name": name,
        "version": item.version,
    }
    if slash:
        component["group"] = group
    if item.hashes:
        component["hashes"] = [_hash(*found) for found in item.hashes]
    if item.licence:
        component["licenses"] = [{"expression": item.licence}]
    if item.purl:
        component["purl"] = item.purl
    if item.paths:
        component["evidence"] = {"occurrences": [{"location": readable(at)} for at in item.paths]}
    component["properties"] = [{"name": _LAYER, "value": item.layer}]
    return component


def _hash(algorithm: str, content: str) -> dict[str, str]:
    return {"alg": algorithm, "content": content}
