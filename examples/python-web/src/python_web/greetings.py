"""Greetings by language, from a data file of the package."""

from __future__ import annotations

from importlib.resources import files


def greetings() -> dict[str, str]:
    """Return the greeting of each language: lines of a language and a text."""
    text = files("python_web").joinpath("greetings.txt").read_text(encoding="utf-8")
    parts = (line.partition(" ") for line in text.splitlines())
    return {language: greeting for language, _, greeting in parts if greeting}
