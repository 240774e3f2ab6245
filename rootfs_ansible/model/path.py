"""The path of a file inside an image."""

from __future__ import annotations

import posixpath
from functools import total_ordering

from rootfs_ansible.errors import InputError


@total_ordering
class ImagePath:
    """An absolute, normalised path inside an image; never a path of the host.

    It is no ``os.PathLike``: only a ``Root`` can turn it into something that opens. Bytes that
    are not UTF-8 are kept as surrogate escapes (PEP 383).
    """

    __slots__ = ("text",)

    text: str

    def __init__(self, text: str) -> None:
        if not text.startswith("/") or "\0" in text:
            raise InputError(f"not an absolute path inside an image: {text!r}")
        normal = posixpath.normpath(text)
        object.__setattr__(self, "text", normal[1:] if normal.startswith("//") else normal)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an ImagePath does not change")

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"ImagePath({self.text!r})"

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImagePath) and self.text == other.text

    def __lt__(self, other: ImagePath) -> bool:
        return self.order < other.order

    def __truediv__(self, name: str) -> ImagePath:
        if "/" in name or "\0" in name or name in _NO_NAMES:
            return ImagePath(posixpath.join(self.text, name))
        # Most are names out of a directory: what is normal stays so.
        return normal(f"{self.text}/{name}" if self.text != "/" else f"/{name}")

    @property
    def parts(self) -> tuple[str, ...]:
        """The names on the way from the root; a directory sorts right before what it holds."""
        return tuple(self.text.split("/")[1:]) if self.text != "/" else ()

    @property
    def order(self) -> str:
        """A key that sorts as ``parts`` do, but is made and compared at once."""
        return self.text.replace("/", "\0")

    @property
    def name(self) -> str:
        """The last name; empty for the root."""
        return self.text.rpartition("/")[2]

    @property
    def parent(self) -> ImagePath:
        """The directory that holds it; the root is its own parent."""
        return normal(self.text.rpartition("/")[0] or "/")

    @property
    def relative(self) -> str:
        """The path without its leading slash, as a tar archive names it; ``.`` for the root."""
        return self.text[1:] or "."

    def parents(self) -> tuple[ImagePath, ...]:
        """Every directory above it, the root first."""
        found: list[ImagePath] = []
        at = self
        while at.text != "/":
            at = at.parent
            found.append(at)
        return tuple(reversed(found))

    def is_below(self, directory: ImagePath) -> bool:
        """Say whether it is ``directory`` or anything in it."""
        return (
            directory.text == "/"
            or self.text == directory.text
            or self.text.startswith(directory.text + "/")
        )


def normal(text: str) -> ImagePath:
    """Return the path of a text that is normal already."""
    path = _new(ImagePath)
    _set_text(path, text)
    return path


_new = ImagePath.__new__
# It never changes, so nothing else gets past __setattr__.
_set_text = ImagePath.__dict__["text"].__set__
_NO_NAMES = {"", ".", ".."}

ROOT = ImagePath("/")
