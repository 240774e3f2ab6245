"""The image of examples/haskell-web: what it answers, how it stops, and what it is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scans import of_files, said, scanned
from services import Docker, Rootfs, Service, serving

from rootfs_ansible.model.manifest import Fragment

pytestmark = pytest.mark.engine

AT = "2024-02-29T12:00:00Z"


@pytest.fixture(scope="module")
def image(built_haskell_example: dict[str, Any]) -> str:
    return str(built_haskell_example["image"])


def test_time_is_that_of_the_zone(service: Service) -> None:
    assert service.json(f"/?at={AT}")["time"] == {
        "utc": AT, "local": "2024-02-29 17:45:00 +0545",
    }  # fmt: skip


def test_text_is_unicode_in_the_data_file_the_answer_and_the_database(service: Service) -> None:
    assert service.json("/")["languages"] == ["en", "de", "ne", "ja", "el"]
    for visits in (1, 2):
        answer = service.json("/greet/ja?name=w%C3%B6rld")
        assert answer == {"greeting": "こんにちは, wörld!", "visits": visits}
    assert service.json("/greet/xx") == {"error": "no greeting in xx"}


def test_authorities_are_found_as_haskells_tls_looks_for_them(service: Service) -> None:
    assert service.json("/")["authorities"] > 50


def test_it_stops_when_it_is_told_to(docker: Docker, image: str, locked: list[str]) -> None:
    with serving(docker, *locked, image) as running:
        assert docker.stop(running.container) == 0
        assert "answering what is open, then leaving" in docker("logs", running.container)


def test_the_image_is_under_40_mb_and_holds_two_programs(
    shipped: Rootfs, built_haskell_example: dict[str, Any]
) -> None:
    assert sum(member.size for member in shipped.members.values()) < 40_000_000
    programs = {path for path in shipped.members if Path(path).parent.name in ("bin", "sbin")}
    assert programs == {"/usr/bin/tini", "/usr/local/bin/haskell-web"}
    layers = [layer["name"] for layer in built_haskell_example["layers"]]
    assert layers == ["runtime", "system", "dependencies", "app"]


def test_libraries_that_are_linked_in_are_on_record_with_their_licences(
    shipped: Rootfs, built_haskell_example: dict[str, Any]
) -> None:
    assert shipped.content("/usr/share/doc/libghc-aeson-dev/copyright")
    manifest = json.loads(Path(built_haskell_example["manifest"]).read_text())
    packages = {package["name"].partition(":")[0] for package in manifest["packages"]}
    assert {"ghc", "libghc-aeson-dev", "libghc-warp-dev", "libsqlite3-0"} <= packages
    assert [name for name in shipped.files() if name.endswith((".hi", ".a", ".hs"))] == []


def test_libraries_that_are_linked_in_are_components_with_their_versions(
    shipped: Rootfs, built_haskell_example: dict[str, Any]
) -> None:
    manifest = Fragment.from_json(json.loads(Path(built_haskell_example["manifest"]).read_text()))
    found = {item.name: item for item in manifest.components if item.type == "hackage"}
    assert {"aeson", "base", "bytestring", "haskell-web", "text", "wai", "warp"} <= set(found)
    assert {str(path) for item in found.values() for path in item.paths} == {
        "/usr/local/bin/haskell-web"
    }
    # GHC keeps the names of modules, and of the packages that they are of, in its programs.
    program = shipped.content("/usr/local/bin/haskell-web")
    for name in ("aeson", "wai", "warp"):
        assert f"{name}-{found[name].version}".encode() in program
    assert found["aeson"].licence == "BSD-3-Clause"
    assert said(manifest)["generic"] == {("ghc", "9.6.6")}


def test_a_scanner_sees_what_we_say_is_there_and_nothing_else(
    docker: Docker, image: str, tmp_path: Path, built_haskell_example: dict[str, Any]
) -> None:
    """But for what is linked in, which no scanner sees: that is what the bill of materials is
    for."""
    seen = scanned(docker.write(["save", image], tmp_path / "image.tar"))
    manifest = Fragment.from_json(json.loads(Path(built_haskell_example["manifest"]).read_text()))
    assert of_files(seen) == of_files(said(manifest))
    assert set(seen) == {"deb"}
