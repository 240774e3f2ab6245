"""A build system of the project's own, which asks for more than pyproject.toml says."""

from __future__ import annotations


def get_requires_for_build_wheel(_settings: object = None) -> list[str]:
    return ["no-such-tool >=3"]
