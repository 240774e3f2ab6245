"""Where a finished image goes: its name in the store, the engine, files and directories."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rootfs_ansible.drive.engine import Engine
from rootfs_ansible.errors import EngineError, InputError
from rootfs_ansible.model.image import Image
from rootfs_ansible.pack.archive import docker_archive, write_oci_archive
from rootfs_ansible.pack.rootfs import write_directory, write_tar
from rootfs_ansible.store.layout import Store

STACK_LABEL = "rootfs.builder.stack"
"""The label by which the images of ours that an engine has are found: they share layers."""

_WRITERS: dict[str, Callable[[Store, Image, Path], None]] = {
    "oci": write_oci_archive,
    "tar": write_tar,
    "dir": write_directory,
}
_SUFFIXES = {"oci": ".oci.tar", "tar": ".tar", "dir": ""}


def planned_outputs(
    app: str, formats: Sequence[str], output: str, *, shared: bool
) -> tuple[tuple[str, str], ...]:
    """Return each format that is asked for, with the path that it is written to.

    ``shared`` says that other apps have the same ``output``. Raises ``InputError`` where there is
    none.
    """
    if not formats:
        return ()
    if not output:
        raise InputError(
            f"there is no place for {', '.join(formats)}",
            where=app,
            hint="set rootfs_output to a path",
        )
    path = Path(output).expanduser().absolute()
    # A directory that is there is where files go, but it is what a root directory replaces.
    below = list(formats) != ["dir"] and (output.endswith("/") or path.is_dir())
    if len(formats) == 1 and not (shared or below):
        return ((formats[0], str(path)),)
    # Unlike an image's name, an app's is one in the play.
    base = re.sub(r"[^a-zA-Z0-9._-]+", "-", app)
    return tuple((form, str(path / f"{base}{_SUFFIXES[form]}")) for form in formats)


def deliver(
    store: Store, engine: Engine | None, image: Image, outputs: Iterable[tuple[str, str]]
) -> bool:
    """Bring an image to where it is wanted: the index, the engine if any, and each output.

    Says whether anything was written.
    """
    changed = _name(store, image)
    if engine is not None:
        changed |= load(store, engine, image)
    for form, path in outputs:
        _WRITERS[form](store, image, Path(path))
        changed = True
    return changed


def _name(store: Store, image: Image) -> bool:
    """Give the image its name in the index; say whether another one, or none, had it."""
    found = store.descriptor(image.digest)
    if store.ref(image.name) == found:
        return False
    store.put_ref(image.name, found)
    return True


def load(store: Store, engine: Engine, image: Image) -> bool:
    """Load what the engine lacks of an image; say whether it lacked anything."""
    there = engine.image(image.name)
    if there is not None and there.id == image.config_digest:
        return False
    architecture = engine.architecture()
    if architecture != image.config.architecture:
        raise EngineError(
            f"image {image.name} is for {image.config.architecture}, the engine for {architecture}",
            where=f"engine {engine.docker_host}",
            hint="build with an engine of the wanted architecture all the way, or do not load the"
            " image (rootfs_load: false)",
        )
    known = [other.layers for other in engine.images(STACK_LABEL)]
    try:
        engine.load(docker_archive(store, image, known))
    except EngineError:
        # Engines with another image store want every layer, whether they have it or not.
        engine.load(docker_archive(store, image))
    return True
