"""A badge with a text on it, drawn by cairo."""

from __future__ import annotations

import io

import cairo

WIDTH, HEIGHT = 240, 40


def badge(text: str) -> bytes:
    """Return a PNG image of a text."""
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, WIDTH, HEIGHT)
    context = cairo.Context(surface)
    context.set_source_rgb(1, 1, 1)
    context.paint()
    context.set_source_rgb(0, 0, 0)
    context.select_font_face("DejaVu Sans")
    context.set_font_size(20)
    context.move_to(10, 27)
    context.show_text(text)
    found = io.BytesIO()
    surface.write_to_png(found)
    return found.getvalue()
