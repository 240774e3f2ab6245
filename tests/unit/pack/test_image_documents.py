"""Bills of materials and provenance: what they say, that they are valid, and where they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from exports import export
from packageurl import PackageURL
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
from spdx_tools.spdx.writer.write_anything import write_file

from rootfs_ansible.cli import main
from rootfs_ansible.errors import InputError
from rootfs_ansible.model.component import Component
from rootfs_ansible.model.image import Image, ImageConfig
from rootfs_ansible.model.manifest import Edge, EdgeKind, Package
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack import link, pack
from rootfs_ansible.pack.cyclonedx import cyclonedx
from rootfs_ansible.pack.documents import provenance_of
from rootfs_ansible.pack.image import read_bill
from rootfs_ansible.pack.provenance import Provenance
from rootfs_ansible.pack.sbom import Bill, package_url
from rootfs_ansible.pack.spdx import spdx
from rootfs_ansible.store import Store

EPOCH = 1_700_000_000
LAYERS = ("runtime", "system", "dependencies", "app")
NAME = "registry.example:5000/team/web:1.0"
TREE = """
runtime      /etc                              dir 0755
runtime      /usr                              dir 0755
runtime      /usr/lib                          dir 0755
runtime      /usr/lib/libc.so.6                file 0644 c
system       /usr/lib/libcairo.so.2            file 0644 cairo
dependencies /app                              dir 0755
dependencies /app/node_modules                 dir 0755
dependencies /app/node_modules/@team           dir 0755
dependencies /app/node_modules/@team/canvas    dir 0755
dependencies /app/node_modules/@team/canvas/build.node file 0644 addon
app          /app/server                       file 0755 program
"""
CONTENTS = {
    "runtime /etc/os-release": b"ID=debian\nVERSION_ID=13\n",
    "dependencies /app/node_modules/@team/canvas/package.json": json.dumps(
        {"name": "@team/canvas", "version": "3.0.0-rc.1+x", "license": "SEE LICENSE"}
    ).encode(),
}
ADDON = "/app/node_modules/@team/canvas/build.node"
EDGES = [
    Edge(ADDON, "/usr/lib/libcairo.so.2", EdgeKind.ELF, "libcairo.so.2"),
    Edge("/usr/lib/libcairo.so.2", "/usr/lib/libc.so.6", EdgeKind.ELF, "libc.so.6"),
    Edge("/app/server", "/usr/lib/libc.so.6", EdgeKind.ELF, "libc.so.6"),
]
NAMED = [
    Component("hackage", name, version, (ImagePath("/app/server"),), licence="BSD-3-Clause")
    for name, version in (("aeson", "2.1.2.1"), ("text", "2.0.2"))
] + [
    Component(
        "npm", "@team/canvas", "3.0.0-rc.1+x",
        (ImagePath("/app/node_modules/@team/canvas/package.json"),),
        integrity=f"sha512-{'A' * 86}==",
    )
]  # fmt: skip
MADE = Provenance(
    key="f" * 64,
    parameters={"stack": "node", "options": {"rootfs_user": "65532:65532"}},
    inputs={"sources": "a" * 64, "role stack_node": "b" * 64},
    locks={"package-lock.json": "c" * 64},
)
LIBC = "pkg:deb/debian/libc6@2.41-12%2Bdeb13u5?arch=amd64&distro=debian-13&upstream=glibc"
CAIRO = "pkg:deb/debian/libcairo2@1:1.18.4-1?arch=amd64&distro=debian-13&upstream=cairo"
CANVAS = "pkg:npm/%40team/canvas@3.0.0-rc.1%2Bx"


def packed(
    directory: Path, name: str = NAME, made: Provenance | None = MADE
) -> tuple[Store, Image]:
    exported = export(
        directory / "exported",
        TREE,
        epoch=EPOCH,
        packages=[
            Package("libc6", "2.41-12+deb13u5", "amd64", "glibc", "runtime", sha256="d" * 64),
            Package("libcairo2", "1:1.18.4-1", "amd64", "cairo", "system"),
        ],
        owners={"/usr/lib/libc.so.6": "libc6", "/usr/lib/libcairo.so.2": "libcairo2"},
        contents={name: (0o644, content) for name, content in CONTENTS.items()},
    )
    fragment = replace(exported.fragment, edges=(*exported.fragment.edges, *EDGES))
    store = Store(directory / "store")
    store.admit(fragment, exported.directory, EPOCH)
    config = ImageConfig(command=("/app/server",))
    linked = link([fragment], LAYERS)
    image = pack(store, linked, config, name, EPOCH, named=NAMED, made=made)
    store.put_ref(name, store.descriptor(image.digest))
    return store, image


@pytest.fixture
def image(tmp_path: Path) -> tuple[Store, Image]:
    return packed(tmp_path)


@pytest.fixture
def bill(image: tuple[Store, Image]) -> Bill:
    return read_bill(image[0], NAME)


# --- what they say -------------------------------------------------------------------------------


def test_a_bill_lists_packages_and_components_with_their_urls(bill: Bill) -> None:
    assert {item.purl or item.reference: item.layer for item in bill.items} == {
        LIBC: "runtime",
        CAIRO: "system",
        CANVAS: "dependencies",
        "pkg:hackage/aeson@2.1.2.1": "app",
        "pkg:hackage/text@2.0.2": "app",
        "os:debian@13": "runtime",
    }


def test_edges_between_packages_are_dependencies(bill: Bill) -> None:
    # What a program is linked from with others has no edge of its own.
    assert bill.dependencies == {CAIRO: (LIBC,), CANVAS: (CAIRO,)}


@pytest.mark.parametrize(
    ("kind", "name", "version"),
    [
        ("deb", "debian/g++-14", "14.2.0-19~x"),
        ("npm", "@a/b", "1.0.0"),
        ("hackage", "Glob", "0.10"),
    ],
)
def test_a_package_url_is_read_as_it_was_meant(kind: str, name: str, version: str) -> None:
    read = PackageURL.from_string(package_url(kind, name, version, {"arch": "amd64", "x": ""}))
    assert (read.type, "/".join(filter(None, [read.namespace, read.name]))) == (kind, name)
    assert read.version == version
    assert read.qualifiers == {"arch": "amd64"}


def test_every_url_is_in_its_canonical_form(bill: Bill) -> None:
    urls = [bill.purl, *(item.purl for item in bill.items if item.purl)]
    assert [PackageURL.from_string(url).to_string() for url in urls] == urls


# --- SPDX ----------------------------------------------------------------------------------------


def test_spdx_is_valid_and_nothing_of_it_is_unknown(bill: Bill, tmp_path: Path) -> None:
    path, again = tmp_path / "image.spdx.json", tmp_path / "again.spdx.json"
    document = spdx(bill)
    path.write_text(json.dumps(document))
    read = parse_file(str(path))
    assert [message.validation_message for message in validate_full_spdx_document(read)] == []
    # The library writes what it has read: a field that it does not know is lost on the way.
    write_file(read, str(again), validate=False)
    # It writes PACKAGE_MANAGER, which the schema of 2.3 has as well.
    written = again.read_text().replace("PACKAGE_MANAGER", "PACKAGE-MANAGER")
    assert sortable(json.loads(written)) == sortable(document)


def sortable(value: Any) -> Any:
    """A document without the order of its lists; what it describes may be said in two ways."""
    if isinstance(value, dict):
        return {
            name: sortable(item)
            for name, item in value.items()
            if name not in ("documentDescribes", "filesAnalyzed")
        }
    if isinstance(value, list):
        items = [item for item in value if not is_description(item)]
        return sorted(
            (sortable(item) for item in items), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return value


def is_description(item: Any) -> bool:
    return isinstance(item, dict) and item.get("relationshipType") == "DESCRIBES"


def test_spdx_says_what_contains_and_what_needs_what(bill: Bill) -> None:
    document = spdx(bill)
    names = {item["SPDXID"]: item["name"] for item in document["packages"]}
    names["SPDXRef-DOCUMENT"] = "document"
    repository = "registry.example:5000/team/web"
    said = {
        (names[item["spdxElementId"]], item["relationshipType"], names[item["relatedSpdxElement"]])
        for item in document["relationships"]
    }
    assert said == {
        ("document", "DESCRIBES", repository),
        *((repository, "CONTAINS", f"layer {name}") for name in LAYERS),
        ("layer runtime", "CONTAINS", "debian"),
        ("layer runtime", "CONTAINS", "libc6"),
        ("layer system", "CONTAINS", "libcairo2"),
        ("layer dependencies", "CONTAINS", "@team/canvas"),
        ("layer app", "CONTAINS", "aeson"),
        ("layer app", "CONTAINS", "text"),
        ("libcairo2", "DEPENDS_ON", "libc6"),
        ("@team/canvas", "DEPENDS_ON", "libcairo2"),
    }
    canvas = next(item for item in document["packages"] if item["name"] == "@team/canvas")
    assert canvas["checksums"] == [{"algorithm": "SHA512", "checksumValue": "00" * 64}]
    assert canvas["licenseDeclared"] == "LicenseRef-SEE-LICENSE"
    assert document["creationInfo"]["created"] == "2023-11-14T22:13:20Z"


# --- CycloneDX -----------------------------------------------------------------------------------


def test_cyclonedx_is_valid_by_its_schema(bill: Bill) -> None:
    validator, document = JsonStrictValidator(SchemaVersion.V1_6), cyclonedx(bill)
    assert document["specVersion"] == "1.6"
    assert validator.validate_str(json.dumps(document)) is None
    document["components"][0]["unknown"] = True
    assert validator.validate_str(json.dumps(document)) is not None


def test_cyclonedx_says_layers_digests_and_needs(bill: Bill) -> None:
    document = cyclonedx(bill)
    components = {item["bom-ref"]: item for item in document["components"]}
    assert components[CANVAS] == {
        "type": "library",
        "bom-ref": CANVAS,
        "group": "@team",
        "name": "canvas",
        "version": "3.0.0-rc.1+x",
        "hashes": [{"alg": "SHA-512", "content": "00" * 64}],
        "licenses": [{"expression": "LicenseRef-SEE-LICENSE"}],
        "purl": CANVAS,
        "evidence": {"occurrences": [{"location": "/app/node_modules/@team/canvas/package.json"}]},
        "properties": [{"name": "rootfs:layer", "value": "dependencies"}],
    }
    assert components[LIBC]["hashes"] == [{"alg": "SHA-256", "content": "d" * 64}]
    assert components["os:debian@13"]["type"] == "operating-system"
    needs = {item["ref"]: item["dependsOn"] for item in document["dependencies"]}
    assert needs.pop(document["metadata"]["component"]["purl"]) == sorted(components)
    assert needs == {CAIRO: [LIBC], CANVAS: [CAIRO]}


# --- provenance ----------------------------------------------------------------------------------

DIGESTS = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}([0-9a-f]{64})?$"},
}
RESOURCE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "uri": {"type": "string", "format": "uri"},
        "digest": DIGESTS,
    },
    "additionalProperties": False,
    "anyOf": [{"required": ["uri"]}, {"required": ["digest"]}],
}
STATEMENT = {
    "type": "object",
    "required": ["_type", "subject", "predicateType", "predicate"],
    "additionalProperties": False,
    "properties": {
        "_type": {"const": "https://in-toto.io/Statement/v1"},
        "subject": {
            "type": "array",
            "minItems": 1,
            "items": {**RESOURCE, "required": ["name", "digest"]},
        },
        "predicateType": {"const": "https://slsa.dev/provenance/v1"},
        "predicate": {
            "type": "object",
            "required": ["buildDefinition", "runDetails"],
            "additionalProperties": False,
            "properties": {
                "buildDefinition": {
                    "type": "object",
                    "required": ["buildType", "externalParameters"],
                    "additionalProperties": False,
                    "properties": {
                        "buildType": {"type": "string", "format": "uri"},
                        "externalParameters": {"type": "object"},
                        "internalParameters": {"type": "object"},
                        "resolvedDependencies": {"type": "array", "items": RESOURCE},
                    },
                },
                "runDetails": {
                    "type": "object",
                    "required": ["builder"],
                    "additionalProperties": False,
                    "properties": {
                        "builder": {
                            "type": "object",
                            "required": ["id"],
                            "properties": {
                                "id": {"type": "string", "format": "uri"},
                                "version": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                            },
                        },
                        "metadata": {
                            "type": "object",
                            "properties": {"invocationId": {"type": "string"}},
                            "additionalProperties": False,
                        },
                        "byproducts": {"type": "array", "items": RESOURCE},
                    },
                },
            },
        },
    },
}
"""What the specifications of the statement and of the predicate ask for, less what has times."""


def test_the_provenance_is_a_statement_of_slsa_without_times(image: tuple[Store, Image]) -> None:
    store, made = image
    statement = json.loads(provenance_of(store, made.digest))
    jsonschema.Draft202012Validator(STATEMENT).validate(statement)
    assert statement["subject"] == [
        {"name": NAME, "digest": {"sha256": made.digest.removeprefix("sha256:")}}
    ]
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == MADE.parameters
    assert {
        item.get("uri", item["name"]): item.get("digest")
        for item in definition["resolvedDependencies"]
    } == {
        "sources": {"rootfsKeyV1": "a" * 64},
        "role stack_node": {"rootfsKeyV1": "b" * 64},
        "lock package-lock.json": {"sha256": "c" * 64},
        LIBC: {"sha256": "d" * 64},
        CAIRO: None,
        CANVAS: {"sha512": "00" * 64},
        "pkg:hackage/aeson@2.1.2.1": None,
        "pkg:hackage/text@2.0.2": None,
    }


def test_an_image_without_a_statement_says_what_to_do(tmp_path: Path) -> None:
    store, made = packed(tmp_path, made=None)
    with pytest.raises(InputError) as raised:
        provenance_of(store, made.digest)
    assert raised.value.hint.startswith("build it again")


# --- where they are ------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("write", "words"),
    [(spdx, []), (spdx, ["--format", "spdx"]), (cyclonedx, ["--format", "cyclonedx"])],
    ids=["by default", "spdx", "cyclonedx"],
)
def test_the_command_prints_what_the_store_has(
    image: tuple[Store, Image],
    capsys: pytest.CaptureFixture[str],
    write: Callable[[Bill], dict[str, Any]],
    words: list[str],
) -> None:
    store, made = image
    at = ["--store", str(store.directory)]
    printed = run(capsys, "sbom", NAME, *words, *at)
    assert json.loads(printed) == write(read_bill(store, NAME))
    # By its digest, and by the file of its manifest, it is the same image.
    assert run(capsys, "sbom", made.digest, *words, *at) == printed
    assert run(capsys, "sbom", str(made.manifest), *words, *at) == printed


def test_the_commands_write_files(
    image: tuple[Store, Image], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store, made = image
    at = ["--store", str(store.directory), "--output", str(tmp_path / "new" / "document.json")]
    for command in ("sbom", "provenance"):
        assert run(capsys, command, NAME, *at) == ""
    assert (tmp_path / "new" / "document.json").read_bytes() == (
        provenance_of(store, made.digest) + b"\n"
    )


def test_an_image_that_no_store_has_is_an_error(
    image: tuple[Store, Image], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("sbom", "provenance"):
        assert main([command, "nothing", "--store", str(image[0].directory)]) == 1
        assert "there is no image nothing:latest" in capsys.readouterr().err


def test_the_documents_are_artifacts_that_refer_to_the_image(image: tuple[Store, Image]) -> None:
    store, made = image
    index = json.loads((store.directory / "index.json").read_text())
    kinds = {}
    for item in index["manifests"]:
        manifest = json.loads(store.read_blob(item["digest"]))
        if "subject" in manifest:
            assert manifest["subject"]["digest"] == made.digest
            assert manifest["subject"]["size"] == store.descriptor(made.digest).size
            assert manifest["artifactType"] == item["artifactType"]
            assert store.read_blob(manifest["config"]["digest"]) == b"{}"
            (layer,) = manifest["layers"]
            kinds[item["artifactType"]] = json.loads(store.read_blob(layer["digest"]))
    assert kinds == {
        "application/spdx+json": spdx(read_bill(store, NAME)),
        "application/vnd.cyclonedx+json": cyclonedx(read_bill(store, NAME)),
        "application/vnd.in-toto+json": json.loads(provenance_of(store, made.digest)),
    }
    assert set(store.refs()) == {NAME}


def test_the_same_image_leaves_the_same_store_whenever_and_wherever(
    tmp_path: Path, image: tuple[Store, Image]
) -> None:
    (tmp_path / "other").mkdir()
    other, _ = packed(tmp_path / "other")
    packed(tmp_path / "other")

    def content(store: Store) -> dict[str, bytes]:
        return {
            str(path.relative_to(store.directory)): path.read_bytes()
            for path in sorted(store.directory.rglob("*"))
            if path.is_file() and "aside" not in path.parts
        }

    assert content(other) == content(image[0])


def test_documents_of_another_image_stay(tmp_path: Path, image: tuple[Store, Image]) -> None:
    store, made = image
    other = replace(MADE, key="e" * 64)
    linked = read_bill(store, NAME).manifest
    second = pack(store, linked, ImageConfig(command=("/other",)), "other:1", EPOCH, made=other)
    assert json.loads(provenance_of(store, made.digest))["subject"][0]["name"] == NAME
    assert json.loads(provenance_of(store, second.digest))["subject"][0]["name"] == "other:1"
