"""What others make of our images: skopeo, umoci, runc, GNU tar and the engine read them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from exports import export

from rootfs_ansible.model.image import Image, ImageConfig
from rootfs_ansible.pack import (
    docker_archive,
    link,
    pack,
    write_directory,
    write_oci_archive,
    write_tar,
)
from rootfs_ansible.store import Store

EPOCH = 1_700_000_000
LAYERS = ("runtime", "app")
CAPABILITY = "0100000200200000000000000000000000000000"  # cap_net_raw=ep
TREE = f"""
runtime /etc             dir 0755
runtime /etc/passwd      file 0644 app:x:65532:65532::/app:
runtime /etc/first       file 0640 1000:1001 first
runtime /etc/second      = /etc/first
runtime /etc/capable     file 0755 0:0 security.capability={CAPABILITY} ping
runtime /lib             -> usr/lib
runtime /usr             dir 0755
runtime /usr/lib         dir 0755
runtime /usr/lib/{"l" * 120} file 0644 long
app     /app             dir 0750 65532:65532
app     /app/Grüße       file 0644 65532:65532 umlauts
app     /tmp             dir 1777
"""
PROGRAM = """
#include <stdio.h>
#include <unistd.h>
int main(void) {
    FILE *file = fopen("/app/Gr\\303\\274\\303\\237e", "r");
    char text[16] = "";
    if (file) fgets(text, sizeof text, file);
    printf("%s as %d\\n", text, (int) getuid());
    return 0;
}
"""
SAID = "umlauts as 65532\n"


@dataclass(frozen=True)
class Packed:
    store: Store
    image: Image


def packed(directory: Path, name: str, more: str = "") -> Packed:
    """An image of a static program; ``more`` are further lines of its tree."""
    source = directory / "program.c"
    source.write_text(PROGRAM)
    program = directory / "program"
    subprocess.run(["gcc", "-static", "-Os", "-s", "-o", program, source], check=True)
    exported = export(
        directory / "exported",
        TREE + more,
        epoch=EPOCH,
        contents={"app /app/program": (0o755, program.read_bytes())},
    )
    store = Store(directory / "store")
    store.admit(exported.fragment, exported.directory, EPOCH)
    config = ImageConfig(
        command=("/app/program",),
        environment=(("PATH", "/app"),),
        working_directory="/app",
        labels=(("org.opencontainers.image.title", "peers"),),
    )
    image = pack(store, link([exported.fragment], LAYERS), config, name, EPOCH)
    store.put_ref(image.name, store.descriptor(image.digest))
    return Packed(store, image)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return packed(tmp_path_factory.mktemp("peers"), "rootfs-peers:1")


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, text=True, capture_output=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return str(done.stdout)


# --- skopeo ---


@pytest.fixture
def oci_archive(ours: Packed, tmp_path: Path) -> Path:
    write_oci_archive(ours.store, ours.image, tmp_path / "image.oci")
    return tmp_path / "image.oci"


@pytest.mark.parametrize("form", ["oci", "oci-archive"])
def test_skopeo_reads_the_layout_and_the_archive(
    ours: Packed, oci_archive: Path, form: str
) -> None:
    place = ours.store.directory if form == "oci" else oci_archive
    source = f"{form}:{place}:{ours.image.name}"
    found = json.loads(run("skopeo", "inspect", source))
    assert found["Digest"] == ours.image.digest
    assert found["Layers"] == list(ours.image.digests)
    assert found["Created"] == "2023-11-14T22:13:20Z"
    config = json.loads(run("skopeo", "inspect", "--config", source))
    assert config["config"]["Cmd"] == ["/app/program"]


@pytest.mark.parametrize("target", ["docker-archive", "oci", "dir"])
def test_skopeo_copies_it_to_other_forms(ours: Packed, tmp_path: Path, target: str) -> None:
    source = f"oci:{ours.store.directory}:{ours.image.name}"
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    place = f"{target}:{tmp_path / 'copy'}"
    run("skopeo", "--policy", policy, "copy", source, place)
    config = json.loads(run("skopeo", "inspect", "--config", place))
    assert config["rootfs"]["diff_ids"] == list(ours.image.digests)


def test_skopeo_reads_the_engines_archive(ours: Packed, tmp_path: Path) -> None:
    path = archive(ours, tmp_path / "image.tar")
    config = json.loads(run("skopeo", "inspect", "--config", f"docker-archive:{path}"))
    assert config["rootfs"]["diff_ids"] == list(ours.image.digests)


def archive(ours: Packed, path: Path, known: tuple[str, ...] = ()) -> Path:
    with path.open("wb") as file:
        file.writelines(docker_archive(ours.store, ours.image, [known]))
    return path


# --- umoci and runc ---


@pytest.fixture
def bundle(ours: Packed, tmp_path: Path) -> Path:
    run(
        "umoci",
        "unpack",
        "--image",
        f"{ours.store.directory}:{ours.image.name}",
        tmp_path / "bundle",
    )
    return tmp_path / "bundle"


def test_umoci_unpacks_it_as_we_do(ours: Packed, bundle: Path, tmp_path: Path) -> None:
    write_directory(ours.store, ours.image, tmp_path / "root")
    assert described(bundle / "rootfs") == described(tmp_path / "root")


def described(root: Path) -> dict[str, tuple[object, ...]]:
    """Every path below ``root`` with all that its file system says of it."""
    found: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(root))] = (
            oct(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime,
            status.st_nlink if path.is_file() else 0,
            path.readlink() if path.is_symlink() else "",
            path.read_bytes() if path.is_file() and not path.is_symlink() else b"",
            [
                (name, os.getxattr(path, name, follow_symlinks=False))
                for name in sorted(os.listxattr(path, follow_symlinks=False))
            ],
        )
    return found


def test_umoci_collects_none_of_the_documents(ours: Packed, tmp_path: Path) -> None:
    """They are no image, and only the index leads to them."""
    layout = shutil.copytree(ours.store.directory, tmp_path / "layout")
    (layout / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"of nothing")
    run("umoci", "gc", "--layout", layout)
    assert run("umoci", "list", "--layout", layout).split() == [ours.image.name]
    kept = Store(layout)
    assert not kept.has("sha256:" + "0" * 64, 10)
    for kind in ("application/spdx+json", "application/vnd.cyclonedx+json"):
        document = kept.artifact(ours.image.digest, kind)
        assert document
        assert document == ours.store.artifact(ours.image.digest, kind)
    assert kept.artifact(ours.image.digest, "application/vnd.in-toto+json") is None


def test_runc_runs_it(bundle: Path) -> None:
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["terminal"] = False
    config["root"]["readonly"] = True
    (bundle / "config.json").write_text(json.dumps(config))
    name = f"rootfs-peers-{uuid.uuid4().hex[:8]}"
    state = bundle.parent / "state"
    assert run("runc", "--root", state, "run", "--bundle", bundle, name) == SAID


# --- GNU tar and Python ---


def test_gnu_tar_unpacks_the_tar_as_we_do(ours: Packed, tmp_path: Path) -> None:
    write_tar(ours.store, ours.image, tmp_path / "root.tar")
    (tmp_path / "theirs").mkdir()
    command = ["tar", "-C", tmp_path / "theirs", "--xattrs", "--xattrs-include=*", "-p"]
    run(*command, "--numeric-owner", "-xf", tmp_path / "root.tar")
    write_directory(ours.store, ours.image, tmp_path / "ours")
    assert described(tmp_path / "theirs") == described(tmp_path / "ours")


def test_python_reads_every_archive(ours: Packed, oci_archive: Path, tmp_path: Path) -> None:
    write_tar(ours.store, ours.image, tmp_path / "root.tar")
    for path in (tmp_path / "root.tar", oci_archive, archive(ours, tmp_path / "image.tar")):
        with tarfile.open(path) as tar:
            members = tar.getmembers()
        assert members
        assert {(info.uname, info.gname) for info in members} == {("", "")}


# --- the engine ---


@pytest.fixture
def client(docker_host: str) -> Iterator[Client]:
    client = Client(docker_host)
    yield client
    client.remove_images()


class Client:
    """The engine as its own client shows it."""

    def __init__(self, docker_host: str) -> None:
        self._environment = {**os.environ, "DOCKER_HOST": docker_host}
        self._names: list[str] = []

    def load(self, path: Path, name: str) -> str:
        self._names.append(name)
        return self.run("load", "--input", str(path))

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            env=self._environment,
            text=True,
            capture_output=True,
        )
        return done.stdout if done.returncode == 0 else f"{done.stdout}{done.stderr}"

    def image(self, name: str) -> dict[str, object]:
        found: list[dict[str, object]] = json.loads(self.run("image", "inspect", name))
        return found[0]

    def remove_images(self) -> None:
        for name in dict.fromkeys(self._names):
            self.run("image", "rm", "--force", name)


RUN = ("run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none")


@pytest.mark.engine
def test_the_engine_loads_and_runs_it(client: Client, tmp_path: Path) -> None:
    name = f"rootfs-peers:{uuid.uuid4().hex}"
    ours = packed(tmp_path, name)
    client.load(archive(ours, tmp_path / "full.tar"), name)
    assert client.image(name)["Id"] == ours.image.config_digest
    assert client.image(name)["RootFS"] == {"Type": "layers", "Layers": list(ours.image.digests)}
    assert client.run(*RUN, name) == SAID


@pytest.mark.engine
def test_the_engine_loads_only_what_it_lacks(client: Client, tmp_path: Path) -> None:
    for directory in ("one", "two"):
        (tmp_path / directory).mkdir()
    first, second = (f"rootfs-peers:{uuid.uuid4().hex}" for _ in range(2))
    one = packed(tmp_path / "one", first, f"runtime /id file 0644 {first}")
    two = packed(
        tmp_path / "two", second, f"runtime /id file 0644 {first}\napp /app/new file 0644 new"
    )
    client.load(archive(one, tmp_path / "one.tar"), first)
    thin = archive(two, tmp_path / "thin.tar", one.image.digests)
    with tarfile.open(thin) as tar:
        blobs = [name for name in tar.getnames() if name.count("/") == 2]
    assert blobs == [f"blobs/sha256/{two.image.digests[1].removeprefix('sha256:')}"]
    client.load(thin, second)
    assert client.image(second)["Id"] == two.image.config_digest
    assert client.run(*RUN, second) == SAID


@pytest.mark.engine
def test_the_engine_refuses_a_thin_archive_of_what_it_never_had(
    client: Client, tmp_path: Path
) -> None:
    name = f"rootfs-peers:{uuid.uuid4().hex}"
    ours = packed(tmp_path, name, f"runtime /id file 0644 {name}")
    client.load(archive(ours, tmp_path / "thin.tar", ours.image.digests[:1]), name)
    assert "No such image" in client.run("image", "inspect", name)
    client.load(archive(ours, tmp_path / "full.tar"), name)
    assert client.run(*RUN, name) == SAID


@pytest.mark.engine
def test_the_rootfs_tar_is_what_the_engine_imports(
    client: Client, ours: Packed, tmp_path: Path
) -> None:
    name = f"rootfs-peers:{uuid.uuid4().hex}"
    write_tar(ours.store, ours.image, tmp_path / "root.tar")
    client.load(archive(ours, tmp_path / "image.tar"), ours.image.name)
    client.run("import", "--change", "USER 65532", str(tmp_path / "root.tar"), name)
    assert client.run(*RUN, name, "/app/program") == SAID
    client.run("image", "rm", name)
