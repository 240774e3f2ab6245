"""What the verifiers share: the containers that the scenarios run in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import pytest
import testinfra
from testinfra.host import Host


@pytest.fixture(scope="session")
def container() -> Callable[[str], Host]:
    """Return the container of a host of the inventory (whose group_vars name it)."""
    checkout = hashlib.sha256(os.environ["MOLECULE_PROJECT_DIRECTORY"].encode()).hexdigest()[:8]

    def container_of(name: str) -> Host:
        return testinfra.get_host(f"docker://molecule-{checkout}-{name}")

    return container_of
