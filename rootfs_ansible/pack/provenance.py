"""How an image came about, as SLSA's provenance v1 has it: from which inputs, each by its digest.

https://slsa.dev/spec/v1.0/provenance, as a statement of
https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rootfs_ansible import __version__
from rootfs_ansible.pack.sbom import Bill

MEDIA_TYPE = "application/vnd.in-toto+json"

KEY = "rootfsKeyV1"
"""The algorithm of digests that are of no single file: docs/architecture.md (Keys) has it."""

_BUILD_TYPE = "urn:rootfs-ansible:build:v1"
_BUILDER = "pkg:pypi/rootfs-ansible"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What an image was made from.

    ``key`` is its own, ``parameters`` what a user decided, ``inputs`` the keys of all that the
    build took from the controller, and of the images it was made in, by name; ``locks`` the
    SHA-256 of the files that pin what it fetched.
    """

    key: str
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    locks: Mapping[str, str]


def statement(bill: Bill, made: Provenance) -> dict[str, Any]:
    """Return the statement about an image: same inputs, same statement, so no times are in it.

    Resolved dependencies are what the controller gave, by its key; then the packages and the
    components that are shipped, with the digest that a lock file pinned them by where there is one.
    """
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": bill.name, "digest": _digest(bill.digest)}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": dict(made.parameters),
                "internalParameters": {"architecture": bill.architecture, "epoch": bill.epoch},
                "resolvedDependencies": [
                    *(
                        {"name": name, "digest": {KEY: key}}
                        for name, key in sorted(made.inputs.items())
                    ),
                    *(
                        {"name": f"lock {name}", "digest": {"sha256": digest}}
                        for name, digest in sorted(made.locks.items())
                    ),
                    *_shipped(bill),
                ],
            },
            "runDetails": {
                "builder": {"id": _BUILDER, "version": {"rootfs-ansible": __version__}},
                "metadata": {"invocationId": made.key},
                "byproducts": [
                    {"name": f"layer {layer.name}", "digest": _digest(layer.digest)}
                    for layer in bill.layers
                ],
            },
        },
    }


def _shipped(bill: Bill) -> list[dict[str, Any]]:
    found = []
    for item in bill.items:
        if item.purl:
            described: dict[str, Any] = {"uri": item.purl, "name": f"{item.name} {item.version}"}
            if item.hashes:
                described["digest"] = {
                    name.replace("-", "").lower(): value for name, value in item.hashes
                }
            found.append(described)
    return found


def _digest(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}
