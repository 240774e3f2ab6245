"""The image of examples/node-web: what it answers, how it stops, and what it is made of."""

from __future__ import annotations

import hashlib
import json
import posixpath
import subprocess
import tarfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from scans import of_files, said, scanned
from services import ENGINE_OWN, UNWANTED, Docker, Rootfs, Service, serving
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from rootfs_ansible.model.manifest import Fragment, Kind

CHECKOUT = Path(__file__).resolve().parents[2]

if TYPE_CHECKING:
    from tests.integration.conftest import Commands

pytestmark = pytest.mark.engine

STRUCTURE = Path(__file__).with_name("node-web.structure.yaml")
AT = "2024-02-29T12:00:00Z"
SYSTEM_STORE = "/etc/ssl/certs/ca-certificates.crt"

TLS_SERVER = """
require('https').createServer({ key: process.env.KEY, cert: process.env.CERT },
  (request, response) => response.end('hello')).listen(8443)
process.on('SIGTERM', () => process.exit())
"""


# --- fixtures ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(built_example: dict[str, Any]) -> str:
    return str(built_example["image"])


@pytest.fixture(scope="module")
def config(docker: Docker, image: str) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]["Config"]
    return described


@pytest.fixture(scope="module")
def locked(config: dict[str, Any]) -> list[str]:
    """How it runs in production: nothing writable but what the image declares, no privilege."""
    uid = config["User"].split(":")[0]
    return [
        "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
        "--publish=127.0.0.1::8080",
        *(f"--tmpfs={volume}:uid={uid}" for volume in config["Volumes"]),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def manifest(built_example: dict[str, Any]) -> Fragment:
    return Fragment.from_json(json.loads(Path(built_example["manifest"]).read_text()))


@pytest.fixture(scope="module")
def archive(docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return docker.write(["save", image], tmp_path_factory.mktemp("save") / "image.tar")


# --- what it answers -----------------------------------------------------------------------------


def test_the_service_runs_as_an_account_that_is_not_root(
    service: Service, config: dict[str, Any]
) -> None:
    assert config["User"] == "65532:65532"
    assert service.json("/")["runtime"]["user"] == 65532


def test_the_root_cannot_be_written_to(docker: Docker, image: str, locked: list[str]) -> None:
    write = "require('fs').writeFileSync(process.argv[1], '')"
    for path, code in {"/app/new": 1, "/etc/passwd": 1, "/data/new": 0}.items():
        with docker.running(*locked, image, "node", "-e", write, path) as container:
            assert docker("wait", container) == str(code), path


def test_text_is_drawn_with_a_real_font(service: Service) -> None:
    drawing = service.json("/")["drawing"]
    assert (drawing["letters"], drawing["distinct"]) == (26, 26)
    assert 800 < drawing["ink"] < 1200
    assert service.get("/chart.png").startswith(b"\x89PNG\r\n")


def test_dates_and_numbers_are_written_for_their_place(service: Service) -> None:
    facts = service.json(f"/?at={AT}&number=1234567.89")
    assert facts["time"] == {
        "utc": "2024-02-29T12:00:00.000Z",
        "kathmandu": "Thursday, 29 February 2024 at 17:45",
        "berlin": "Donnerstag, 29. Februar 2024 um 13:00",
        "process": "Thursday, 29 February 2024 at 17:45",
        "database": "2024-02-29 17:45:00",
    }
    assert facts["number"] == {"german": "1.234.567,89", "hindi": "12,34,567.89"}


def test_visits_are_counted(service: Service) -> None:
    first = service.json("/")["visits"]
    assert service.json("/")["visits"] == first + 1


def test_visits_outlive_the_container(docker: Docker, image: str) -> None:
    volume = docker("volume", "create")
    try:
        arguments = ["--read-only", "--publish=127.0.0.1::8080", f"--volume={volume}:/data", image]
        for visits in (1, 2):
            with serving(docker, *arguments) as service:
                assert service.json("/")["visits"] == visits
                docker.stop(service.container)
    finally:
        docker("volume", "rm", "--force", volume)


@dataclass(frozen=True)
class Authority:
    """A TLS server that only one authority vouches for."""

    network: str
    url: str
    certificate: Path


@pytest.fixture(scope="module")
def authority(
    docker: Docker, image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Authority]:
    issuer_key, issuer = certify("a test authority", None)
    key, leaf = certify("tls-server", (issuer_key, issuer))
    certificate = tmp_path_factory.mktemp("authority") / "ca.pem"
    certificate.write_bytes(pem(issuer))
    network = f"rootfs-test-{uuid.uuid4().hex[:12]}"
    docker("network", "create", network)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server = [
        f"--network={network}", "--network-alias=tls-server", f"--env=KEY={secret.decode()}",
        f"--env=CERT={pem(leaf).decode()}", image, "node", "-e", TLS_SERVER,
    ]  # fmt: skip
    try:
        with docker.running(*server):
            yield Authority(network, "https://tls-server:8443/", certificate)
    finally:
        docker("network", "rm", network)


def certify(
    name: str, issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, by = (key, subject) if issuer is None else (issuer[0], issuer[1].subject)
    now = datetime.now(UTC)
    return key, (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer, hashes.SHA256())
    )


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"authorized": False, "error": "UNABLE_TO_VERIFY_LEAF_SIGNATURE"}),
        (
            ["--volume={ca}:/ca.pem:ro", "--env=NODE_EXTRA_CA_CERTS=/ca.pem"],
            {"status": 200, "authorized": True, "protocol": "TLSv1.3"},
        ),
        (
            [f"--volume={{ca}}:{SYSTEM_STORE}:ro"],
            {"status": 200, "authorized": True, "protocol": "TLSv1.3"},
        ),
    ],
    ids=["an authority nobody knows", "an authority of the service", "one of the system store"],
)
def test_outgoing_tls_trusts_the_system_store_and_what_it_is_told_to(
    docker: Docker,
    image: str,
    locked: list[str],
    authority: Authority,
    arguments: list[str],
    expected: dict[str, Any],
) -> None:
    mounts = [argument.format(ca=authority.certificate) for argument in arguments]
    network = f"--network={authority.network}"
    with serving(docker, *locked, network, *mounts, image) as service:
        assert service.json(f"/fetch?url={authority.url}") == {"url": authority.url, **expected}


def test_the_system_store_names_the_authorities_of_the_world(shipped: Rootfs) -> None:
    assert shipped.content(SYSTEM_STORE).count(b"BEGIN CERTIFICATE") > 100


# --- how it stops --------------------------------------------------------------------------------


def test_the_service_stops_when_asked(docker: Docker, image: str, locked: list[str]) -> None:
    with serving(docker, *locked, image) as service:
        assert docker.stop(service.container) == 0
        assert "SIGTERM: answering what is open, then leaving" in docker("logs", service.container)


def test_a_service_without_a_handler_stops_too(
    docker: Docker, commands: Commands, app: Callable[..., Path]
) -> None:
    server = "require('http').createServer().listen(8080, () => console.log('up'))"
    package = {"name": "no-handler", "version": "1.0.0", "scripts": {"start": "node server.js"}}
    built = commands.build(app(package, {"server.js": server}, "no-handler"))
    with docker.running("--read-only", "--cap-drop=ALL", built["image"]) as container:
        deadline = time.monotonic() + 60
        while "up" not in docker("logs", container):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert docker.stop(container) == 128 + 15


# --- what it is made of --------------------------------------------------------------------------


@pytest.mark.parametrize("what", UNWANTED)
def test_there_is_no_program_that_production_has_no_use_for(shipped: Rootfs, what: str) -> None:
    assert shipped.programs() & UNWANTED[what] == set()


@pytest.mark.parametrize(
    "trace",
    [
        ".ansible", "ansible_", "/run/rootfs", "/var/lib/apt", "/var/cache/apt",
        "/var/lib/dpkg/info", "/var/lib/dpkg/status", "/usr/include/", "/usr/lib/python3",
        "/.npm/", "/.cache/", "/node_modules/pngjs/", "/obj.target/",
    ],
)  # fmt: skip
def test_nothing_tells_of_how_it_was_built(shipped: Rootfs, trace: str) -> None:
    assert [
        path
        for path in shipped.members
        if trace in f"{path}/" and not path.startswith("/var/lib/dpkg/status.d")
    ] == []


def test_no_file_names_the_place_of_the_build_s_secrets(shipped: Rootfs) -> None:
    assert [path for path in shipped.files() if b"/run/rootfs" in shipped.content(path)] == []


def test_no_sources_and_objects_of_the_addons_are_left(shipped: Rootfs) -> None:
    leftovers = (".o", ".a", ".c", ".cc", ".cpp", ".gyp", ".gypi", ".mk")
    addons = ("/app/node_modules/better-sqlite3/", "/app/node_modules/canvas/")
    kept = [path for path in shipped.files() if path.startswith(addons)]
    assert [path for path in kept if path.endswith(".node")]
    assert [path for path in kept if path.endswith(leftovers)] == []


def test_no_file_runs_as_its_owner(shipped: Rootfs) -> None:
    assert [path for path in shipped.files() if shipped.members[path].mode & 0o6000] == []


def test_nothing_is_world_writable_but_tmp(shipped: Rootfs) -> None:
    writable = {
        path: f"{member.mode:04o}"
        for path, member in shipped.members.items()
        if not member.issym() and member.mode & 0o002
    }
    assert {path: mode for path, mode in writable.items() if path != "/tmp"} == {}
    assert writable.get("/tmp", "1777") == "1777"


def test_the_manifest_is_the_tree(shipped: Rootfs, manifest: Fragment) -> None:
    recorded = {
        str(entry.path): (
            str(entry.kind), entry.mode, entry.uid, entry.gid, entry.link, entry.sha256,
        )
        for entry in manifest.entries
        if str(entry.path) not in ENGINE_OWN | {"/"}
    }  # fmt: skip
    assert {path: described(shipped, path) for path in shipped.members} == recorded


def described(rootfs: Rootfs, path: str) -> tuple[str, int, int, int, str, str]:
    member = rootfs.members[path]
    owner = (member.uid, member.gid)
    if member.isdir():
        return (Kind.DIRECTORY, member.mode, *owner, "", "")
    if member.issym():
        return (Kind.SYMLINK, member.mode, *owner, member.linkname, "")
    return (Kind.FILE, member.mode, *owner, "", hashlib.sha256(rootfs.content(path)).hexdigest())


def test_an_edge_explains_every_path(manifest: Fragment) -> None:
    explained = {edge.target for edge in manifest.edges}
    assert [str(entry.path) for entry in manifest.entries if str(entry.path) not in explained] == []


def test_every_path_has_one_owner(archive: Path) -> None:
    owners: Counter[str] = Counter()
    directories: dict[str, set[tuple[int, int, int]]] = {}
    with tarfile.open(archive) as outer:
        saved = json.load(outer.extractfile("manifest.json") or pytest.fail("no manifest"))
        for name in saved[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                for member in layer:
                    if member.isdir():
                        look = (member.mode, member.uid, member.gid)
                        directories.setdefault(member.name, set()).add(look)
                    else:
                        owners[member.name] += 1
    assert [path for path, count in owners.items() if count > 1] == []
    assert {path: looks for path, looks in directories.items() if len(looks) > 1} == {}


def test_the_layers_are_the_four_of_the_design(built_example: dict[str, Any]) -> None:
    assert [layer["name"] for layer in built_example["layers"]] == [
        "runtime", "system", "dependencies", "app",
    ]  # fmt: skip


def test_every_package_has_its_licence_and_its_record(shipped: Rootfs, manifest: Fragment) -> None:
    for package in manifest.packages:
        record = shipped.content(f"/var/lib/dpkg/status.d/{package.name}").decode()
        assert f"Package: {package.name}\n" in record
        assert f"Version: {package.version}\n" in record
        assert shipped.exists(f"/usr/share/doc/{package.name}/copyright"), package.name


def test_a_scanner_sees_what_we_say_is_there_and_nothing_else(
    archive: Path, shipped: Rootfs, manifest: Fragment
) -> None:
    seen = scanned(archive)
    assert of_files(seen) == of_files(said(manifest))
    assert set(seen) == {"deb", "npm"}
    assert said(manifest)["npm"] == npm_packages(shipped) | OWN
    assert "pngjs" not in {name for name, _ in seen["npm"]}


OWN = {("node-web", "1.0.0"), ("beep-boop", "1.2.3")}
"""The app, and what a package ships among its examples: both say of themselves what they are, and
no lock file pins them."""


def test_the_sums_of_packages_are_those_of_their_files(shipped: Rootfs, manifest: Fragment) -> None:
    """Each in the layer that has the record, but for configuration, which dpkg sums nowhere."""
    entries = {str(entry.path): entry for entry in manifest.entries}
    summed = set()
    for package in manifest.packages:
        path = f"/var/lib/dpkg/status.d/{package.name}.md5sums"
        if path not in shipped.members:
            continue
        for line in shipped.content(path).decode().splitlines():
            digest, name = line.split("  ")
            assert hashlib.md5(shipped.content(f"/{name}")).hexdigest() == digest, name
            assert entries[f"/{name}"].package == package.name
            summed.add(f"/{name}")
    unsummed = {
        path
        for path, entry in entries.items()
        if entry.kind is Kind.FILE
        and entry.hardlink is None
        and entry.package
        and entry.layer == next(p.layer for p in manifest.packages if p.name == entry.package)
        and path not in summed
    }
    assert len(summed) > 500
    assert {path for path in unsummed if not path.startswith("/etc/")} <= MADE


MADE = {
    "/usr/lib/x86_64-linux-gnu/gdk-pixbuf-2.0/2.10.0/loaders.cache",
    "/usr/share/mime/mime.cache",
}
"""What scripts of packages make, which no archive has a sum of."""


def test_the_bills_of_materials_and_the_provenance_are_in_the_layout(
    commands: Commands, built_example: dict[str, Any], manifest: Fragment, tmp_path: Path
) -> None:
    """Also of an image that was not built anew."""
    digest = built_example["digest"]
    printed = {}
    for words in ("sbom", "sbom --format cyclonedx", "provenance"):
        by_name = commands.run("rootfs-ansible", *words.split(), "node-web")
        assert by_name.returncode == 0, by_name.stderr
        assert by_name.stdout == commands.run("rootfs-ansible", *words.split(), digest).stdout
        printed[words] = by_name.stdout
    (tmp_path / "image.spdx.json").write_text(printed["sbom"])
    spdx = parse_file(str(tmp_path / "image.spdx.json"))
    assert validate_full_spdx_document(spdx) == []
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(printed["sbom --format cyclonedx"]) is None
    statement = json.loads(printed["provenance"])
    assert statement["subject"][0]["digest"] == {"sha256": digest.removeprefix("sha256:")}
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    lock = Path(CHECKOUT, "examples/node-web/package-lock.json").read_bytes()
    assert {"sha256": hashlib.sha256(lock).hexdigest()} in [item.get("digest") for item in inputs]
    unpinned = {item["uri"] for item in inputs if not item.get("digest")}
    assert unpinned == {f"pkg:npm/{name}@{version}" for name, version in OWN}
    assert len(inputs) > len(manifest.packages) + len(said(manifest)["npm"])
    assert [text for text in printed.values() if str(CHECKOUT) in text] == []


def npm_packages(rootfs: Rootfs) -> set[tuple[str, str]]:
    """The packages that lie in a node_modules directory, with their versions."""
    found = set()
    for path in rootfs.files():
        directory, name = posixpath.split(path)
        above = directory.split("/")
        if name != "package.json" or "node_modules" not in above[-3:-1]:
            continue
        if above[-2] != "node_modules" and not above[-2].startswith("@"):
            continue
        document = json.loads(rootfs.content(path))
        found.add((document["name"], document["version"]))
    return found


def test_the_structure_is_as_promised(archive: Path) -> None:
    tested = subprocess.run(
        ["container-structure-test", "test", "--driver", "tar",
         "--image", str(archive), "--config", str(STRUCTURE)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
