"""How an image runs, and what a build of it gives."""

from __future__ import annotations

from dataclasses import dataclass
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
