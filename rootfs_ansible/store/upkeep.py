"""Upkeep: what of a store nobody needs any more, and what of it is damaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rootfs_ansible.errors import InputError, StoreError
from rootfs_ansible.model.document import Document
from rootfs_ansible.model.manifest import Layer
from rootfs_ansible.store.layout import REF_NAME, SUBJECT, Store

DAY = 86_400
"""Seconds."""

_BLOCK = 1 << 20
_NAMED = re.compile(rb"sha256:[0-9a-f]{64}")
_LARGEST_MANIFEST = 1 << 22
"""Bytes: what registries have to take (distribution-spec 1.1)."""

WRITTEN = "output-"
"""How the keys of records begin that tell a root directory that a build wrote from one that it
must not replace: they are no cache."""
VERIFIED = "verify-"
"""How the keys of records begin, before the digest of the image in hexadecimal, that say what
whoever verifies it has to know."""

_IMAGE_RECORD = "image record"
_ORDER = (_IMAGE_RECORD, "index", "name", "artifact", "record", "manifest", "blob")
"""What goes first: whatever is killed in between, nothing is left that says of what is gone that
it is there. An image's record is what has a build make nothing of it anew."""
_INDEX = ("index", "index.json")


@dataclass(frozen=True, slots=True)
class Removed:
    """What is removed of a store: its ``kind``, its name or digest, its ``size`` (bytes; 0 for a
    line of the index), what is to be said of it, and its file."""

    kind: str
    name: str
    size: int
    note: str
    path: Path | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"kind": self.kind, "name": self.name, "size": self.size, "note": self.note}


def layer_names(store: Store) -> dict[str, str]:
    """Return what the stages of the store call the layers that they gave, by their digests."""
    return _layer_names(map(_Record.read, store.records().values()))


def require(store: Store) -> None:
    """Raise ``InputError`` for a directory that is no store: nothing in it is ours."""
    if not (store.directory / "oci-layout").is_file():
        raise InputError(
            "is no store",
            where=str(store.directory),
            hint="say which by --store; the first build makes the usual one",
        )


def prune(
    store: Store, *, keep: float = 30 * DAY, grace: float = DAY, dry: bool = False
) -> tuple[Removed, ...]:
    """Remove what nobody needs, and return it; a ``dry`` run only returns it.

    Kept are the images that have a name, each with the stages that it was packed of last;
    records that were used in the last ``keep`` seconds; all that these name by its digest; and,
    as a build may be about to rely on it, what is younger than ``grace`` seconds.
    """
    require(store)
    with store.exclusive():
        going = _ordered(_unneeded(store, max(keep, grace), grace))
        if not dry:
            _remove(store, going)
    return going


def check(store: Store) -> tuple[Removed, ...]:
    """Hash every blob anew and read every document; remove what is damaged and what relies on
    it, and return that: the next build makes it again."""
    require(store)
    damaged = {digest for digest, path in store.blobs().items() if _is_damaged(digest, path)}
    with store.exclusive():
        going = _ordered(_Checked(store, damaged).wrong())
        _remove(store, going)
    return going


def _unneeded(store: Store, keep: float, grace: float) -> Iterator[Removed]:
    now = time.time()
    blobs = {digest: (path, path.stat()) for digest, path in store.blobs().items()}
    records = {key: _Record.read(path) for key, path in store.records().items()}
    items = store.items()
    roots = {str(item.get("digest")) for item in items if SUBJECT not in _said(item)}
    live = {
        key
        for key, record in records.items()
        if key.startswith(WRITTEN) or now - record.used < keep
    }
    # What was planned last for a name: of several plans that give the same image, that one.
    last = {
        record.image: key for key, record in sorted(records.items(), key=lambda one: one[1].used)
    }
    live |= {last[digest] for digest in roots if digest in last}
    live |= {stage for key in live for stage in records[key].stages} & set(records)
    roots |= {digest for digest, (_, status) in blobs.items() if now - status.st_mtime < grace}
    for key in live:
        roots |= records[key].digests
    reached = _reached(roots, {digest: path for digest, (path, _) in blobs.items()})
    for key, record in records.items():
        if key.startswith(VERIFIED) and f"sha256:{key.removeprefix(VERIFIED)}" in reached:
            live.add(key)
            reached |= record.digests
    for item in items:
        if SUBJECT in _said(item) and _said(item)[SUBJECT] in reached:
            artifact = {str(item.get("digest"))}
            reached |= _reached(artifact, {digest: path for digest, (path, _) in blobs.items()})
    names = _layer_names(records.values())
    for key in set(records) - live:
        record = records[key]
        yield record.removed(key, record.image or ", ".join(record.layers.values()))
    for item in items:
        if SUBJECT in _said(item) and _said(item)[SUBJECT] not in reached:
            yield _removed_item(item, "its image is gone")
    for digest, path in store.manifests().items():
        if digest not in reached:
            yield Removed("manifest", digest, path.stat().st_size, "", path)
    for digest, (path, status) in blobs.items():
        if digest not in reached:
            yield Removed("blob", digest, status.st_size, names.get(digest, ""), path)


class _Checked:
    """A store that is held, without the blobs that are ``damaged``."""

    def __init__(self, store: Store, damaged: Collection[str]) -> None:
        self._store = store
        self._files = store.blobs()
        self._damaged = set(damaged) & set(self._files)
        self._sizes = {
            digest: path.stat().st_size
            for digest, path in self._files.items()
            if digest not in self._damaged
        }
        self._documents = {
            digest: path
            for digest, path in store.manifests().items()
            if (_parsed(path.read_bytes()) or {}).get("digest") == digest
        }

    def wrong(self) -> Iterator[Removed]:
        """Yield what is damaged, and what relies on that or on what is not there."""
        lost = ""
        try:
            items = self._store.items()
        except StoreError as error:
            items, lost = [], error.what
            yield Removed(*_INDEX, 0, lost)
        incomplete: dict[str, str] = {}
        for item in items:
            is_image = REF_NAME in _said(item)
            wrong = self._of_image(str(item.get("digest")), documented=is_image)
            if not wrong or not (is_image or SUBJECT in _said(item)):
                continue
            yield _removed_item(item, wrong)
            if SUBJECT in _said(item):
                incomplete[str(_said(item)[SUBJECT])] = wrong
        documented = {str(_said(item).get(SUBJECT)) for item in items}
        verified = {
            f"sha256:{key.removeprefix(VERIFIED)}"
            for key in self._store.records()
            if key.startswith(VERIFIED)
        }
        images: dict[str, _Record] = {}
        for key, path in self._store.records().items():
            record = _Record.read(path)
            if record.image:
                images[key] = record
            elif wrong := self._of_record(record):
                yield record.removed(key, wrong)
                if key.startswith(VERIFIED):
                    incomplete[f"sha256:{key.removeprefix(VERIFIED)}"] = wrong
        for key, record in images.items():
            wrong = self._of_image(record.image, documented=True)
            wrong = wrong or incomplete.get(record.image, "") or lost
            # What knows its stages is of a version that keeps these as well.
            if not wrong and record.stages and record.image not in documented:
                wrong = "nothing says how it was made"
            if not wrong and record.stages and record.image not in verified:
                wrong = "nothing says how to verify it"
            if wrong:
                yield record.removed(key, wrong)
        for digest, path in self._store.manifests().items():
            if digest not in self._documents:
                yield Removed("manifest", digest, path.stat().st_size, "is damaged", path)
        for digest in self._damaged:
            path = self._files[digest]
            yield Removed("blob", digest, path.stat().st_size, "is not what its name says", path)

    def _of_image(self, digest: str, *, documented: bool) -> str:
        """Return what is wrong with an image or an artifact, or nothing."""
        if digest not in self._sizes:
            return self._gone(digest)
        manifest = _parsed(self._files[digest].read_bytes())
        try:
            described = [(manifest or {})["config"], *(manifest or {})["layers"]]
            missing = self._missing((str(one["digest"]), int(one["size"])) for one in described)
        except (LookupError, TypeError, ValueError):
            return f"{digest} is no manifest"
        if missing:
            return missing
        if documented and digest not in self._documents:
            return "nothing says any more what is in it"
        return ""

    def _of_record(self, record: _Record) -> str:
        if record.document is None:
            return "is damaged"
        try:
            return self._missing(_relied_on(record.document))
        except InputError as error:
            return f"is damaged: {error.what}"

    def _missing(self, described: Iterable[tuple[str, int]]) -> str:
        for digest, size in described:
            if digest not in self._sizes or size not in (-1, self._sizes[digest]):
                return self._gone(digest)
        return ""

    def _gone(self, digest: str) -> str:
        return f"{digest} is {'damaged' if digest in self._damaged else 'missing'}"


@dataclass(frozen=True, slots=True)
class _Record:
    """A record: when it was used last (seconds since 1970), all digests in it, and as far as it is
    one of these, the digest of the image, the keys of its stages, the layers of a stage."""

    path: Path
    size: int
    used: float
    digests: frozenset[str]
    document: Mapping[str, Any] | None

    @staticmethod
    def read(path: Path) -> _Record:
        content, status = path.read_bytes(), path.stat()
        named = frozenset(digest.decode("ascii") for digest in _NAMED.findall(content))
        return _Record(path, status.st_size, status.st_mtime, named, _parsed(content))

    @property
    def image(self) -> str:
        document = self.document or {}
        return str(document["digest"]) if {"digest", "size"} <= set(document) else ""

    @property
    def stages(self) -> frozenset[str]:
        stages = (self.document or {}).get("stages")
        return (
            frozenset(map(str, stages)) if self.image and isinstance(stages, list) else frozenset()
        )

    @property
    def layers(self) -> dict[str, str]:
        """The names of the layers of a stage by their digests."""
        try:
            return {layer.digest: layer.name for layer in _layers(self.document or {})}
        except InputError:
            return {}

    def removed(self, key: str, note: str) -> Removed:
        kind = _IMAGE_RECORD if self.image else "record"
        return Removed(kind, key, self.size, note, self.path)


def _layers(document: Mapping[str, Any]) -> tuple[Layer, ...]:
    if "fragment" not in document:
        return ()
    return Document(document["fragment"], "fragment").each("layers", Layer.from_json)


def _relied_on(document: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the blobs that a record relies on, with their sizes (-1 where it tells none)."""
    described = [(layer.digest, layer.size) for layer in _layers(document)]
    if document.get("paths"):
        described.append((Document(document).text("paths"), -1))
    if "indexes" in document:
        digests = Document(document).each("indexes", lambda item: item.text("digest"))
        described += [(digest, -1) for digest in digests]
    return described


def _layer_names(records: Iterable[_Record]) -> dict[str, str]:
    return {digest: name for record in records for digest, name in record.layers.items()}


def _reached(roots: Iterable[str], blobs: Mapping[str, Path]) -> set[str]:
    """Return ``roots`` and what manifests among them name, and so on."""
    reached: set[str] = set()
    waiting = set(roots)
    while waiting:
        digest = waiting.pop()
        reached.add(digest)
        if digest in blobs:
            waiting |= _named_in(blobs[digest]) - reached
    return reached


def _named_in(path: Path) -> set[str]:
    with path.open("rb") as file:
        # All else that is here starts otherwise: a tar with a name, an index of zlib's with 0x78.
        if file.read(1) != b"{" or os.fstat(file.fileno()).st_size > _LARGEST_MANIFEST:
            return set()
        return {digest.decode("ascii") for digest in _NAMED.findall(file.read())}


def _is_damaged(digest: str, path: Path) -> bool:
    found = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except FileNotFoundError:
        # Somebody has removed it since: what is missing is told by what relies on it.
        return False
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return True
    return f"sha256:{found.hexdigest()}" != digest


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _said(item: Mapping[str, Any]) -> Mapping[str, Any]:
    said: Mapping[str, Any] = item.get("annotations", {})
    return said


def _removed_item(item: Mapping[str, Any], note: str) -> Removed:
    digest = str(item.get("digest"))
    if SUBJECT in _said(item):
        return Removed("artifact", digest, 0, note)
    return Removed("name", str(_said(item).get(REF_NAME, digest)), 0, note)


def _ordered(going: Iterable[Removed]) -> tuple[Removed, ...]:
    return tuple(sorted(going, key=lambda one: (_ORDER.index(one.kind), one.name)))


def _remove(store: Store, going: Sequence[Removed]) -> None:
    """Remove what is ordered; the store is held."""
    listed = {(one.kind, one.name) for one in going if one.path is None}
    for one in going:
        if one.kind == _IMAGE_RECORD and one.path is not None:
            one.path.unlink()
    if _INDEX in listed:
        store.put_items([])
    elif listed:
        store.put_items([item for item in store.items() if _identity(item) not in listed])
    for one in going:
        if one.kind != _IMAGE_RECORD and one.path is not None:
            one.path.unlink()


def _identity(item: Mapping[str, Any]) -> tuple[str, str]:
    removed = _removed_item(item, "")
    return removed.kind, removed.name
