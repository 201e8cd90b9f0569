"""Read one picture file as bytes (C, H, W): checked before it is decoded."""

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
    """Read the header of a picture, whose format is recognised by content; nothing is decoded yet.

    Raises `BadInput` when it is empty, over 50 MiB, of no known format, or of more than 16 million pixels.
    """
    if not data:
        raise BadInput("It is empty.")
    if len(data) > MAX_BYTES:
        raise BadInput(f"It is {len(data) / 2**20:.0f} MiB large; at most {MAX_BYTES // 2**20} MiB are read.")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        # Pillow's limits are far above ours. They are not changed, because they are global to the process.
        raise BadInput(f"It has far more than {MAX_PIXELS // 10**6} million pixels; make it smaller.") from None
    except Exception:  # hostile bytes break decoders in many ways, all meaning the same
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
    """Decode a picture to bytes (C, H, W) of `size` (H, W), with a description of each change that loses something.

    The first frame is turned upright by its EXIF orientation; 16 bits are scaled to 8 by v · 255 / 65535; transparency
    is put on white; CMYK and palettes become RGB; grey is the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). The
    largest centred part of the target's proportions is resampled with a Lanczos filter, as wide as the reduction needs.
    A picture of the target size keeps its exact pixels. Raises `BadInput` when it cannot be decoded.
    """
    notes: list[str] = []
    try:
        if getattr(image, "is_animated", False):  # Pillow defines it only for formats that can be animated
            notes.append("only the first of its frames is used")
        # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size; at twice the target size nothing visible is lost.
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
    """Convert 16-bit grey (Pillow's modes `I;16…` and `I`) and real numbers (`F`) to 8-bit grey."""
    if image.mode == "F":
        return Image.fromarray(to_bytes(np.asarray(image)))
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 65535:
        raise BadInput("Its whole numbers go beyond 16 bits; save it with 8 or 16 bits.")
    return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Put transparency on white: most people draw on a white page, and dark strokes would vanish on black."""
    coloured = image.convert("RGBA")
    white = Image.new("RGBA", coloured.size, "white")
    return Image.alpha_composite(white, coloured).convert("RGB")
