"""Runs of the playbook over several apps: what they were given, printed and made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """One run: its directory, which holds the plain rootfs of each app, and what it printed."""

    directory: Path
    output: str

    def rootfs(self, name: str) -> Path:
        return self.directory / "rootfs" / name

    def message(self, name: str) -> str:
        """The message of the error of one app."""
        return message(self.output, name)

    def digest(self, name: str) -> str:
        """The digest of the image of one app, which is called test-NAME."""
        return digest(self.output, f"test-{name}")


def message(output: str, name: str) -> str:
    """Return the message of the error of one app."""
    found = re.search(rf"^fatal: \[{name}\]: FAILED! => ({{.*}})$", output, re.MULTILINE)
    assert found, output
    return str(json.loads(found[1])["msg"])


def digest(output: str, image: str) -> str:
    """Return the digest of an image that was built."""
    found = re.search(rf"^image +{image}:latest\ndigest +(\S+)", output, re.MULTILINE)
    assert found, output
    return found[1]


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Write files by their names below a directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def digest_in(store: Path, image: str) -> str:
    """Return the digest of an image in a store."""
    index = json.loads((store / "index.json").read_text())
    for item in index["manifests"]:
        if item["annotations"].get("org.opencontainers.image.ref.name") == image:
            return str(item["digest"])
    raise AssertionError(f"{image} is not in {store}")
