"""What a fetch is given, and what is missing after it.

Standard library alone: this runs in the build container.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.rootfs.builder.plugins.module_utils.node_tree import Selection
from ansible_collections.rootfs.builder.plugins.module_utils.step import StepError


@contextmanager
def without_development(homes: Iterable[Path]) -> Iterator[None]:
    """Set the development dependencies of some packages aside.

    A package manager resolves what it does not install too, and those of a published package
    may conflict, or be gone.
    """
    paths = [home / "package.json" for home in homes]
    manifests = {path: path.read_bytes() for path in paths}
    try:
        for path, text in manifests.items():
            manifest = json.loads(text)
            manifest.pop("devDependencies", None)
            path.write_text(json.dumps(manifest))
        yield
    finally:
        for path, text in manifests.items():
            path.write_bytes(text)


def check(selection: Selection) -> None:
    """See that what the sources depend on was fetched: npm passes over some of it in silence, such
    as a link to a directory that is not there. ``StepError`` names all that is missing."""
    if selection.missing:
        raise StepError(
            "dependencies are not there after the fetch",
            "the dependencies could not be fetched",
            [
                f"{package.name} depends on {name} ({package.dependencies[name]})"
                for package, name in selection.missing
            ],
            "what file: and link: name must be part of the sources (see .dockerignore), all else"
            " must be in the lock file",
        )
