"""What an image is made of, by what lies in it and by what its stack says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from exports import export

from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.model.component import Component
from rootfs_ansible.model.manifest import Fragment, Package
from rootfs_ansible.model.path import ImagePath
from rootfs_ansible.pack.components import said, with_components
from rootfs_ansible.pack.link import link
from rootfs_ansible.store import Store

LAYERS = ("runtime", "dependencies", "app")
# pnpm has the files of a package in more places than one, as links to the same.
TREE = """
runtime      /etc                                     dir 0755
runtime      /etc/os-release                          -> ../usr/lib/os-release
runtime      /usr                                     dir 0755
runtime      /usr/bin                                 dir 0755
runtime      /usr/bin/serve                           file 0755 program
runtime      /usr/lib                                 dir 0755
runtime      /usr/share                               dir 0755
runtime      /usr/share/doc                           dir 0755
runtime      /usr/share/doc/liba1                     -> liba-common
runtime      /usr/share/doc/liba-common               dir 0755
dependencies /app                                     dir 0755
dependencies /app/node_modules                        dir 0755
dependencies /app/node_modules/@team                  dir 0755
dependencies /app/node_modules/@team/one              dir 0755
dependencies /app/node_modules/two                    dir 0755
dependencies /app/node_modules/two/esm                dir 0755
dependencies /app/node_modules/two/node_modules       dir 0755
dependencies /app/node_modules/two/node_modules/one   dir 0755
dependencies /app/six-1.17.0.dist-info                dir 0755
dependencies /app/node_modules/two/node_modules/one/package.json = {one}
dependencies /app/old.egg-info                        file 0644 no headers
""".format(one="/app/node_modules/@team/one/package.json")
OS_RELEASE = b'# what it is\nID=debian\nVERSION_ID="13"\nNAME="Debian GNU/Linux"\n'
FORMAT = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
COPYRIGHT = (
    FORMAT.encode()
    + b"""\
Files: *
License: LGPL-2.1+

License: LGPL-2.1+
 On Debian systems, see /usr/share/common-licenses/LGPL-2.1.
"""
)
METADATA = b"Metadata-Version: 2.1\nName: Six\nVersion: 1.17.0\nLicense: MIT\n\nVersion: none\n"


def manifest_of(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def linked(tmp_path: Path, store: Store) -> Fragment:
    modules = "/app/node_modules"
    one = manifest_of(name="@team/one", version="1.0.0", license="Apache-2.0 OR MIT")
    contents = {
        "app /app/package.json": manifest_of(name="web", version="2.0.0", private=True),
        "dependencies /app/six-1.17.0.dist-info/METADATA": METADATA,
        f"dependencies {modules}/@team/one/package.json": one,
        f"dependencies {modules}/two/package.json": b"\xef\xbb\xbf" + manifest_of(
            name="two", version="2.1.0", licenses=[{"type": "MIT"}, {"type": "GPL-2.0"}]
        ),
        # No package of its own, a name without a version, and what is no JSON.
        f"dependencies {modules}/two/esm/package.json": manifest_of(type="module"),
        f"dependencies {modules}/two/esm/bower.json": manifest_of(name="b", version="1"),
        f"dependencies {modules}/two/node_modules/package.json": b"[" * 100_000,
        "runtime /usr/lib/os-release": OS_RELEASE,
        "runtime /usr/share/doc/liba-common/copyright": COPYRIGHT,
    }  # fmt: skip
    packages = [
        Package("liba1", "1.0-1", "amd64", "a", "runtime", licence="said by a container"),
        Package("libb1", "1.0-1", "amd64", "b", "runtime", licence="said by a container"),
    ]
    exported = export(
        tmp_path / "exported",
        TREE,
        packages=packages,
        contents={name: (0o644, content) for name, content in contents.items()},
    )
    store.admit(exported.fragment, exported.directory, exported.epoch)
    return link([exported.fragment], LAYERS)


def found(manifest: Fragment) -> dict[str, str]:
    return {
        f"{item.type} {item.name} {item.version}": f"{item.layer} {item.licence}".strip()
        for item in manifest.components
    }


def test_what_lies_in_an_image_is_found_by_what_it_says_itself(
    store: Store, linked: Fragment
) -> None:
    manifest = with_components(store, linked, ())
    assert found(manifest) == {
        "npm @team/one 1.0.0": "dependencies Apache-2.0 OR MIT",
        "npm two 2.1.0": "dependencies GPL-2.0 OR MIT",
        "npm web 2.0.0": "app",
        "os debian 13": "runtime",
        "pypi Six 1.17.0": "dependencies MIT",
    }
    (one,) = [item for item in manifest.components if item.name == "@team/one"]
    assert [str(path) for path in one.paths] == [
        "/app/node_modules/@team/one/package.json",
        "/app/node_modules/two/node_modules/one/package.json",
    ]
    assert Fragment.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_the_licences_of_packages_are_those_of_their_copyright_files(
    store: Store, linked: Fragment
) -> None:
    packages = with_components(store, linked, ()).packages
    assert {package.name: package.licence for package in packages} == {
        "liba1": "LGPL-2.1-or-later", "libb1": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "licence",
    [
        b"[" * 400 + b"]" * 400,
        json.dumps([f"LicenseRef-{'x' * 80}-{number}" for number in range(20)]).encode(),
    ],
)
def test_a_licence_that_is_none_hides_no_component(tmp_path: Path, licence: bytes) -> None:
    content = b'{"name": "odd", "version": "1.0.0", "license": ' + licence + b"}"
    exported = export(
        tmp_path / "exported",
        "app /app dir 0755",
        contents={"app /app/package.json": (0o644, content)},
    )
    store = Store(tmp_path / "store")
    store.admit(exported.fragment, exported.directory, exported.epoch)
    manifest = with_components(store, link([exported.fragment], LAYERS), ())
    assert found(manifest) == {"npm odd 1.0.0": "app"}


def test_no_description_takes_long(tmp_path: Path) -> None:
    headers = "".join(f"X-{number}: x\n" for number in range(20_000))
    copyright_file = f"{FORMAT}Files: *\nLicense: A{' ' * 20_000}B\n"
    exported = export(
        tmp_path / "exported",
        "\n".join(
            f"app {path} dir 0755"
            for path in ("/app", "/usr", "/usr/share", "/usr/share/doc", "/usr/share/doc/a")
        ),
        packages=[Package("a", "1", "amd64", "a", "app")],
        contents={
            "app /app/a.egg-info": (0o644, f"Name: a\nVersion: 1\n{headers}".encode()),
            "app /usr/share/doc/a/copyright": (0o644, copyright_file.encode()),
        },
    )
    store = Store(tmp_path / "store")
    store.admit(exported.fragment, exported.directory, exported.epoch)
    linked = link([exported.fragment], LAYERS)
    began = time.process_time()
    manifest = with_components(store, linked, ())
    assert time.process_time() - began < 3
    assert found(manifest) == {"pypi a 1": "app"}
    assert [package.licence for package in manifest.packages] == ["LicenseRef-A-B"]


def test_names_that_mean_the_same_are_one_component(store: Store, linked: Fragment) -> None:
    digest = f"sha256-{'A' * 43}="
    named = Component(
        "pypi", "SIX", "1.17.0", (ImagePath("/app/six-1.17.0.dist-info"),), integrity=digest
    )
    manifest = with_components(store, linked, [named])
    assert [(item.name, item.integrity) for item in manifest.components if item.type == "pypi"] == [
        ("Six", digest)
    ]


def test_what_no_file_tells_a_stack_says(store: Store, linked: Fragment) -> None:
    facts = {
        "components": [
            {"type": "hackage", "name": "aeson", "version": "2.1", "paths": ["/usr/bin/serve"]},
            {"type": "generic", "name": "gone", "version": "1", "paths": ["/usr/bin/gone"]},
        ]
    }
    manifest = with_components(store, linked, said(facts))
    assert "hackage aeson 2.1" in found(manifest)
    assert "generic gone 1" not in found(manifest)


def test_a_file_that_says_what_it_is_is_believed_over_a_stack(
    store: Store, linked: Fragment
) -> None:
    def pinned(version: str, digest: str) -> Component:
        (component,) = said(
            {
                "components": [
                    {
                        "type": "npm",
                        "name": "two",
                        "version": version,
                        "integrity": f"sha512-{digest * 86}==",
                        "paths": ["/app/node_modules/two/package.json"],
                    }
                ]
            }
        )
        return component

    manifest = with_components(store, linked, [pinned("2.1.0", "A"), pinned("9.9.9", "B")])
    assert [
        (item.version, item.integrity[:8]) for item in manifest.components if item.name == "two"
    ] == [("2.1.0", "sha512-A")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "deb"}, "the stack names a as a component of type deb"),
        ({"type": "os"}, "the stack names a as a component of type os"),
        ({"type": "pkg:npm"}, "not the type of a component: 'pkg:npm'"),
        ({"name": ""}, "not the name of a component: ''"),
        ({"name": "@team/"}, "not the name of a component: '@team/'"),
        ({"name": "a/../b"}, "not the name of a component: 'a/../b'"),
        ({"name": "a\nb"}, r"not the name of a component: 'a\nb'"),
        ({"version": "1" * 300}, "not the version of a component"),
        ({"integrity": "md5-x"}, "not a digest of a component: 'md5-x'"),
        ({"integrity": f"sha512-{'A' * 17}"}, "not a digest of a component: 'sha512-"),
        ({"integrity": f"sha512-{'A' * 43}="}, "not a digest of a component: 'sha512-"),
        ({"paths": []}, "the component a has no path"),
        ({"paths": ["relative"]}, "not an absolute path"),
        ({"version": None}, "components[0].version: expected str, got nothing"),
    ],
)
def test_what_a_container_says_of_components_is_checked(
    change: dict[str, Any], message: str
) -> None:
    component = {"type": "npm", "name": "a", "version": "1", "paths": ["/a"], **change}
    with pytest.raises(InputError) as raised:
        said({"components": [component]})
    assert message in str(raised.value)


def test_a_layer_that_is_gone_is_missed(store: Store, linked: Fragment) -> None:
    (layer,) = [layer for layer in linked.layers if layer.name == "dependencies"]
    store.blob(layer.digest).unlink()
    with pytest.raises(StoreError, match="is missing"):
        with_components(store, linked, ())
