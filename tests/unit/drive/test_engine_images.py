"""An engine image of a key is made once, also when two builds begin at the same time."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import IO, Any

import pytest

from rootfs_ansible.drive.engine import LABEL_KEY, LABEL_OWNER, LABEL_STAGE, Engine, Image
from rootfs_ansible.errors import EngineError

TAG = "rootfs.builder/root:0123"
LABELS = {LABEL_KEY: "0123", LABEL_STAGE: "root_image"}


class Shelf(Engine):
    """An engine that is a shelf of images; ``meanwhile`` is what another build does on a load."""

    def __init__(self) -> None:
        super().__init__("unix:///shelf.sock")
        self.shelf: dict[str, Image] = {}
        self.used: set[str] = set()
        self.meanwhile: Image | None = None

    def architecture(self) -> str:
        return "amd64"

    def image(self, name: str) -> Image | None:
        return next((i for i in self.shelf.values() if name in (i.id, *i.tags)), None)

    def images(self, label: str) -> tuple[Image, ...]:
        return tuple(
            image
            for image in self.shelf.values()
            if label in (f"{name}={value}" for name, value in image.labels.items())
        )

    def remove_image(self, name: str) -> None:
        if name in self.used:
            raise EngineError("a container uses it")
        del self.shelf[name]

    def load(self, stream: IO[bytes]) -> tuple[str, ...]:  # type: ignore[override]
        if self.meanwhile is not None:
            self.put(self.meanwhile)
        with tarfile.open(fileobj=stream) as archive:
            names = archive.getnames()
        self.put(image(names[0], (TAG,)))
        return (TAG,)

    def put(self, new: Image) -> None:
        for other in self.shelf.values():
            left = tuple(tag for tag in other.tags if tag not in new.tags)
            self.shelf[other.id] = replace(other, tags=left)
        self.shelf[new.id] = new


def image(name: str, tags: tuple[str, ...] = (), **labels: str) -> Image:
    return Image(name, tags, {**LABELS, **labels}, (), "amd64", 0)


@pytest.fixture
def engine() -> Shelf:
    return Shelf()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "root.tar", "w"):
        return tmp_path / "root.tar"


def test_an_image_that_another_build_has_made_since_is_taken(engine: Shelf, archive: Path) -> None:
    engine.put(image("theirs", (TAG,)))
    assert engine.import_root(archive, TAG, labels=LABELS).id == "theirs"
    assert list(engine.shelf) == ["theirs"]


def test_an_image_of_another_key_gives_way(engine: Shelf, archive: Path) -> None:
    engine.put(replace(image("theirs", (TAG,)), labels={**LABELS, LABEL_KEY: "another"}))
    assert engine.import_root(archive, TAG, labels=LABELS).id != "theirs"


def test_of_two_that_are_loaded_at_once_one_stays(engine: Shelf, archive: Path) -> None:
    engine.meanwhile = image("theirs", (TAG,))
    made = engine.import_root(archive, TAG, labels=LABELS)
    assert list(engine.shelf) == [made.id]


def test_what_is_used_or_is_being_committed_stays(engine: Shelf, archive: Path) -> None:
    engine.meanwhile = image("theirs", (TAG,))
    engine.used.add("theirs")
    engine.put(image("raw", (), **{LABEL_OWNER: "host/1:2"}))
    made = engine.import_root(archive, TAG, labels=LABELS)
    assert set(engine.shelf) == {made.id, "theirs", "raw"}


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[list[str]]:
    """The paths that a client asks of an engine at ``engine.sock``."""
    paths: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            said = json.dumps({"ApiVersion": "1.47", "Arch": "arm64"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: Any) -> None:
            pass

        def address_string(self) -> str:
            return ""

    with ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield paths
        server.shutdown()


def test_an_engine_is_asked_once_what_it_is(asked: list[str], tmp_path: Path) -> None:
    """Every plan needs the architecture, also one that finds all there."""
    engine = Engine(f"unix://{tmp_path}/engine.sock")
    assert (engine.architecture(), engine.architecture()) == ("arm64", "arm64")
    assert len(asked) == 1
    engine.close()
