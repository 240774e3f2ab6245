"""The visits of the service, in a database on a volume."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Visits:
    """Counts visits by name."""

    def __init__(self, path: Path | str) -> None:
        self._database = sqlite3.connect(path)
        self._database.execute("CREATE TABLE IF NOT EXISTS visit (name TEXT, at TEXT)")

    def add(self, name: str, at: str) -> int:
        """Note a visit, and return how many there were of that name."""
        with self._database:
            self._database.execute("INSERT INTO visit VALUES (?, ?)", (name, at))
        return self._number("SELECT count(*) FROM visit WHERE name = ?", name)

    def count(self) -> int:
        """Return how many visits there were."""
        return self._number("SELECT count(*) FROM visit")

    def _number(self, query: str, *values: str) -> int:
        (number,) = self._database.execute(query, values).fetchone()
        return int(number)
