"""A directory seen as the / of an image: the only place where an image's paths are opened."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rootfs_ansible.errors import ClosureError
from rootfs_ansible.model.manifest import Kind
from rootfs_ansible.model.path import ImagePath

# Linux follows at most 40 links in one look-up (path_resolution(7)); a loop is one link more.
MOST_LINKS = 40

# Attributes in which container engines keep their own records, not the image's.
_ENGINES_OWN = ("user.overlay.", "user.fuseoverlayfs.", "user.containers.", "user.rootless")

# A FIFO must not hold up the open that finds out that it is one.
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}


@dataclass(frozen=True, slots=True)
class Resolution:
    """Where a path leads.

    ``path`` has no link in it. ``links`` are the symlinks passed on the way, first to last, and
    ``crossed`` the directories that a ``..`` left again: without any of them the way is cut.
    """

    path: ImagePath
    links: tuple[ImagePath, ...] = ()
    crossed: tuple[ImagePath, ...] = ()


class _Place(NamedTuple):
    """A resolution in the making; as text, where the root is the empty string."""

    real: str
    links: tuple[str, ...]
    crossed: tuple[str, ...]
    directory: bool


class _LoopError(Exception):
    """A look-up met more links than Linux follows."""


_TOP = _Place("", (), (), True)


class Root:
    """A directory seen as the / of an image: no path, link or ``..`` leaves it.

    The tree must not change while a ``Root`` reads it: directories and links are looked up once.
    Names are UTF-8 with surrogate escapes, whatever the locale. What exists but cannot be read
    is a ``ClosureError``.
    """

    def __init__(self, directory: Path) -> None:
        self._prefix = os.fsencode(os.path.realpath(directory)).rstrip(b"/")
        self._directories: dict[str, _Place | None] = {"": _TOP}
        self._steps: dict[str, _Place | None] = {}

    def host_path(self, path: ImagePath) -> bytes | None:
        """Return where the host has ``path``, its last name not followed.

        It is the one place where a path of the image becomes one of the host: the parents hold
        no link any more, so the system follows none. Nothing where a parent is absent.
        """
        above, _, name = path.text.rpartition("/")
        parent = self._directory(above)
        if parent is None or not parent.directory:
            return None
        return self._host(f"{parent.real}/{name}")

    def lstat(self, path: ImagePath) -> os.stat_result | None:
        """Return the status of ``path``, a last symlink not followed; nothing where absent."""
        host = self.host_path(path)
        return None if host is None else _lstat(host, path.text)

    def readlink(self, path: ImagePath) -> str:
        """Return the target text of the symlink ``path``."""
        return _readlink(self._existing(path), path.text)

    def names(self, path: ImagePath) -> tuple[str, ...]:
        """Return the sorted names in the directory ``path``; a last symlink is not followed."""
        try:
            handle = self._open_directory(path)
            try:
                with os.scandir(handle) as found:
                    return tuple(sorted(_name(item.name) for item in found))
            finally:
                os.close(handle)
        except OSError as error:
            raise _unreadable(path.text, error) from None

    def entries(self, path: ImagePath) -> tuple[tuple[str, os.stat_result], ...]:
        """Return what ``names`` does, each with the status that ``lstat`` gives, in fewer steps."""
        try:
            handle = self._open_directory(path)
            try:
                with os.scandir(handle) as found:
                    listed = [
                        (_name(item.name), item.stat(follow_symlinks=False)) for item in found
                    ]
            finally:
                os.close(handle)
        except OSError as error:
            raise _unreadable(path.text, error) from None
        return tuple(sorted(listed, key=lambda item: item[0]))

    def kinds(self, path: ImagePath) -> tuple[tuple[str, Kind | None], ...]:
        """Return what ``names`` does, each with its kind (none of an image's: nothing), by what the
        directory itself says: most file systems need no look at each file for that."""
        try:
            handle = self._open_directory(path)
            try:
                with os.scandir(handle) as found:
                    listed = [(_name(item.name), _kind(item)) for item in found]
            finally:
                os.close(handle)
        except OSError as error:
            raise _unreadable(path.text, error) from None
        return tuple(sorted(listed, key=lambda item: item[0]))

    def open(self, path: ImagePath) -> BinaryIO:
        """Open the regular file ``path`` for reading; a last symlink is not followed."""
        return os.fdopen(self.descriptor(path), "rb")

    def descriptor(self, path: ImagePath) -> int:
        """Open as ``open`` does, for who reads without a buffer and closes it by itself."""
        try:
            handle = os.open(self._existing(path), _READING)
        except OSError as error:
            raise _unreadable(path.text, error) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise ClosureError("is no regular file", where=path.text)
        return handle

    def head(self, path: ImagePath, size: int) -> bytes:
        """Return the first ``size`` bytes of the regular file ``path``, or all it has."""
        try:
            # Where it is no regular file any more, this neither waits nor follows.
            handle = os.open(self._existing(path), _READING)
            try:
                return os.read(handle, size)
            finally:
                os.close(handle)
        except OSError as error:
            raise _unreadable(path.text, error) from None

    def read(self, path: ImagePath, handle: int, size: int) -> bytes:
        """Return the next ``size`` bytes, or all there are, of ``handle``, a descriptor of
        ``path``."""
        try:
            content = os.read(handle, size)
            while 0 < len(content) < size - 1 and (more := os.read(handle, size - len(content))):
                content += more
        except OSError as error:
            raise _unreadable(path.text, error) from None
        return content

    def xattrs(self, path: ImagePath, opened: int | None = None) -> tuple[tuple[str, str], ...]:
        """Return the extended attributes that belong to an image, by name, in hexadecimal.

        ``opened`` is a descriptor of ``path``, where there is one.

        These are file capabilities (``security.capability``) and the users' own (``user.*``);
        labels of the host's security modules are not.
        """
        try:
            # A descriptor names what it is for; a path may be that of a symlink.
            of: int | bytes = self._existing(path) if opened is None else opened
            follow = opened is not None
            found = [
                (name, os.getxattr(of, name, follow_symlinks=follow).hex())
                for name in os.listxattr(of, follow_symlinks=follow)
                if name == "security.capability"
                or (name.startswith("user.") and not name.startswith(_ENGINES_OWN))
            ]
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                return ()
            raise _unreadable(path.text, error) from None
        if any("=" in name for name, _ in found):
            what = "has an extended attribute with = in its name, which no archive can tell"
            raise ClosureError(what, where=path.text, hint="remove the attribute")
        return tuple(sorted(found)) if found else ()

    def resolve(self, path: ImagePath) -> Resolution | None:
        """Follow ``path`` to the end; nothing where it is absent, dangles or goes in circles."""
        above, _, name = path.text.rpartition("/")
        parent = self._directory(above)
        if parent is None or not parent.directory:
            return None
        if not name:
            return Resolution(path)
        try:
            place = self._step(parent.real, name, 0)
        except _LoopError:
            return None
        if place is None:
            return None
        if not parent.links and place.real == path.text:
            return Resolution(path)
        return _resolution(_join(parent, place))

    def follow(self, directory: ImagePath, text: str) -> Resolution | None:
        """Follow ``text`` from ``directory``, each ``..`` taken where the links before it led.

        That is how the system reads the target of a symlink or a search path, and what the
        normal form of an ``ImagePath`` cannot say; nothing as in ``resolve``.
        """
        base = self._directory(directory.text.rstrip("/"))
        if base is None or not base.directory:
            return None
        try:
            place = self._walk(base.real, text, 0)
        except _LoopError:
            return None
        if place is None:
            return None
        return _resolution(place if text.startswith("/") else _join(base, place))

    def _directory(self, text: str) -> _Place | None:
        """Resolve the path of a directory, once."""
        if text in self._directories:
            return self._directories[text]
        try:
            place = self._walk("", text, 0)
        except _LoopError:
            place = None
        # One text for both, where they are the same.
        self._directories[place.real if place and place.real == text else text] = place
        return place

    def _walk(self, base: str, text: str, depth: int) -> _Place | None:
        """Take ``text`` name by name from the real directory ``base``, or from the root."""
        at = _TOP if text.startswith("/") else _Place(base, (), (), True)
        for name in text.split("/"):
            if not at.directory:
                return None
            if name in ("", "."):
                continue
            if name == "..":
                crossed = at.crossed
                # What holds the start is there anyway.
                if not f"{base}/".startswith(f"{at.real}/"):
                    crossed += (at.real,)
                at = at._replace(real=at.real.rpartition("/")[0], crossed=crossed)
                continue
            step = self._step(at.real, name, depth)
            if step is None:
                return None
            at = _join(at, step)
            if len(at.links) > MOST_LINKS:
                raise _LoopError
        return at

    def _step(self, parent: str, name: str, depth: int) -> _Place | None:
        """Resolve one name in the real directory ``parent``; files alone are not remembered."""
        text = f"{parent}/{name}"
        if text in self._steps:
            return self._steps[text]
        host = self._host(text)
        status = _lstat(host, text)
        if status is None:
            return None
        place: _Place | None
        if stat.S_ISLNK(status.st_mode):
            if depth == MOST_LINKS:
                raise _LoopError
            place = self._walk(parent, _readlink(host, text), depth + 1)
            if place is not None:
                place = place._replace(links=(text, *place.links))
        elif stat.S_ISDIR(status.st_mode):
            place = _Place(text, (), (), True)
        else:
            return _Place(text, (), (), False)
        self._steps[text] = place
        return place

    def _open_directory(self, path: ImagePath) -> int:
        return os.open(self._existing(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def _existing(self, path: ImagePath) -> bytes:
        host = self.host_path(path)
        if host is None:
            raise ClosureError("there is no such path", where=path.text)
        return host

    def _host(self, text: str) -> bytes:
        return self._prefix + text.encode("utf-8", "surrogateescape")


def _join(before: _Place, after: _Place) -> _Place:
    if not before.links and not before.crossed:
        return after
    return after._replace(links=before.links + after.links, crossed=before.crossed + after.crossed)


def _resolution(place: _Place) -> Resolution:
    return Resolution(
        ImagePath(place.real or "/"),
        tuple(map(ImagePath, dict.fromkeys(place.links))),
        tuple(map(ImagePath, dict.fromkeys(place.crossed))),
    )


def _lstat(host: bytes, text: str) -> os.stat_result | None:
    try:
        return os.lstat(host)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise _unreadable(text, error) from None


def _readlink(host: bytes, text: str) -> str:
    try:
        return _text(os.readlink(host))  # noqa: PTH115 - a Path cannot be bytes
    except OSError as error:
        raise _unreadable(text, error) from None


def _kind(item: os.DirEntry[str]) -> Kind | None:
    if item.is_symlink():
        return Kind.SYMLINK
    if item.is_dir(follow_symlinks=False):
        return Kind.DIRECTORY
    return Kind.FILE if item.is_file(follow_symlinks=False) else None


def _name(listed: str) -> str:
    if listed.isascii():
        return listed
    # A descriptor is listed as text in the locale's encoding; go back to the bytes.
    return _text(os.fsencode(listed))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _unreadable(text: str, error: OSError) -> ClosureError:
    hint = "run the export as a user that may read the whole tree" * (error.errno == errno.EACCES)
    return ClosureError(f"cannot be read: {error.strerror}", where=text, hint=hint)
