"""The image of examples/python-web: what it answers, how it stops, and what it is made of."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from scans import of_files, said, scanned
from services import Docker, Rootfs, Service, serving

from rootfs_ansible.model.manifest import Fragment

pytestmark = pytest.mark.engine

AT = "2024-02-29T12:00:00Z"
PACKAGES = "/usr/local/lib/python3.13/dist-packages"


@pytest.fixture(scope="module")
def image(built_python_example: dict[str, Any]) -> str:
    return str(built_python_example["image"])


def test_time_is_that_of_the_zone(service: Service) -> None:
    assert service.json(f"/?at={AT}")["time"] == {
        "utc": "2024-02-29T12:00:00+00:00", "local": "2024-02-29 17:45:00 +0545",
    }  # fmt: skip


def test_text_is_unicode_in_the_data_file_the_extension_and_the_database(service: Service) -> None:
    assert service.json("/")["languages"] == ["en", "de", "ne", "ja", "el"]
    for visits in (1, 2):
        answer = service.json("/greet/ja?name=w%C3%B6rld")
        assert answer == {"greeting": "こんにちは, wörld!", "wide": 6, "visits": visits}


def test_a_text_is_drawn_in_a_font(service: Service) -> None:
    badges = [service.get(f"/badge.png?text={text}") for text in ("iiii", "WWWW")]
    assert badges[0].startswith(b"\x89PNG")
    # Without a font both are rows of four boxes.
    assert badges[0] != badges[1]


def test_authorities_are_found_as_pythons_ssl_looks_for_them(service: Service) -> None:
    assert service.json("/")["authorities"] > 50


def test_it_stops_when_it_is_told_to(docker: Docker, image: str, locked: list[str]) -> None:
    with serving(docker, *locked, image) as running:
        # uvicorn ends by the signal itself once it has answered what is open.
        assert docker.stop(running.container) == 143
        assert "Application shutdown complete" in docker("logs", running.container)


def test_nothing_that_builds_is_shipped(
    shipped: Rootfs, built_python_example: dict[str, Any]
) -> None:
    programs = {path for path in shipped.members if Path(path).parent.name in ("bin", "sbin")}
    assert {Path(path).name for path in programs} == {
        "env", "idna", "python", "python3", "python3.13", "python-web", "tini", "uvicorn",
    }  # fmt: skip
    layers = {layer["name"]: layer["size"] for layer in built_python_example["layers"]}
    assert list(layers) == ["runtime", "system", "dependencies", "app"]
    assert layers["app"] < 100_000


def test_packages_are_on_record_with_their_licences(shipped: Rootfs) -> None:
    for name in ("pycairo-1.29.2", "python_web-1.0.0", "uvloop-0.23.0"):
        record = shipped.content(f"{PACKAGES}/{name}.dist-info/RECORD").decode().splitlines()
        held = {line.partition(",")[0] for line in record}
        assert {f"{name}.dist-info/METADATA", f"{name}.dist-info/WHEEL"} <= held
        missing = [path for path in held if not path.startswith("..")
                   and f"{PACKAGES}/{path}" not in shipped.members]  # fmt: skip
        assert missing == []
    licences = [path for path in shipped.members if "pycairo" in path and "COPYING" in path]
    assert licences


def test_a_scanner_sees_what_we_say_is_there_and_nothing_else(
    docker: Docker, image: str, tmp_path: Path, built_python_example: dict[str, Any]
) -> None:
    seen = scanned(docker.write(["save", image], tmp_path / "image.tar"))
    manifest = Fragment.from_json(json.loads(Path(built_python_example["manifest"]).read_text()))
    assert of_files(seen) == of_files(said(manifest))
    example = Path(__file__).parents[2] / "examples" / "python-web"
    locked = set(re.findall("^([a-z0-9-]+)==", (example / "requirements.txt").read_text(), re.M))
    assert {"pycairo", "uvloop"} <= locked
    assert {name for name, _ in seen["pypi"]} == locked | {"python-web"}


def test_what_the_extension_loads_came_from_the_distribution(
    built_python_example: dict[str, Any],
) -> None:
    manifest = json.loads(Path(built_python_example["manifest"]).read_text())
    packages = {package["name"].partition(":")[0] for package in manifest["packages"]}
    assert {"fontconfig-config", "fonts-dejavu-core", "libcairo2", "python3.13-minimal"} <= packages
