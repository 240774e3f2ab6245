"""An image in the store, and the forms it is handed out in, byte for byte."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from disks import small_disk
from exports import Export, export

from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.model.image import Image, ImageConfig
from rootfs_ansible.model.manifest import Candidate, Package
from rootfs_ansible.pack import (
    docker_archive,
    find_image,
    link,
    pack,
    shared_layers,
    summary,
    write_directory,
    write_oci_archive,
    write_tar,
)
from rootfs_ansible.store import Descriptor, Store

EPOCH = 1_700_000_000
LAYERS = ("runtime", "system", "dependencies", "app")
CAPABILITY = "0100000200200000000000000000000000000000"
TREE = """
runtime      /lib                  -> usr/lib
runtime      /usr                  dir 0755
runtime      /usr/bin              dir 0755
runtime      /usr/bin/ping         file 0755 0:0 security.capability={capability} icmp
runtime      /usr/lib              dir 0755
runtime      /usr/lib/libc.so.6    file 0644 libc
dependencies /app                  dir 0750 1000:1001
dependencies /app/node_modules     dir 0755
dependencies /app/node_modules/a   file 0644 1000:1001 a
dependencies /app/node_modules/b   = /app/node_modules/a
app          /app/Grüße-\udcff     file 0600 -
app          /app/index.js         file 0644 console.log(1)
app          /app/long             -> ../app/{long}
app          /tmp                  dir 1777
""".format(long="l" * 120, capability=CAPABILITY)
CONFIG = ImageConfig(
    entrypoint=("/usr/bin/tini", "--"),
    command=("/usr/bin/node", "index.js"),
    environment=(("NODE_ENV", "production"), ("TZ", "Europe/Berlin")),
    working_directory="/app",
    ports=("8080/tcp",),
    volumes=("/app/data",),
    labels=(("org.opencontainers.image.title", "web"),),
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def exported(tmp_path: Path) -> Export:
    packages = [Package("libc6", "2.41-12", "amd64", "glibc", "runtime")]
    return export(tmp_path / "exported", TREE, epoch=EPOCH, packages=packages)


@pytest.fixture
def image(store: Store, exported: Export) -> Image:
    return packed(store, exported)


def packed(store: Store, exported: Export, name: str = "web:1.0") -> Image:
    store.admit(exported.fragment, exported.directory, EPOCH)
    return pack(store, link([exported.fragment], LAYERS), CONFIG, name, EPOCH)


def test_the_configuration_is_oci(store: Store, image: Image) -> None:
    config = json.loads(store.read_blob(image.config_digest))
    assert config == {
        "architecture": "amd64",
        "os": "linux",
        "created": "2023-11-14T22:13:20Z",
        "config": {
            "Entrypoint": ["/usr/bin/tini", "--"],
            "Cmd": ["/usr/bin/node", "index.js"],
            "Env": ["NODE_ENV=production", "TZ=Europe/Berlin"],
            "WorkingDir": "/app",
            "User": "65532:65532",
            "ExposedPorts": {"8080/tcp": {}},
            "Volumes": {"/app/data": {}},
            "Labels": {"org.opencontainers.image.title": "web"},
        },
        "rootfs": {"type": "layers", "diff_ids": list(image.digests)},
        "history": [
            {"created": "2023-11-14T22:13:20Z", "created_by": f"rootfs-ansible: layer {name}"}
            for name in ("runtime", "dependencies", "app")
        ],
    }


def test_the_manifest_names_plain_layers_and_carries_the_labels(
    store: Store, image: Image, exported: Export
) -> None:
    manifest = json.loads(store.read_blob(image.digest))
    assert manifest["schemaVersion"] == 2
    assert manifest["config"]["digest"] == image.config_digest
    assert manifest["layers"] == [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.digest,
            "size": layer.size,
        }
        for layer in exported.fragment.layers
    ]
    assert manifest["annotations"] == {"org.opencontainers.image.title": "web"}


def test_the_result_counts_files_and_packages_by_layer(image: Image) -> None:
    assert [(layer.name, layer.files, layer.packages) for layer in image.layers] == [
        ("runtime", 3, 1),
        ("system", 0, 0),
        ("dependencies", 2, 0),
        ("app", 3, 0),
    ]
    assert image.layers[1].digest == ""
    assert image.size == sum(layer.size for layer in image.layers)
    data = image.to_json()
    assert {"image", "digest", "size", "layers", "manifest", "layout"} <= set(data)
    assert data["image"] == "web:1.0"
    assert json.loads(json.dumps(data)) == data


def test_the_manifest_file_says_everything(image: Image) -> None:
    manifest = json.loads(image.manifest.read_text(encoding="ascii"))
    assert {"entries", "edges", "packages", "omitted", "layers", "config"} <= set(manifest)
    ping = next(item for item in manifest["entries"] if item["path"] == "/usr/bin/ping")
    assert ping == {
        "path": "/usr/bin/ping",
        "kind": "file",
        "mode": "0755",
        "uid": 0,
        "gid": 0,
        "size": 4,
        "sha256": hashlib.sha256(b"icmp").hexdigest(),
        "layer": "runtime",
        "package": "",
        "xattrs": {"security.capability": CAPABILITY},
    }
    assert manifest["digest"] == image.digest


def test_the_same_inputs_give_the_same_bytes(
    store: Store, image: Image, exported: Export, tmp_path: Path
) -> None:
    other = Store(tmp_path / "elsewhere" / "store")
    again = packed(other, exported)
    assert (again.digest, again.config_digest) == (image.digest, image.config_digest)
    assert again.manifest.read_bytes() == image.manifest.read_bytes()
    assert b"".join(docker_archive(other, again)) == b"".join(docker_archive(store, image))
    for form in (write_oci_archive, write_tar):
        form(store, image, tmp_path / "one")
        os.umask(os.umask(0o077))
        form(other, again, tmp_path / "two")
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_image_is_found_by_its_digest_whoever_has_its_name(store: Store, image: Image) -> None:
    found = store.descriptor(image.digest)
    store.put_ref("web:1.0", Descriptor("sha256:" + "a" * 64, 1))
    assert find_image(Store(store.directory), "web:1.0", found) == image
    assert find_image(store, "web:2.0", found) == replace(image, name="web:2.0")
    assert find_image(store, "web:1.0", replace(found, size=1)) is None


@pytest.mark.parametrize("part", ["layer", "configuration", "image manifest", "manifest"])
def test_an_image_that_lacks_a_part_is_not_found(store: Store, image: Image, part: str) -> None:
    paths = {
        "layer": store.blob(image.digests[1]),
        "configuration": store.blob(image.config_digest),
        "image manifest": store.blob(image.digest),
        "manifest": image.manifest,
    }
    found = store.descriptor(image.digest)
    paths[part].write_bytes(b"{}")
    assert find_image(store, "web:1.0", found) is None


def test_a_layer_that_is_gone_is_an_error_that_names_it(store: Store, exported: Export) -> None:
    with pytest.raises(StoreError, match=r"layer runtime .* is missing or not whole"):
        pack(store, link([exported.fragment], LAYERS), CONFIG, "web:1.0", EPOCH)
    assert store.refs() == {}


@pytest.mark.parametrize("name", ["web", "Web:1", "web:", ":1", "a b:1", "web:-", "../web:1"])
def test_a_name_that_no_registry_takes_is_refused(
    store: Store, exported: Export, name: str
) -> None:
    with pytest.raises(InputError, match="not an image name"):
        packed(store, exported, name)


@pytest.mark.parametrize("name", ["web:1", "localhost:5000/team/web:latest", "a.b_c__d-e/f:T.1"])
def test_a_name_that_a_registry_takes_is_taken(store: Store, exported: Export, name: str) -> None:
    assert packed(store, exported, name).name == name


@pytest.mark.parametrize("epoch", [-1, 10**12])
def test_a_time_that_no_configuration_can_write_is_refused(
    store: Store, exported: Export, epoch: int
) -> None:
    with pytest.raises(InputError, match="not a time"):
        pack(store, link([exported.fragment], LAYERS), CONFIG, "web:1.0", epoch)


def test_the_summary_is_what_a_person_reads(image: Image) -> None:
    assert summary(image) == (
        "image   web:1.0\n"
        f"digest  {image.digest}\n"
        "\n"
        "layer            size  files  packages\n"
        "runtime       10.2 kB      3         1\n"
        "system            0 B      0         0\n"
        "dependencies  10.2 kB      2         0\n"
        "app           10.2 kB      3         0\n"
        "total         30.7 kB      8         1\n"
        "\n"
        "run it  docker run --rm --read-only --tmpfs /tmp --cap-drop ALL -p 8080:8080 web:1.0"
    )


@pytest.mark.usefixtures("image")
def test_the_summary_counts_what_binaries_name(store: Store, exported: Export) -> None:
    names = tuple(Candidate("/a", name, name) for name in ("/b", "/c"))
    manifest = link([replace(exported.fragment, candidates=names)], LAYERS)
    image = pack(store, manifest, CONFIG, "web:latest", 0)
    assert image.to_json()["candidates"] == 2
    assert "\nnames   2 not shipped: rootfs-ansible candidates web\nrun it" in summary(image)


# --- for the engine ---


def names(archive: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return tar.getnames()


def test_a_thin_archive_leaves_out_what_the_engine_has(store: Store, image: Image) -> None:
    full = b"".join(docker_archive(store, image))
    thin = b"".join(docker_archive(store, image, [[*image.digests[:2], "sha256:other"], []]))
    blobs = {f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in image.digests}
    assert blobs <= set(names(full))
    assert set(names(full)) - set(names(thin)) == {
        f"blobs/sha256/{digest.removeprefix('sha256:')}" for digest in image.digests[:2]
    }
    for archive in (full, thin):
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            file = tar.extractfile("manifest.json")
            assert file is not None
            manifest = json.load(file)
        assert manifest[0]["RepoTags"] == ["web:1.0"]
        assert len(manifest[0]["Layers"]) == 3


@pytest.mark.parametrize(
    ("engine", "shared"),
    [
        ([], 0),
        ([["a"]], 1),
        ([["b", "a"]], 0),
        ([["x"], ["a", "b"], ["a"]], 2),
        ([["a", "x", "c"]], 1),
        ([["a", "b", "c", "d"]], 3),
    ],
)
def test_only_layers_from_the_lowest_on_are_shared(engine: list[list[str]], shared: int) -> None:
    assert shared_layers(["a", "b", "c"], engine) == shared


# --- as a tar ---


def test_the_tar_holds_every_path_once_in_order(
    store: Store, image: Image, exported: Export, tmp_path: Path
) -> None:
    write_tar(store, image, tmp_path / "root.tar")
    with tarfile.open(tmp_path / "root.tar") as tar:
        found = [info.name for info in tar]
    expected = [entry.path.relative for entry in link([exported.fragment], LAYERS).entries]
    assert found == expected


def test_how_layers_are_cut_does_not_change_the_tar(
    store: Store, image: Image, tmp_path: Path
) -> None:
    for layer in ("runtime", "dependencies"):
        text = "\n".join(f"app {line.split(None, 1)[1]}" for line in TREE.strip().splitlines())
        one = export(tmp_path / layer, text, epoch=EPOCH)
    whole = packed(Store(tmp_path / "other"), one)
    write_tar(store, image, tmp_path / "three.tar")
    write_tar(Store(tmp_path / "other"), whole, tmp_path / "one.tar")
    assert (tmp_path / "three.tar").read_bytes() == (tmp_path / "one.tar").read_bytes()


def test_a_directory_of_two_layers_is_in_the_tar_once(store: Store, tmp_path: Path) -> None:
    text = (
        "system /opt dir 0755\nsystem /opt/a file 0644 a\napp /opt dir 0755\napp /opt/b file 0644 b"
    )
    exported = export(tmp_path / "exported", text.split("\napp")[0], epoch=EPOCH)
    other = export(tmp_path / "other", "app" + text.split("\napp", 1)[1], epoch=EPOCH)
    store.admit(exported.fragment, exported.directory, EPOCH)
    store.admit(other.fragment, other.directory, EPOCH)
    linked = link([other.fragment, exported.fragment], LAYERS)
    image = pack(store, linked, CONFIG, "web:1.0", EPOCH)
    write_tar(store, image, tmp_path / "root.tar")
    with tarfile.open(tmp_path / "root.tar") as tar:
        assert [info.name for info in tar] == ["opt", "opt/a", "opt/b"]


# --- as a directory ---


def described(root: Path) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for path in sorted(root.rglob("*"), key=lambda path: path.parts):
        status = path.lstat()
        link_text = str(path.readlink()) if path.is_symlink() else ""
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        xattrs = {
            name: os.getxattr(path, name, follow_symlinks=False).hex()
            for name in os.listxattr(path, follow_symlinks=False)
        }
        found.append(
            (
                "/" + str(path.relative_to(root)),
                f"{status.st_mode & 0o7777:04o}",
                f"{status.st_uid}:{status.st_gid}",
                int(status.st_mtime),
                link_text,
                content,
                xattrs,
            )
        )
    return found


def test_the_directory_is_the_manifest(
    store: Store, image: Image, exported: Export, tmp_path: Path
) -> None:
    write_directory(store, image, tmp_path / "root")
    found = described(tmp_path / "root")
    linked = link([exported.fragment], LAYERS)
    assert [item[:5] for item in found] == [
        (
            str(entry.path),
            f"{entry.mode:04o}",
            f"{entry.uid}:{entry.gid}",
            EPOCH,
            entry.link,
        )
        for entry in linked.entries
    ]
    assert [item[6] for item in found] == [dict(entry.xattrs) for entry in linked.entries]
    modules = tmp_path / "root" / "app" / "node_modules"
    assert (modules / "a").stat().st_ino == (modules / "b").stat().st_ino
    assert (tmp_path / "root" / "app" / "index.js").read_bytes() == b"console.log(1)"


def test_the_directory_is_replaced_by_the_next_image(
    store: Store, image: Image, tmp_path: Path
) -> None:
    write_directory(store, image, tmp_path / "root")
    other = export(tmp_path / "exported", "app /hello file 0755 hello", epoch=EPOCH)
    write_directory(store, packed(store, other), tmp_path / "root")
    assert [item[0] for item in described(tmp_path / "root")] == ["/hello"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["exported", "root", "store"]


def test_an_empty_directory_is_filled(store: Store, image: Image, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    write_directory(store, image, tmp_path / "root")
    assert (tmp_path / "root" / "app").is_dir()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_directory_of_somebody_else_is_left_alone(
    store: Store, image: Image, tmp_path: Path, when: str
) -> None:
    root = tmp_path / "root"
    if when == "after":
        write_directory(store, image, root)
    root.mkdir(exist_ok=True)
    (root / "mine").write_text("mine")
    before = described(root)
    with pytest.raises(InputError, match="is not empty, and not as this store wrote it"):
        write_directory(store, image, root)
    assert described(root) == before


def test_a_directory_made_anew_with_the_same_inode_is_left_alone(
    store: Store, image: Image, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    write_directory(store, image, root)
    subprocess.run(["rm", "-rf", root], check=True)
    root.mkdir()
    (root / "mine").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        write_directory(store, image, root)


Form = Callable[[Store, Image, Path], None]


@pytest.mark.parametrize("form", [write_tar, write_oci_archive, write_directory])
def test_an_output_that_fails_midway_leaves_what_was_there(
    store: Store, image: Image, tmp_path: Path, form: Form
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    form(store, image, out / "target")
    before = sorted(path.name for path in out.iterdir())
    broken = replace(
        image, layers=(*image.layers, replace(image.layers[0], digest="sha256:" + "0" * 64))
    )
    with pytest.raises(StoreError, match="is missing"):
        form(store, broken, out / "target")
    assert sorted(path.name for path in out.iterdir()) == before == ["target"]


@pytest.mark.parametrize("form", [write_tar, write_oci_archive])
def test_a_file_output_is_no_directory(
    store: Store, image: Image, tmp_path: Path, form: Form
) -> None:
    with pytest.raises(InputError, match="cannot be written: Is a directory"):
        form(store, image, tmp_path)


@pytest.mark.parametrize("form", [write_tar, write_oci_archive, write_directory])
def test_a_full_disk_names_the_output_and_leaves_nothing(
    store: Store, tmp_path: Path, form: Form
) -> None:
    large = export(tmp_path / "large", f"app /large file 0644 {'x' * 1_000_000}", epoch=EPOCH)
    image = packed(store, large)
    with small_disk(tmp_path / "small") as disk:
        with pytest.raises(InputError, match="the disk of the output is full") as caught:
            form(store, image, disk / "target")
        assert caught.value.where == str(disk / "target")
        assert list(disk.iterdir()) == []


def test_a_directory_output_is_no_file(store: Store, image: Image, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(InputError, match="is there and is no directory"):
        write_directory(store, image, tmp_path / "root")


def test_a_directory_takes_root(store: Store, image: Image, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.seteuid(65534)
            write_directory(store, image, tmp_path / "root")
        except InputError as error:
            code = 0 if "only root can set" in error.what else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
