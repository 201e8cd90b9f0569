"""Draw maps for documents: an atlas as one raster picture, or one map as an SVG file."""

import html
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from aecore.maps.atlas import Atlas
from aecore.maps.colours import Colouring, colouring
from aecore.maps.panel import EDGE, Panel
from aecore.parts.data import Pictures
from aecore.pictures import sheets

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
SIDE = 720
"""Side of a map in pixels."""
LEGEND_RADIUS = 4.0
"""Radius of the dots in the legend of an SVG file."""
_MARGIN, _TITLE, _LINE = 36, 64, 30
_INK, _GREY = (30, 36, 48), (95, 104, 118)
THUMBNAIL = 24
"""Side, in pixels, to which smaller images are enlarged approximately, on a map of 360 pixels."""

MAX_CANDIDATES = 4000
"""Images, in random order, that are tried as thumbnails; more would hardly fill another gap."""


def thumbnails(
    atlas: Atlas, panel: Panel, colouring: Colouring, side: int, chosen: Sequence[int] | None = None
) -> UInt8[np.ndarray, "s s 4"]:
    """Draw as many images as fit without overlap, framed in their colour, on a transparent layer `side` pixels square.

    Pictures larger than about 40 pixels are reduced by an integer factor, small ones enlarged by one. With `chosen`,
    only these images are drawn.
    """
    candidates = np.arange(len(atlas)) if chosen is None else np.asarray(chosen, np.int64)
    order = np.random.default_rng(0).permutation(candidates)[:MAX_CANDIDATES]
    images = _framed(sheets.reduced(atlas.pictures(order)), colouring.rgb[order])
    factor = max(1, THUMBNAIL * side // 360 // max(images.shape[2:]))
    return sheets.scatter_thumbnails(panel.places[order], images, (side, side), factor, (-EDGE, EDGE, -EDGE, EDGE))


def _framed(images: Pictures, rgb: UInt8[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3 a b"]:
    n, _, h, w = images.shape
    framed = np.empty((n, 3, h + 2, w + 2), np.uint8)
    framed[:] = rgb[:, :, None, None]
    framed[:, :, 1:-1, 1:-1] = sheets.to_bytes8(images)
    return framed


def poster(atlas: Atlas, colours: str, heading: str, with_thumbnails: bool) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the maps with titles, figures and legend as one picture, dark on white. `colours` is one of `colourings`.

    Raises `BadInput` for any other name.
    """
    width = len(atlas.panels) * (SIDE + _MARGIN) + _MARGIN
    top = 2 * _MARGIN + _TITLE + _LINE
    canvas = Image.new("RGB", (width, top + SIDE + 5 * _LINE + _MARGIN), sheets.WHITE)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(size=30), ImageFont.load_default(size=20)
    draw.text((_MARGIN, _MARGIN), heading, fill=_INK, font=large)
    for i, panel in enumerate(atlas.panels):
        coloured = colouring(atlas, colours, panel)
        left = _MARGIN + i * (SIDE + _MARGIN)
        draw.text((left, top - 36), panel.title, fill=_INK, font=ImageFont.load_default(size=24))
        canvas.paste(_dots(panel, coloured), (left, top))
        if with_thumbnails:
            layer = Image.fromarray(thumbnails(atlas, panel, coloured, SIDE))
            canvas.paste(layer, (left, top), layer)
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=(205, 210, 218))
        draw.text((left, top + SIDE + 10), _caption(panel.quality), fill=_GREY, font=small)
    _draw_legend(draw, colouring(atlas, colours), top + SIDE + 2 * _LINE, width, small)
    draw.text((_MARGIN, top + SIDE + 4 * _LINE), atlas.note, fill=_GREY, font=small)
    return np.asarray(canvas)


def _caption(quality: Mapping[str, float]) -> str:
    formats = {
        "stress_1": "stress-1 {:.2f}",
        "trustworthiness": "trustworthiness {:.2f}",
        "knn_accuracy": "same-class neighbours {:.0%}",
    }
    return ", ".join(form.format(quality[name]) for name, form in formats.items() if name in quality)


def _dots(panel: Panel, colouring: Colouring) -> Image.Image:
    # Drawn at twice the size and reduced, because Pillow does not antialias circles.
    side, radius = 2 * SIDE, 9 if len(panel.places) <= 2000 else 2 * _radius(len(panel.places))
    image = Image.new("RGB", (side, side), sheets.WHITE)
    draw = ImageDraw.Draw(image)
    centres = (panel.places * [1, -1] + EDGE) * (side / (2 * EDGE))
    for (x, y), rgb in zip(centres.tolist(), colouring.rgb.tolist(), strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(rgb[0], rgb[1], rgb[2]))
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def _draw_legend(draw: ImageDraw.ImageDraw, colouring: Colouring, y: int, width: int, font: Font) -> None:
    x = float(_MARGIN)
    if not colouring.names:
        for i, rgb in enumerate(colouring.table.tolist()):
            draw.rectangle((x + 5 * i, y, x + 5 * i + 5, y + 20), fill=(rgb[0], rgb[1], rgb[2]))
        words = f"{colouring.title}, {colouring.low:.3g} to {colouring.high:.3g}"
        draw.text((x + 5 * len(colouring.table) + 14, y), words, fill=_INK, font=font)
        return
    for name, colour in zip(colouring.names, colouring.colours, strict=True):
        if len(colouring.names) == 1 or x + 40 + font.getlength(name) > width - _MARGIN:
            return
        draw.ellipse((x, y + 2, x + 18, y + 20), fill=colour)
        draw.text((x + 26, y), name, fill=_INK, font=font)
        x += 26 + font.getlength(name) + 26


# --- one map as SVG --------------------------------------------------------------------------------------------------

_SHAPES = {
    "circle": ("h0", "stroke-width:{two}px;stroke-linecap:round"),
    "square": ("h0", "stroke-width:{two}px;stroke-linecap:square"),
    "diamond": ("m0-{r}l{r} {r}-{r} {r}-{r}-{r}z", "stroke-width:.4px;fill:{colour}"),
    "cross": ("m-{r}-{r}l{two} {two}m0-{two}l-{two} {two}", "stroke-width:1.2px;fill:none"),
}
"""{shape: (the path after a dot's centre, its style)}; `two` is twice the radius `r`."""


def panel_svg(atlas: Atlas, panel: Panel, colouring: Colouring) -> bytes:
    """Draw one map as an SVG file: a dot per image in its class's colour and shape, with title, figures and legend."""
    radius = _radius(len(atlas))
    table = colouring.table.tolist()
    shapes = colouring.shapes if colouring.names else ("circle",) * len(table)
    dots = (panel.places * [1, -1] + EDGE) * (SIDE / (2 * EDGE)) + [_MARGIN, _MARGIN + _TITLE]
    paths = {name: _fill_in(path, radius) for name, (path, _) in _SHAPES.items()}
    styles = [
        f".c{i}{{stroke:{_hex(rgb)};{_fill_in(_SHAPES[shape][1], radius, _hex(rgb))}}}"
        for i, (rgb, shape) in enumerate(zip(table, shapes, strict=True))
    ]
    drawn = [
        f'<path class="c{i}" d="M{x:.1f} {y:.1f}{paths[shapes[i]]}"/>'
        for (x, y), i in zip(dots.tolist(), colouring.index.tolist(), strict=True)
    ]
    legend, depth = _svg_legend(colouring, _MARGIN + _TITLE + SIDE + 2 * _LINE)
    width, height = SIDE + 2 * _MARGIN, depth + 2 * _LINE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f"<title>{html.escape(panel.title)}</title>",
            f"<style>{''.join(styles)}text{{fill:#1e2430;font-size:16px}}</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            f'<text x="{_MARGIN}" y="{_MARGIN + 30}" style="font-size:24px">{html.escape(panel.title)}</text>',
            f'<text x="{_MARGIN}" y="{_MARGIN + 54}">{html.escape(_caption(panel.quality))}</text>',
            f'<rect x="{_MARGIN}" y="{_MARGIN + _TITLE}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#cdd2da"/>',
            *drawn,
            *legend,
            f'<text x="{_MARGIN}" y="{depth + _LINE}" style="font-size:13px">{html.escape(atlas.note)}</text>',
            "</svg>\n",
        ]
    ).encode()


def _radius(n: int) -> float:
    """Return the radius of `n` dots: the more dots, the smaller, so that dense regions stay readable."""
    return round(min(4.0, max(0.8, 110 / n**0.5)), 2)


def _fill_in(pattern: str, radius: float, colour: str = "") -> str:
    return pattern.format(r=f"{radius:g}", two=f"{2 * radius:g}", colour=colour)


def _hex(rgb: Sequence[int]) -> str:
    return "#" + bytes(rgb).hex()


def _svg_legend(colouring: Colouring, y: int) -> tuple[list[str], int]:
    """Return the SVG elements of the legend, and the y coordinate of its last line."""
    if not colouring.names:
        steps = [
            f'<rect x="{_MARGIN + 4 * i}" y="{y - 14}" width="4.5" height="16" fill="{_hex(rgb)}"/>'
            for i, rgb in enumerate(colouring.table.tolist())
        ]
        words = f"{colouring.title}, {colouring.low:.3g} to {colouring.high:.3g}"
        x = _MARGIN + 4 * len(colouring.table) + 14
        return [*steps, f'<text x="{x}" y="{y}">{html.escape(words)}</text>'], y
    if len(colouring.names) == 1:
        return [], y - _LINE
    lines: list[str] = []
    font, x = ImageFont.load_default(size=16), float(_MARGIN)
    for i, (name, shape) in enumerate(zip(colouring.names, colouring.shapes, strict=True)):
        width = 42 + font.getlength(name)
        if x > _MARGIN and x + width > SIDE + _MARGIN:
            x, y = float(_MARGIN), y + _LINE
        path = _fill_in(_SHAPES[shape][0], LEGEND_RADIUS)
        style = f"stroke-width:{2 * LEGEND_RADIUS:g}px" if shape in ("circle", "square") else ""
        lines.append(f'<path class="c{i}" style="{style}" d="M{x + 8:.1f} {y - 5}{path}"/>')
        lines.append(f'<text x="{x + 20:.1f}" y="{y}">{html.escape(name)}</text>')
        x += width
    return lines, y
