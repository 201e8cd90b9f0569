"""Compose images into pictures, and encode pictures, for the app, the command line and the README alike.

Images are (N, C, H, W), floats in [0, 1] or bytes, C = 1 (grey) or 3 (colour). Pictures are bytes (H, W) grey,
(H, W, 3) colour or (H, W, 4) with transparency. Scaling is by whole numbers only.
"""

import base64
import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32, Num, UInt8
from PIL import Image, ImageDraw, ImageFont

from aecore.foundation.errors import BadInput

Stack = Num[np.ndarray, "n c h w"]
StackRows = Sequence[Num[np.ndarray, "_ _ _ _"]]
Picture = UInt8[np.ndarray, "_ _"] | UInt8[np.ndarray, "_ _ 3"] | UInt8[np.ndarray, "_ _ 4"]
Sheet = UInt8[np.ndarray, "_ _ 3"] | UInt8[np.ndarray, "_ _ 4"]
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
BLUE: Colour = (0, 114, 178)
ORANGE: Colour = (213, 94, 0)
"""The two ends of `difference`, distinct with every common kind of colour blindness. Source: Okabe & Ito (2008)."""
SPRITE_COLUMNS = 16
TILE_COLUMNS = 40
TILE_SIDE = 40
"""About the longest side of a tile in pixels: larger images are reduced by a whole number."""
HIDDEN: Colour = (94, 88, 150)
"""The colour of pixels that were hidden from a model; not a grey, so that it cannot be mistaken for one."""


def to_bytes8(images: Stack) -> UInt8[np.ndarray, "n c h w"]:
    """Clip floats to [0, 1] and round to the nearest of 256 steps; NaN becomes 0, bytes stay unchanged."""
    if images.dtype == np.uint8:
        return images
    return np.rint(np.nan_to_num(images, nan=0.0).clip(0, 1) * 255).astype(np.uint8)


def _floats(images: Stack) -> Float32[np.ndarray, "n c h w"]:
    return images.astype(np.float32) / (255 if images.dtype == np.uint8 else 1)


def _tiles(images: Stack) -> UInt8[np.ndarray, "n h w 3"]:
    """Convert to bytes with three channels, last. Raises `BadInput` unless there are one or three channels."""
    if images.shape[1] not in (1, 3):
        raise BadInput(
            f"Pictures of {images.shape[1]} channels have no colours to show; only grey (1) and colour (3) are drawn."
        )
    n, _, h, w = images.shape
    return np.broadcast_to(to_bytes8(images).transpose(0, 2, 3, 1), (n, h, w, 3))


# --- composing -------------------------------------------------------------------------------------------------------


def sheet(rows: StackRows, gap: int = 1, background: Colour | None = None) -> Sheet:
    """Arrange rows of images in one picture at native size, `gap` pixels apart.

    Without a `background` the gaps are transparent (RGBA), which suits light and dark pages; with one the sheet is
    RGB. The right end of shorter rows stays empty. Raises `BadInput` when there is no image or the images differ in
    size.
    """
    tiled = [_tiles(row) for row in rows]
    sizes = {tiles.shape[1:3] for tiles in tiled}
    columns = max((len(tiles) for tiles in tiled), default=0)
    if len(sizes) != 1 or columns == 0:
        raise BadInput(
            "A sheet needs at least one image, and all its images in one size; choose images of one dataset."
        )
    h, w = sizes.pop()
    empty = (0, 0, 0, 0) if background is None else (*background, 255)
    out = np.full((len(tiled) * (h + gap) - gap, columns * (w + gap) - gap, 4), empty, np.uint8)
    for i, tiles in enumerate(tiled):
        for j, tile in enumerate(tiles):
            top, left = i * (h + gap), j * (w + gap)
            out[top : top + h, left : left + w, :3] = tile
            out[top : top + h, left : left + w, 3] = 255
    return out if background is None else np.ascontiguousarray(out[:, :, :3])


def grid(images: Stack, columns: int, gap: int = 1, background: Colour | None = None) -> Sheet:
    """Arrange the images line by line, `columns` in each line; see `sheet`."""
    return sheet([images[i : i + columns] for i in range(0, len(images), columns)], gap, background)


def sprite(images: Stack) -> str:
    """Put all images in one picture, `SPRITE_COLUMNS` across and without gaps, as a data URI. Raises as `grid` does."""
    return data_uri(png(grid(images, SPRITE_COLUMNS, gap=0)))


def tiles(images: Stack) -> Picture:
    """Put all images, `reduced`, in one picture without gaps, `TILE_COLUMNS` in a line."""
    made = grid(reduced(images), TILE_COLUMNS, 0, WHITE)
    return made[:, :, 0] if images.shape[1] == 1 else made


def tile_size(height: int, width: int) -> tuple[int, int]:
    """Return height and width of an image in `tiles`."""
    by = _reduction(height, width)
    return height // by, width // by


def reduced(images: Stack) -> Stack:
    """Reduce the images by a whole number, to sides of about `TILE_SIDE` pixels, by the mean over blocks of pixels."""
    by = _reduction(*images.shape[2:])
    if by == 1:
        return images
    h, w = images.shape[2] // by, images.shape[3] // by
    cut = _floats(images[:, :, : h * by, : w * by])
    return cut.reshape(*cut.shape[:2], h, by, w, by).mean((3, 5)).astype(np.float32)


def _reduction(height: int, width: int) -> int:
    by = -(-max(height, width) // TILE_SIDE)
    return 1 if 0 in (height // by, width // by) else by


def filmstrip(images: Stack, gap: int = 1, background: Colour | None = None) -> Sheet:
    """Arrange the images side by side; see `sheet`."""
    return sheet([images], gap, background)


def difference(a: Stack, b: Stack, full: float = 1.0) -> UInt8[np.ndarray, "n 3 h w"]:
    """Show b − a as colours: white where equal, towards orange where `b` is brighter, towards blue where it is darker.

    Colour images are compared by the mean of the signed differences of their channels. `full` is the difference (of
    pixels in [0, 1]) that gets the full colour. Raises ValueError when the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of shape {a.shape} cannot be compared with pictures of shape {b.shape}")
    signed = np.nan_to_num(_floats(b) - _floats(a)).mean(1, keepdims=True) / full
    strength = np.abs(signed).clip(0, 1)
    ends = np.array([BLUE, ORANGE], np.float32).reshape(2, 1, 3, 1, 1)
    colour = np.where(signed < 0, ends[0], ends[1])
    return np.rint(255 + strength * (colour - 255)).astype(np.uint8)


def mark_hidden(images: Stack, visible: Bool[np.ndarray, "n 1 h w"]) -> UInt8[np.ndarray, "n 3 h w"]:
    """Convert the images to colour bytes, with pixels that are not `visible` in the colour `HIDDEN`.

    Raises `BadInput` unless there are one or three channels.
    """
    marked = np.where(visible.transpose(0, 2, 3, 1), _tiles(images), np.array(HIDDEN, np.uint8))
    return marked.transpose(0, 3, 1, 2)


def against(start: Stack, now: Stack, full: float = 1.0) -> UInt8[np.ndarray, "m 3 h w"]:
    """Stack `start`, then `now`, then their `difference`, as colour bytes for one sheet.

    Raises `BadInput` unless there are one or three channels, ValueError when the shapes differ.
    """
    shown = [_tiles(images).transpose(0, 3, 1, 2) for images in (start, now)]
    return np.concatenate([*shown, difference(start, now, full)])


def enlarge(picture: Picture, factor: int) -> Picture:
    """Draw every pixel as a square of `factor` × `factor` pixels. Raises ValueError for factors below 1."""
    if factor < 1:
        raise ValueError(f"pictures are enlarged by whole numbers from 1 on, not by {factor}")
    return picture.repeat(factor, 0).repeat(factor, 1)


def scatter_thumbnails(
    coordinates: Float[np.ndarray, "n 2"],
    images: Stack,
    size: tuple[int, int],
    factor: int = 1,
    bounds: tuple[float, float, float, float] | None = None,
) -> UInt8[np.ndarray, "_ _ 4"]:
    """Draw the images at their places on a map, y upwards, in a transparent layer of `size` (width, height) pixels.

    Images are drawn in the order given, enlarged `factor` times, except those that would overlap an earlier one or lie
    outside `bounds` (left, right, bottom, top; by default those of the points). At the border a thumbnail is moved
    inwards by up to half its size. Raises `BadInput` when a thumbnail is larger than the layer.
    """
    width, height = size
    h, w = images.shape[2] * factor, images.shape[3] * factor
    if h > height or w > width:
        raise BadInput(
            f"A map of {width} × {height} pixels has no room for thumbnails of {w} × {h}; use a smaller factor."
        )
    layer = np.zeros((height, width, 4), np.uint8)
    if len(images) == 0:
        return layer
    low, high = coordinates.min(0), coordinates.max(0)
    left, right, bottom, top = bounds or (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    across = _share(coordinates[:, 0], left, right)
    down = 1 - _share(coordinates[:, 1], bottom, top)
    inside = np.flatnonzero((across >= 0) & (across <= 1) & (down >= 0) & (down <= 1))
    x = np.rint(across * width - w / 2).clip(0, width - w)
    y = np.rint(down * height - h / 2).clip(0, height - h)
    tiles = _tiles(images)
    for i in inside:
        place = (slice(int(y[i]), int(y[i]) + h), slice(int(x[i]), int(x[i]) + w))
        if not layer[place][:, :, 3].any():
            layer[place] = 255
            layer[place][:, :, :3] = enlarge(tiles[i], factor)
    return layer


def _share(values: Float[np.ndarray, "n"], low: float, high: float) -> Float[np.ndarray, "n"]:
    """Map `low` to 0 and `high` to 1, linearly; everything to 0.5 if they are equal."""
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)


def labelled_columns(
    columns: StackRows, labels: Sequence[str], factor: int = 3, across: int = 1, gap: int = 1
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Draw columns of images for documents, each under its label, on white: original | corrupted | reconstruction.

    Each column has `across` images in a line, `gap` native pixels apart, all enlarged `factor` times. Raises ValueError
    unless there is one label for each column.
    """
    blocks = [Image.fromarray(enlarge(grid(column, across, gap, WHITE), factor)) for column in columns]
    texts = dict(zip(range(len(blocks)), labels, strict=True))
    font = ImageFont.load_default(size=16)
    margin, line = 12, 28
    widths = [max(block.width, int(np.ceil(font.getlength(texts[i])))) for i, block in enumerate(blocks)]
    height = line + max((block.height for block in blocks), default=0) + margin
    canvas = Image.new("RGB", (sum(widths) + margin * (len(widths) + 1), height), WHITE)
    draw = ImageDraw.Draw(canvas)
    left = margin
    for i, (block, width) in enumerate(zip(blocks, widths, strict=True)):
        draw.text((left + width / 2, line / 2), texts[i], fill=(40, 40, 40), font=font, anchor="mm")
        canvas.paste(block, (left + (width - block.width) // 2, line))
        left += width + margin
    return np.asarray(canvas)


# --- bytes -----------------------------------------------------------------------------------------------------------


def png(picture: Picture) -> bytes:
    """Encode as PNG; lightly compressed, because it is made at every move of a control."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def data_uri(png_bytes: bytes) -> str:
    """Encode a PNG as a `data:` URI, to embed it in a page."""
    return "data:image/png;base64," + base64.b64encode(png_bytes).decode("ascii")


def gif(frames: Sequence[Picture], milliseconds: int, factor: int = 1) -> bytes:
    """Encode an endless GIF, each frame shown for `milliseconds` (in steps of 10) and enlarged `factor` times.

    Up to 256 colours are kept exactly; more are reduced to one palette for all frames, without dithering, so that
    nothing flickers. Transparency becomes white. Raises `BadInput` when there is no frame or the frames differ in size.
    """
    flat = [_opaque(frame) for frame in frames]
    if len({frame.shape for frame in flat}) != 1:
        raise BadInput("A moving picture needs at least one frame, and all its frames in one size.")
    h = len(flat[0])
    indices, palette = _indexed(np.concatenate(flat))
    images: list[Image.Image] = []
    for i in range(len(flat)):
        image = Image.fromarray(enlarge(indices[i * h : (i + 1) * h], factor))
        image.putpalette(palette.tobytes())
        images.append(image)
    out = io.BytesIO()
    images[0].save(
        out, "GIF", save_all=True, append_images=images[1:], duration=max(10, milliseconds), loop=0, optimize=False
    )
    return out.getvalue()


def _opaque(picture: Picture) -> UInt8[np.ndarray, "h w 3"]:
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], 3, 2)
    if picture.shape[2] == 3:
        return picture
    alpha = picture[:, :, 3:].astype(np.float32) / 255
    return np.rint(picture[:, :, :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _indexed(picture: UInt8[np.ndarray, "h w 3"]) -> tuple[UInt8[np.ndarray, "h w"], UInt8[np.ndarray, "p 3"]]:
    """Return palette indices and the palette: exact up to 256 colours, else by median cut and k-means."""
    packed = picture.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    if len(colours) <= 256:
        palette = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], 1).astype(np.uint8)
        return indices.reshape(packed.shape).astype(np.uint8), palette
    reduced = Image.fromarray(picture).quantize(256, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    palette = np.array(reduced.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return np.asarray(reduced), palette
