"""What a person reads at the end of a build: what came out, and how to run it."""

from __future__ import annotations

from collections.abc import Sequence

from rootfs_ansible.model.image import Image

_UNITS = ("B", "kB", "MB", "GB", "TB")


def summary(image: Image, docker: str = "docker") -> str:
    """Return a few lines about an image: name, digest, size, its layers, and how to run it.

    ``docker`` is how the engine's client is called.
    """
    rows = [
        (layer.name, size_text(layer.size), f"{layer.files:,}", f"{layer.packages:,}")
        for layer in image.layers
    ]
    files = sum(layer.files for layer in image.layers)
    packages = sum(layer.packages for layer in image.layers)
    rows.append(("total", size_text(image.size), f"{files:,}", f"{packages:,}"))
    table = [("layer", "size", "files", "packages"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    return "\n".join(
        [
            f"image   {image.name}",
            f"digest  {image.digest}",
            "",
            *(
                "  ".join(
                    [row[0].ljust(widths[0])]
                    + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
                )
                for row in table
            ),
            "",
            *_told(image),
            f"run it  {run_command(image, docker)}",
        ]
    )


def _told(image: Image) -> list[str]:
    """Return a line on what the image's binaries name and it has not, where there is any."""
    if not image.candidates:
        return []
    repository, _, tag = image.name.rpartition(":")
    name = repository if tag == "latest" else image.name
    return [f"names   {image.candidates:,} not shipped: rootfs-ansible candidates {name}"]


def run_command(image: Image, docker: str = "docker") -> str:
    """Return the command that runs an image as it is meant to run: nothing writable but /tmp."""
    words = [f"{docker} run --rm --read-only --tmpfs /tmp --cap-drop ALL"]
    for port in image.config.ports:
        number, _, protocol = port.partition("/")
        words.append(f"-p {number}:{number}" + (f"/{protocol}" if protocol == "udp" else ""))
    return " ".join([*words, image.name])


def printable(text: str) -> str:
    """Return a line with what a build named as a terminal can show it: one line, whatever bytes
    the name is made of."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def size_text(size: int) -> str:
    """Return a number of bytes as a person reads it, in decimal units."""
    value, unit = float(size), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows, all with as many cells, as lines with columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
