"""The program: the service on a port."""

from __future__ import annotations

import os
from pathlib import Path

import uvicorn

from python_web.application import application
from python_web.visits import Visits


def main() -> None:
    """Serve until told to stop."""
    visits = Visits(Path(os.environ.get("DATA_DIR", "/data")) / "visits.db")
    port = int(os.environ.get("PORT", "8080"))
    # All addresses: a container has one of its own.
    uvicorn.run(application(visits), host="0.0.0.0", port=port, loop="uvloop")  # noqa: S104
