"""A bill of materials as SPDX 2.3 has it (https://spdx.github.io/spdx-spec/v2.3/)."""

from __future__ import annotations

import re
from typing import Any

from rootfs_ansible import __version__
from rootfs_ansible.model.component import SYSTEM
from rootfs_ansible.pack.sbom import Bill, Item, readable, short

MEDIA_TYPE = "application/spdx+json"

_UNKNOWN = "NOASSERTION"
_IMAGE = "SPDXRef-Image"
_OWN_LICENCE = re.compile(r"LicenseRef-[A-Za-z0-9.-]+")


def spdx(bill: Bill) -> dict[str, Any]:
    """Return the document of an image: same image, same document.

    Files are none of it: SPDX 2.3 asks for the SHA-1 of each, which nobody should go by.
    """
    packages = [_image(bill), *(_layer(bill, name) for name in _layers(bill))]
    packages += [_package(item) for item in bill.items]
    document: dict[str, Any] = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": bill.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/rootfs-ansible/{bill.identity}",
        "creationInfo": {
            "created": bill.created,
            "creators": [f"Tool: rootfs-ansible-{__version__}"],
        },
        "packages": packages,
        "relationships": _relationships(bill),
    }
    if own := sorted({name for item in bill.items for name in _OWN_LICENCE.findall(item.licence)}):
        document["hasExtractedLicensingInfos"] = [
            {
                "licenseId": name,
                "name": name.removeprefix("LicenseRef-"),
                "extractedText": "The text is in the image: in /usr/share/doc, or beside what it"
                " is the licence of.",
            }
            for name in own
        ]
    return document


def _image(bill: Bill) -> dict[str, Any]:
    return {
        **_common(_IMAGE, bill.repository, bill.tag),
        "primaryPackagePurpose": "CONTAINER",
        "checksums": [_sha256(bill.digest)],
        "externalRefs": [_purl(bill.purl)],
    }


def _layers(bill: Bill) -> dict[str, str]:
    return {layer.name: layer.digest for layer in bill.layers}


def _layer(bill: Bill, name: str) -> dict[str, Any]:
    digest = _layers(bill)[name]
    return {
        **_common(_layer_id(name), f"layer {name}", digest),
        "primaryPackagePurpose": "ARCHIVE",
        "checksums": [_sha256(digest)],
    }


def _package(item: Item) -> dict[str, Any]:
    package = _common(_item_id(item), item.name, item.version)
    # How the purpose of a system is written, the schemas of 2.3 and 2.3.1 do not agree.
    if item.type != SYSTEM:
        package["primaryPackagePurpose"] = "LIBRARY"
    if item.licence:
        package["licenseDeclared"] = item.licence
    if item.paths:
        package["sourceInfo"] = "found by " + ", ".join(map(readable, item.paths))
    if item.hashes:
        package["checksums"] = [
            {"algorithm": name.replace("-", ""), "checksumValue": value}
            for name, value in item.hashes
        ]
    if item.purl:
        package["externalRefs"] = [_purl(item.purl)]
    return package


def _common(identifier: str, name: str, version: str) -> dict[str, Any]:
    return {
        "SPDXID": identifier,
        "name": name,
        "versionInfo": version,
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _relationships(bill: Bill) -> list[dict[str, str]]:
    ids = {item.reference: _item_id(item) for item in bill.items}
    names = _layers(bill)
    found = [("SPDXRef-DOCUMENT", "DESCRIBES", _IMAGE)]
    found += [(_IMAGE, "CONTAINS", _layer_id(name)) for name in names]
    found += sorted(
        (_layer_id(item.layer) if item.layer in names else _IMAGE, "CONTAINS", ids[item.reference])
        for item in bill.items
    )
    found += [
        (ids[source], "DEPENDS_ON", ids[target])
        for source, targets in bill.dependencies.items()
        for target in targets
    ]
    return [
        {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}
        for source, kind, target in found
    ]


def _item_id(item: Item) -> str:
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", item.name).strip("-")
    return f"SPDXRef-{item.type}-{name}-{short(item.reference)}"


def _layer_id(name: str) -> str:
    return f"SPDXRef-Layer-{name}"


def _purl(purl: str) -> dict[str, str]:
    return {
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": purl,
    }


def _sha256(digest: str) -> dict[str, str]:
    return {"algorithm": "SHA256", "checksumValue": digest.removeprefix("sha256:")}
