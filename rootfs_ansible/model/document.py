"""Reading a JSON document into typed values, with the place of every mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from rootfs_ansible.errors import InputError
from rootfs_ansible.model.path import ImagePath

Value = TypeVar("Value")


class Document:
    """One JSON object and its name in the document it came from.

    Every reader raises ``InputError`` with the path of the value (``layers[0].digest``) when the
    value is missing or of another type: what crosses a connection is never trusted.
    """

    __slots__ = ("_data", "_where")

    def __init__(self, data: object, where: str = "document") -> None:
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: expected an object, got {_named(data)}")
        self._data: Mapping[str, Any] = data
        self._where = where

    def text(self, name: str, default: str | None = None) -> str:
        """Return a string."""
        return self._typed(name, str, default)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self._typed(name, int, default)
        if isinstance(value, bool):
            raise InputError(f"{self._where}.{name}: expected a number, got a boolean")
        return value

    def boolean(self, name: str, default: bool | None = None) -> bool:
        """Return a boolean."""
        return self._typed(name, bool, default)

    def path(self, name: str) -> ImagePath:
        """Return a path inside an image."""
        return self._path(self.text(name), name)

    def optional_path(self, name: str) -> ImagePath | None:
        """Return a path inside an image, or nothing where the name is absent or null."""
        return None if self._data.get(name) is None else self.path(name)

    def paths(self, name: str) -> tuple[ImagePath, ...]:
        """Return a list of paths inside an image; empty where the name is absent."""
        return tuple(self._path(text, name) for text in self.texts(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; empty where the name is absent."""
        values = self._typed(name, list, [])
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise InputError(
                    f"{self._where}.{name}[{index}]: expected a string, got {_named(value)}"
                )
        return tuple(values)

    def text_or_texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, also where it is written as its only one."""
        if isinstance(value := self._data.get(name), str):
            return (value,)
        self._typed(name, list, None)
        return self.texts(name)

    def mapping(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings; empty where the name is absent."""
        values = self._typed(name, dict, {})
        for key, value in values.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise InputError(
                    f"{self._where}.{name}.{key}: expected a string, got {_named(value)}"
                )
        return dict(values)

    def each(self, name: str, parse: Callable[[Document], Value]) -> tuple[Value, ...]:
        """Return a list of objects, each as ``parse`` reads it; empty where absent."""
        return tuple(parse(item) for item in self._documents(name))

    def _documents(self, name: str) -> Iterator[Document]:
        for index, value in enumerate(self._typed(name, list, [])):
            yield Document(value, f"{self._where}.{name}[{index}]")

    def _typed(self, name: str, kind: type[Value], default: Value | None) -> Value:
        value = self._data.get(name, default)
        if value is None and default is not None:
            value = default
        if not isinstance(value, kind):
            raise InputError(f"{self._where}.{name}: expected {kind.__name__}, got {_named(value)}")
        return value

    def _path(self, text: str, name: str) -> ImagePath:
        try:
            return ImagePath(text)
        except InputError as error:
            raise InputError(f"{self._where}.{name}: {error.what}") from error


def _named(value: object) -> str:
    return "nothing" if value is None else type(value).__name__
