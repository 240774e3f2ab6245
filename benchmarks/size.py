#!/usr/bin/env python3
"""Compare an image with the multi-stage image of the same app, and with what a trace leaves of it.

    benchmarks/size.py examples/node-web --ours IMAGE

IMAGE is a name that the engine knows, an OCI layout or archive, or a tar of the root filesystem.
The multi-stage image is built from the Dockerfile of the app, whose stages start FROM the argument
BASE (a Debian 13 image, BUILD_BASE for the build stage). Needs docker, syft, and the
package itself: run it in the environment that `make venv` makes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import images
from tracer import docker, touched

if TYPE_CHECKING:
    from collections.abc import Iterator

CA_BUNDLE = "/etc/build-ca.pem"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the comparison; sizes in bytes."""

    name: str
    size: int
    files: int
    setuid: int
    packages: dict[str, int]


def main() -> None:
    """Print the comparison as a table."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as directory:
        name = arguments.multistage or _multistage(arguments.app, arguments.base)
        multistage = images.save(name, Path(directory) / "multistage.tar")
        rows = [_row("multi-stage", multistage)]
        paths = touched(name, multistage.tree, arguments.base, arguments.port, arguments.request)
        traced = {path: node for path, node in multistage.tree.items() if path in paths}
        rows.append(Row("traced minimum", images.size(traced), len(images.files(traced)), 0, {}))
        if arguments.ours:
            rows.append(_row("rootfs-ansible", _image(arguments.ours, Path(directory))))
    _print(rows)
    if arguments.touched:
        arguments.touched.write_text("".join(f"{path}\n" for path in sorted(paths)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("app", type=Path, help="directory of the app, with a Dockerfile")
    parser.add_argument("--ours", help="image name, OCI layout or archive, or tar")
    parser.add_argument("--multistage", help="a multi-stage image that is built already")
    parser.add_argument("--base", default="debian:trixie-slim", help="Debian 13 image")
    parser.add_argument("--port", type=int, default=8080, help="where the app listens")
    parser.add_argument("--request", action="append", help="path to ask for while tracing")
    parser.add_argument("--touched", type=Path, help="write the traced paths to this file")
    arguments = parser.parse_args()
    if not arguments.request:
        arguments.request = ["/", "/chart.png", "/healthz", "/fetch?url=https://localhost:1/"]
    return arguments


def _multistage(app: Path, base: str) -> str:
    """Build the image of the app's Dockerfile and return its name."""
    name = f"rootfs-benchmark/{app.resolve().name}:multistage"
    with _build_base(base) as build_base:
        subprocess.run(
            ["docker", "build", "--build-arg", f"BASE={base}", "--build-arg",
             f"BUILD_BASE={build_base}", "--tag", name, str(app)],
            check=True,
            env=os.environ | {"DOCKER_BUILDKIT": "0"},
        )  # fmt: skip
    return name


@contextmanager
def _build_base(base: str) -> Iterator[str]:
    """Give `base`, with the certificates that this machine names for npm and pip, if any."""
    bundle = os.environ.get("NODE_EXTRA_CA_CERTS") or os.environ.get("SSL_CERT_FILE")
    if not bundle:
        yield base
        return
    name = "rootfs-benchmark/build-base"
    container = docker("create", base, "true").decode().strip()
    try:
        docker("cp", "--follow-link", bundle, f"{container}:{CA_BUNDLE}")
        names = f"ENV NODE_EXTRA_CA_CERTS={CA_BUNDLE} PIP_CERT={CA_BUNDLE}"
        docker("commit", "--change", names, container, name)
        yield name
    finally:
        subprocess.run(["docker", "rm", "-f", container], capture_output=True)
        subprocess.run(["docker", "rmi", name], capture_output=True)


def _image(name: str, directory: Path) -> images.Image:
    path = Path(name)
    return images.read(path) if path.exists() else images.save(name, directory / "ours.tar")


def _row(name: str, image: images.Image) -> Row:
    tree = image.tree
    counts = images.packages(image)
    return Row(name, images.size(tree), len(images.files(tree)), len(images.setuid(tree)), counts)


def _print(rows: list[Row]) -> None:
    reference = rows[0].size
    print("| image | MB | of multi-stage | files | setuid | deb packages | npm packages |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        print(
            f"| {row.name} | {row.size / 1e6:.1f} | {row.size / reference:.1%} | {row.files}"
            f" | {row.setuid} | {row.packages.get('deb', '-')} | {row.packages.get('npm', '-')} |"
        )


if __name__ == "__main__":
    main()
