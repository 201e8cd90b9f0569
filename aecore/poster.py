"""Maps for documents: all of an atlas as one picture, or one map as a drawing of lines and dots."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from aecore import pictures
from aecore.atlas import EDGE, Atlas, Panel
from aecore.colouring import Colouring, colouring
from aecore.session import Pictures

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
    images = _framed(pictures.reduced(atlas.pictures(order)), colouring.rgb[order])
    factor = max(1, THUMBNAIL * side // 360 // max(images.shape[2:]))
    return pictures.scatter_thumbnails(panel.places[order], images, (side, side), factor, (-EDGE, EDGE, -EDGE, EDGE))


def _framed(images: Pictures, rgb: UInt8[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3 a b"]:
    n, _, h, w = images.shape
    framed = np.empty((n, 3, h + 2, w + 2), np.uint8)
    framed[:] = rgb[:, :, None, None]
    framed[:, :, 1:-1, 1:-1] = pictures.to_bytes8(images)
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
    canvas = Image.new("RGB", (width, top + SIDE + 5 * _LINE + _MARGIN), pictures.WHITE)
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
    side, radius = 2 * SIDE, 9
    image = Image.new("RGB", (side, side), pictures.WHITE)
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
