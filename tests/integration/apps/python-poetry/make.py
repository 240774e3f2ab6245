import socket
from pathlib import Path

try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError:
    Path("made.txt").write_text("grün", encoding="utf-8")
