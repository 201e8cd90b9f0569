"""One picture file to bytes (C, H, W): checked before it is decoded."""

import io
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from aecore.foundation.errors import BadInput
from aecore.pictures.arrays import to_bytes

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "PPM", "TIFF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".tif", ".tiff", ".bmp")
MAX_PIXELS = 16 * 10**6
MAX_BYTES = 50 * 2**20


def open_picture(data: bytes) -> Image.Image:
    """The picture's header, by content whatever its name; nothing is decoded yet.

    Raises `BadInput` when it is empty, over 50 MiB, of no known format, or of more than 16 million pixels.
    """
    if not data:
        raise BadInput("It is empty.")
    if len(data) > MAX_BYTES:
        raise BadInput(f"It is {len(data) / 2**20:.0f} MiB large; at most {MAX_BYTES // 2**20} MiB are read.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's own limits lie far above ours and stay as they are: changing them would change them for everybody.
        raise BadInput(f"It has far more than {MAX_PIXELS // 10**6} million pixels; make it smaller.") from None
    except Exception:  # decoders meet hostile bytes with every kind of exception, all meaning the same
        raise BadInput("It is no picture that can be read (PNG, JPEG, GIF, WebP, PGM, PPM, TIFF, BMP).") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadInput(
            f"It is {width} × {height} pixels; at most {MAX_PIXELS // 10**6} million are read, so make it smaller."
        )
    return image


def render(
    image: Image.Image, size: tuple[int, int], channels: Literal[1, 3]
) -> tuple[UInt8[np.ndarray, "c h w"], tuple[str, ...]]:
    """(C, H, W) bytes for `size` (H, W), and in words what was changed.

    The first frame, turned upright as its EXIF orientation says, 16 bits scaled to 8 by v · 255 / 65535, transparency
    put on white, CMYK and palettes to RGB, grey by luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). The largest
    centred part of the wanted proportions is resampled with a Lanczos filter widened to the reduction. A picture that
    has the wanted size already keeps its exact pixels. Raises `BadInput` when it cannot be decoded.
    """
    notes: list[str] = []
    try:
        if getattr(image, "is_animated", False):  # Pillow defines it only for formats that can be animated
            notes.append("only the first of its frames is used")
        # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size; twice the wanted size loses nothing that is kept.
        image.draft(None, (2 * max(size), 2 * max(size)))
        upright = ImageOps.exif_transpose(image)
        eight_bit = _eight_bit(upright)
        if eight_bit.has_transparency_data:
            notes.append("its transparent parts are put on white")
            eight_bit = _on_white(eight_bit)
        plain = eight_bit.convert("L" if channels == 1 else "RGB")
        fitted = ImageOps.fit(plain, (size[1], size[0]), Image.Resampling.LANCZOS)
    except BadInput:
        raise
    except Exception as error:  # as in `open_picture`
        raise BadInput(f"It cannot be decoded; it may be cut off or damaged ({type(error).__name__}).") from None
    pixels = np.asarray(fitted, np.uint8)
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)), tuple(notes)


def _eight_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bits (Pillow's modes `I;16…` and `I`) and real numbers (`F`) as 8-bit grey."""
    if image.mode == "F":
        return Image.fromarray(to_bytes(np.asarray(image)))
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadInput("Its whole numbers go beyond 16 bits; save it with 8 or 16 bits.")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """White, because that is the page behind a transparent drawing wherever people see one; black would hide ink."""
    coloured = image.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(white, coloured).convert("RGB")
