"""Maps for documents: all of an atlas as one picture, or one map as a drawing of lines and dots."""

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
THUMBNAIL = 24
"""About the side of a thumbnail on a map, in pixels, where the images are smaller."""

MOST_THUMBNAILS = 4000
"""Among so many images, in random order, those are looked for that fit; more would hardly fill a gap."""


def thumbnails(
    atlas: Atlas, panel: Panel, colouring: Colouring, side: int, chosen: Sequence[int] | None = None
) -> UInt8[np.ndarray, "s s 4"]:
    """A transparent layer, `side` pixels square, with as many images, framed in their colour, as fit without overlap.

    Pictures larger than about 40 pixels are reduced by a whole number, small ones enlarged by one. `chosen` restricts
    them to some of the images.
    """
    candidates = np.arange(len(atlas)) if chosen is None else np.asarray(chosen, np.int64)
    order = np.random.default_rng(0).permutation(candidates)[:MOST_THUMBNAILS]
    images = _framed(sheets.reduced(atlas.pictures(order)), colouring.rgb[order])
    factor = max(1, THUMBNAIL * side // 360 // max(images.shape[2:]))
    return sheets.scatter_thumbnails(panel.places[order], images, (side, side), factor, (-EDGE, EDGE, -EDGE, EDGE))


def _framed(images: Pictures, rgb: UInt8[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3 a b"]:
    n, _, h, w = images.shape
    framed = np.empty((n, 3, h + 2, w + 2), np.uint8)
    framed[:] = rgb[:, :, None, None]
    framed[:, :, 1:-1, 1:-1] = sheets.to_bytes8(images)
    return framed


SIDE = 720
_MARGIN, _TITLE, _LINE = 36, 64, 30
_INK, _GREY = (30, 36, 48), (95, 104, 118)


def poster(atlas: Atlas, colours: str, heading: str, with_thumbnails: bool) -> UInt8[np.ndarray, "h w 3"]:
    """The maps with titles, figures and legend as one picture for documents, dark on white. `colours` is a name of
    `colourings`; raises `BadInput` for any other.
    """
    width = len(atlas.panels) * (SIDE + _MARGIN) + _MARGIN
    top = 2 * _MARGIN + _TITLE + _LINE
    canvas = Image.new("RGB", (width, top + SIDE + 5 * _LINE + _MARGIN), sheets.WHITE)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(size=30), ImageFont.load_default(size=20)
    draw.text((_MARGIN, _MARGIN), heading, fill=_INK, font=large)
    for i, panel in enumerate(atlas.panels):
        own = colouring(atlas, colours, panel)
        left = _MARGIN + i * (SIDE + _MARGIN)
        draw.text((left, top - 36), panel.title, fill=_INK, font=ImageFont.load_default(size=24))
        canvas.paste(_dots(panel, own), (left, top))
        if with_thumbnails:
            layer = Image.fromarray(thumbnails(atlas, panel, own, SIDE))
            canvas.paste(layer, (left, top), layer)
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=(205, 210, 218))
        words = ", ".join(f"{name} {value}" for name, value in _short(panel.quality))
        draw.text((left, top + SIDE + 10), words, fill=_GREY, font=small)
    _draw_legend(draw, colouring(atlas, colours), top + SIDE + 2 * _LINE, width, small)
    draw.text((_MARGIN, top + SIDE + 4 * _LINE), atlas.note, fill=_GREY, font=small)
    return np.asarray(canvas)


def _short(quality: Mapping[str, float]) -> list[tuple[str, str]]:
    said = [("stress-1", f"{quality['stress_1']:.2f}")] if "stress_1" in quality else []
    said += [("trustworthiness", f"{quality['trustworthiness']:.2f}")] if "trustworthiness" in quality else []
    return said + ([("neighbours agree", f"{quality['knn_accuracy']:.0%}")] if "knn_accuracy" in quality else [])


def _dots(panel: Panel, colouring: Colouring) -> Image.Image:
    # Drawn at twice the size: Pillow's circles have no smooth edges.
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


# --- one map, for documents ------------------------------------------------------------------------------------------

_SHAPES = {
    "circle": ("h0", "stroke-width:{two}px;stroke-linecap:round"),
    "square": ("h0", "stroke-width:{two}px;stroke-linecap:square"),
    "diamond": ("m0-{r}l{r} {r}-{r} {r}-{r}-{r}z", "stroke-width:.4px;fill:{colour}"),
    "cross": ("m-{r}-{r}l{two} {two}m0-{two}l-{two} {two}", "stroke-width:1.2px;fill:none"),
}
"""The rest of a dot's path, and its style; `two` is twice the radius `r`."""


def panel_svg(atlas: Atlas, panel: Panel, colouring: Colouring) -> bytes:
    """One map as an SVG file: a dot an image in its class's colour and shape, with title, figures and legend."""
    radius = _radius(len(atlas))
    table = colouring.table.tolist()
    shapes = colouring.shapes if colouring.names else ("circle",) * len(table)
    dots = (panel.places * [1, -1] + EDGE) * (SIDE / (2 * EDGE)) + [_MARGIN, _MARGIN + _TITLE]
    ends = {name: _filled(shape[0], radius) for name, shape in _SHAPES.items()}
    styles = [
        f".c{i}{{stroke:{_hex(rgb)};{_filled(_SHAPES[shape][1], radius, _hex(rgb))}}}"
        for i, (rgb, shape) in enumerate(zip(table, shapes, strict=True))
    ]
    drawn = [
        f'<path class="c{i}" d="M{x:.1f} {y:.1f}{ends[shapes[i]]}"/>'
        for (x, y), i in zip(dots.tolist(), colouring.index.tolist(), strict=True)
    ]
    words = ", ".join(f"{name} {value}" for name, value in _short(panel.quality))
    legend, depth = _svg_legend(colouring, _MARGIN + _TITLE + SIDE + 2 * _LINE)
    width, height = SIDE + 2 * _MARGIN, depth + 2 * _LINE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
            f"<title>{html.escape(panel.title)}</title>",
            f"<style>{''.join(styles)}text{{fill:#1e2430;font-size:16px}}</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            f'<text x="{_MARGIN}" y="{_MARGIN + 30}" style="font-size:24px">{html.escape(panel.title)}</text>',
            f'<text x="{_MARGIN}" y="{_MARGIN + 54}">{html.escape(words)}</text>',
            f'<rect x="{_MARGIN}" y="{_MARGIN + _TITLE}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#cdd2da"/>',
            *drawn,
            *legend,
            f'<text x="{_MARGIN}" y="{depth + _LINE}" style="font-size:13px">{html.escape(atlas.note)}</text>',
            "</svg>\n",
        ]
    ).encode()


def _radius(n: int) -> float:
    """Smaller dots where there are many, so that a crowd stays a texture."""
    return round(min(4.0, max(0.8, 110 / n**0.5)), 2)


def _filled(pattern: str, radius: float, colour: str = "") -> str:
    return pattern.format(r=f"{radius:g}", two=f"{2 * radius:g}", colour=colour)


def _hex(rgb: Sequence[int]) -> str:
    return "#" + bytes(rgb).hex()


def _svg_legend(colouring: Colouring, y: int) -> tuple[list[str], int]:
    """The lines of the legend, and how far down they reach."""
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
        wide = 42 + font.getlength(name)
        if x > _MARGIN and x + wide > SIDE + _MARGIN:
            x, y = float(_MARGIN), y + _LINE
        end = _filled(_SHAPES[shape][0], 4.0)
        lines.append(f'<path class="c{i}" style="{_thick(shape)}" d="M{x + 8:.1f} {y - 5}{end}"/>')
        lines.append(f'<text x="{x + 20:.1f}" y="{y}">{html.escape(name)}</text>')
        x += wide
    return lines, y


def _thick(shape: str) -> str:
    return "stroke-width:8px" if shape in ("circle", "square") else ""
