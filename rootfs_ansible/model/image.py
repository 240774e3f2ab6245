"""How an image runs, and what a build of it gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootfs_ansible.model.document import Document


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How the image runs: the ``config`` of an OCI image configuration, in its own words.

    ``ports`` are ``8080/tcp``, ``volumes`` absolute paths, ``user`` is ``uid[:gid]``.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    working_directory: str = "/"
    user: str = "65532:65532"
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    stop_signal: str = ""
    architecture: str = "amd64"

    def to_json(self) -> dict[str, Any]:
        """Return the configuration as a JSON object."""
        return {
            "entrypoint": list(self.entrypoint),
            "command": list(self.command),
            "environment": dict(self.environment),
            "working_directory": self.working_directory,
            "user": self.user,
            "ports": list(self.ports),
            "volumes": list(self.volumes),
            "labels": dict(self.labels),
            "stop_signal": self.stop_signal,
            "architecture": self.architecture,
        }

    @staticmethod
    def from_json(data: object) -> ImageConfig:
        """Return the configuration that ``to_json`` wrote; ``InputError`` where it is not one."""
        document = Document(data, "image")
        return ImageConfig(
            entrypoint=document.texts("entrypoint"),
            command=document.texts("command"),
            environment=tuple(sorted(document.mapping("environment").items())),
            working_directory=document.text("working_directory", "/"),
            user=document.text("user", "65532:65532"),
            ports=tuple(sorted(document.texts("ports"))),
            volumes=tuple(sorted(document.texts("volumes"))),
            labels=tuple(sorted(document.mapping("labels").items())),
            stop_signal=document.text("stop_signal", ""),
            architecture=document.text("architecture", "amd64"),
        )


@dataclass(frozen=True, slots=True)
class ImageLayer:
    """One layer of a built image: its plain tar's ``digest`` and ``size`` (bytes), the number of
    paths that are no directories (``files``) and of ``packages`` it is the first to bring.

    A layer without a path is no part of the image: its digest is empty and its numbers are 0.
    """

    name: str
    digest: str
    size: int
    files: int
    packages: int

    def to_json(self) -> dict[str, Any]:
        """Return the layer as a JSON object."""
        return {
            "name": self.name,
            "digest": self.digest,
            "size": self.size,
            "files": self.files,
            "packages": self.packages,
        }

    @staticmethod
    def from_json(data: Document) -> ImageLayer:
        """Return the layer that ``to_json`` wrote; ``InputError`` where it is not one."""
        return ImageLayer(
            data.text("name"),
            data.text("digest"),
            data.integer("size"),
            data.integer("files"),
            data.integer("packages"),
        )


@dataclass(frozen=True, slots=True)
class Image:
    """A built image as it lies in the store.

    ``name`` is ``repository:tag``, ``digest`` that of its OCI manifest, ``config_digest`` that of
    its configuration (which engines call the image id), ``size`` the bytes of its layers' plain
    tars. ``manifest`` is the path of the record of its entries and edges, ``layout`` the OCI image
    layout that holds it. ``candidates`` is the number of its binaries' names for what it has not.
    """

    name: str
    digest: str
    config_digest: str
    size: int
    layers: tuple[ImageLayer, ...]
    config: ImageConfig
    manifest: Path
    layout: Path
    candidates: int = 0

    @property
    def digests(self) -> tuple[str, ...]:
        """The digests of the layers that are part of the image, lowest first."""
        return tuple(layer.digest for layer in self.layers if layer.digest)

    def to_json(self) -> dict[str, Any]:
        """Return what a build gives, as a JSON object; paths as text."""
        return {
            "image": self.name,
            "digest": self.digest,
            "id": self.config_digest,
            "size": self.size,
            "layers": [layer.to_json() for layer in self.layers],
            "candidates": self.candidates,
            "manifest": str(self.manifest),
            "layout": str(self.layout),
        }
