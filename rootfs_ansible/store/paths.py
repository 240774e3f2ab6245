"""Indexes of what containers had, as the store keeps them: compressed blobs."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from rootfs_ansible.errors import InputError, StoreError, UntrustedError
from rootfs_ansible.exporter.paths import INDEX
from rootfs_ansible.model.paths import LIMIT, Paths
from rootfs_ansible.store.layout import Store, canonical, opened

__all__ = ["INDEX", "keep_index", "load_index", "read_index"]

_LIMIT = 1 << 26
"""Bytes of an index: more than a million paths."""

_VALUES = 5 * LIMIT
"""Values of an index: what is parsed takes far more memory than its text."""


def read_index(exported: Path) -> Paths:
    """Return the index that an exporter wrote into ``exported``.

    It is as untrusted as the rest: ``UntrustedError`` where it is no index, whatever it is.
    """
    path = exported / INDEX
    try:
        with opened(path) as file:
            content = file.read(_LIMIT + 1)
        if len(content) > _LIMIT or content.count(b",") > _VALUES:
            raise UntrustedError(f"holds more than {LIMIT} paths", where=str(path))
        return Paths.from_json(json.loads(content))
    except OSError as error:
        raise UntrustedError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError, InputError) as error:
        raise UntrustedError(f"is no index: {error}", where=str(path)) from error


def keep_index(store: Store, paths: Paths) -> str:
    """Keep an index, and return its digest."""
    return store.put_blob(zlib.compress(canonical(paths.to_json()), 6)).digest


def load_index(store: Store, digest: str) -> Paths:
    """Return the index with that digest; ``StoreError`` where it is gone or damaged."""
    content = store.read_blob(digest)
    try:
        return Paths.from_json(json.loads(zlib.decompress(content)))
    except (ValueError, zlib.error, InputError) as error:
        raise StoreError(f"{digest} is no index of paths", where=str(store.directory)) from error
