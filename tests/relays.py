"""Ways to an engine that fail when a test says so."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path


class Relay:
    """A way to the engine of ``docker_host`` that can fall silent, or be cut, with all its
    connections."""

    def __init__(self, docker_host: str, path: Path) -> None:
        self.docker_host = f"unix://{path}"
        self._path = path
        self._target = docker_host.removeprefix("unix://")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Let no more bytes through, and keep what waits for them waiting."""
        self._open.clear()

    def cut(self) -> None:
        """End every connection, and take no more: as an engine that was killed."""
        self._path.unlink()
        for end in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
