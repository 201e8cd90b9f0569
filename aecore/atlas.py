"""Three maps of the same images of a run: PCA and MDS of their pixels, and the autoencoder's code, side by side."""

import csv
import dataclasses
import functools
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int16, Int64, Num, UInt8, UInt16
from PIL import Image, ImageDraw, ImageFont

from aecore import maps, pictures, points
from aecore.embeddings import CodeMap, Mds, Pca
from aecore.errors import BadInput, DataUnavailable
from aecore.parts import SPLITS, Coordinates, Data, Embedding, FittedEmbedding
from aecore.pictures import Colour
from aecore.points import stratified
from aecore.session import Pictures, Session

Font = ImageFont.ImageFont | ImageFont.FreeTypeFont
EMBEDDINGS: tuple[Embedding, ...] = (Pca(), Mds(max_iterations=300), CodeMap())
MOST_IMAGES = 1000
MOST_NUMBERS = 1_100_000
"""Images times pixels: with more, comparing all pairs would keep a first visitor waiting too long."""
EDGE = 1.07
"""A panel shows −EDGE to EDGE in both directions; its images lie between −1 and 1."""
NEAREST = 5
THUMBNAIL = 24
"""About the side of a thumbnail on a map, in pixels, where the images are smaller."""
SEED_OF_JITTER = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Placed:
    """New images on a map: where (clipped to the panel), which lie beyond it, and the nearest of the map's own."""

    places: Float32[np.ndarray, "m 2"]
    beyond: np.ndarray
    nearest: Int64[np.ndarray, "m k"]


@dataclasses.dataclass(frozen=True, eq=False)
class Panel:
    """One map, turned and mirrored to lie like the first one, then shifted and scaled to the square from −1 to 1.

    Only the turn is Procrustes'; each map fills its own panel, because their units (pixels, code) do not compare.
    """

    kind: str
    title: str
    note: str
    places: Float32[np.ndarray, "n 2"]
    quality: dict[str, float]
    seconds: float
    _fitted: FittedEmbedding
    _onto: maps.Alignment
    _centre: Float[np.ndarray, "2"]
    _half: float

    @property
    def coordinates(self) -> Coordinates:
        """As the method gave them, in its own units."""
        return self._fitted.coordinates

    @property
    def readings(self) -> dict[str, str]:
        return maps.readings(self.quality)

    @property
    def grid(self) -> Int16[np.ndarray, "n 2"]:
        """`places` in thousandths: a sixth of a screen pixel, and a quarter of the bytes to send."""
        return np.rint(self.places * 1000).astype(np.int16)

    def place(self, x: Float[np.ndarray, "m f"]) -> Placed:
        """Where new images belong; `x` are pixels, or codes for the code's map, as rows."""
        places = (self._onto.apply(self._fitted.transform(x)) - self._centre) / self._half
        clipped = places.clip(-EDGE + 0.03, EDGE - 0.03).astype(np.float32)
        k = min(NEAREST, len(self.places))
        nearest = np.argsort(points.distances_between(places, self.places), axis=1, kind="stable")[:, :k]
        return Placed(clipped, (clipped != places.astype(np.float32)).any(1), nearest.astype(np.int64))


@dataclasses.dataclass(frozen=True, eq=False)
class Atlas:
    """The same images on several maps. `decoded` says that they are the model's own pictures of stored codes."""

    images: Pictures
    codes: Float32[np.ndarray, "n k"]
    indices: Int64[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None
    label_names: tuple[str, ...]
    factors: Mapping[str, Float32[np.ndarray, "n"]]
    origins: tuple[str, ...]
    decoded: bool
    note: str
    panels: tuple[Panel, ...]
    units: Int64[np.ndarray, "k"]

    def __len__(self) -> int:
        return len(self.images)

    @functools.cached_property
    def sprite(self) -> bytes:
        """All images as one PNG; see `tiles`. Made once, because every visitor's view carries it."""
        return pictures.png(tiles(self.images))

    def class_of(self, i: int) -> str:
        """The name of an image's class; empty where there are no classes."""
        return "" if self.labels is None else self.label_names[int(self.labels[i])]

    def class_counts(self, chosen: Sequence[int] | Int64[np.ndarray, "m"]) -> dict[str, int]:
        """How many of the chosen images each class has, the largest first; classes without any are left out."""
        if self.labels is None:
            return {}
        counts = np.bincount(self.labels[np.asarray(chosen, np.int64)], minlength=len(self.label_names))
        order = np.argsort(-counts, kind="stable")
        return {self.label_names[i]: int(counts[i]) for i in order if counts[i]}

    def class_middles(self, panel: Panel) -> dict[str, tuple[float, float]]:
        """The median place of each class on a map, where its name can stand."""
        if self.labels is None:
            return {}
        groups = {name: panel.places[self.labels == i] for i, name in enumerate(self.label_names)}
        return {
            name: (float(np.median(own[:, 0])), float(np.median(own[:, 1]))) for name, own in groups.items() if len(own)
        }

    def place(self, images: Pictures, codes: Float32[np.ndarray, "m k"]) -> tuple[Placed, ...]:
        """New images, with their codes, on each of the maps. Raises `BadInput` when they are of another size."""
        if images.shape[1:] != self.images.shape[1:]:
            c, h, w = self.images.shape[1:]
            raise BadInput(f"these maps show images of {c} × {h} × {w} (channels, height, width), not {images.shape}")
        code = CodeMap.kind_name()
        return tuple(panel.place(codes if panel.kind == code else _rows(images)) for panel in self.panels)

    def csv(self) -> str:
        """A table with one line an image: where it comes from, its index, class, and its coordinates on each map."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        axes = [f"{panel.kind}_{axis}" for panel in self.panels for axis in "xy"]
        writer.writerow(["origin", "index", "class", *axes])
        columns = np.concatenate([panel.coordinates for panel in self.panels], 1)
        for i in range(len(self)):
            numbers = [f"{value:.6g}" for value in columns[i]]
            writer.writerow([self.origins[i], int(self.indices[i]), self.class_of(i), *numbers])
        return out.getvalue()


# --- assembling ------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class _Subset:
    """The images of an atlas and what their maps depend on."""

    images: Pictures
    codes: Float32[np.ndarray, "n k"]
    indices: Int64[np.ndarray, "n"]
    labels: Int64[np.ndarray, "n"] | None
    label_names: tuple[str, ...]
    factors: Mapping[str, Float32[np.ndarray, "n"]]
    origins: tuple[str, ...]
    decoded: bool
    note: str
    key: tuple[str, ...]


def atlas(session: Session, n: int | None = None, seed: int = 0) -> Atlas:
    """PCA, MDS and code of at most `n` images of a run, the maps taken from the disk where they are kept there.

    Test images first, then validation and training images, each stratified by class. Without `n`: 1,000, fewer for
    large pictures. Where the dataset is not on this machine, the images are decoded from the run's stored codes.
    """
    subset = _subset(session, n or _usual(session), seed)
    return _assembled(session, subset, [_map(session, embedding, subset) for embedding in EMBEDDINGS])


def precompute(session: Session, folder: Path) -> set[str]:
    """Fits the maps that `atlas` will ask for, as far as they are not in `folder`, and keeps them there: for runs that
    ship with the program. Returns the names of their files.

    Of a dataset that has to be fetched, both the maps of its images and those of the decoded codes are kept.
    """
    n = _usual(session)
    subsets = [_subset(session, n, 0)]
    if session.config.dataset.on_demand and not subsets[0].decoded:
        subsets.append(_from_codes(session, n, 0, ""))
    names: set[str] = set()
    for subset in subsets:
        for embedding in EMBEDDINGS:
            key = _key(session, embedding, subset)
            name = maps.map_key(embedding, *_arrays(subset), key_parts=key) + ".safetensors"
            if not (folder / name).is_file():
                maps.keep_map(folder, embedding, *_arrays(subset), key_parts=key)
            names.add(name)
    return names


def _usual(session: Session) -> int:
    return max(2, min(MOST_IMAGES, MOST_NUMBERS // int(np.prod(session.shape))))


def _subset(session: Session, n: int, seed: int) -> _Subset:
    try:
        data = session.data
    except DataUnavailable as error:
        return _from_codes(session, n, seed, str(error))
    return _from_data(session, data, n, seed)


def _from_data(session: Session, data: Data, n: int, seed: int) -> _Subset:
    parts: list[np.ndarray] = []
    origins: list[str] = []
    for split in reversed(SPLITS):
        part = stratified(data.labels, data.indices(split), n - len(origins), seed)
        parts.append(part)
        origins += [f"{'training' if split == 'train' else split} image"] * len(part)
    chosen = np.concatenate(parts)
    named = zip(("test", "validation", "training"), parts, strict=True)
    said = ", ".join(f"{len(part):,} {name}" for name, part in named if len(part))
    how = f", {'at random' if data.labels is None else 'stratified by class'}, seed {seed}"
    how = "" if len(chosen) == len(data) else how
    images = data.floats(chosen)
    return _Subset(
        images, session.encode(images), chosen, None if data.labels is None else data.labels[chosen], data.label_names,
        {name: values[chosen].astype(np.float32) for name, values in data.factors.items()}, tuple(origins), False,
        f"{len(chosen):,} of {len(data):,} images ({said}){how}", ("data", data.hash, _hash(chosen)),
    )  # fmt: skip


def _from_codes(session: Session, n: int, seed: int, why: str) -> _Subset:
    labels = session.code_labels
    chosen = stratified(labels, np.arange(len(session.codes)), n, seed).astype(np.int64)
    codes = session.codes[chosen]
    names = () if labels is None else tuple(str(i) for i in range(int(labels.max()) + 1))
    own = None if labels is None else labels[chosen]
    return _Subset(
        session.decode(codes), codes, session.code_indices[chosen], own, names, {},
        ("decoded training image",) * len(chosen), True,
        f"{len(chosen):,} of {len(session.codes):,} stored codes, decoded by the model" + (f": {why}" if why else ""),
        ("decoded", _weights(session), _hash(codes)),
    )  # fmt: skip


def _map(session: Session, embedding: Embedding, subset: _Subset) -> maps.MapResult:
    return maps.cached_map(embedding, *_arrays(subset), key_parts=_key(session, embedding, subset))


def _arrays(subset: _Subset) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    return _rows(subset.images), subset.codes, subset.labels


def _key(session: Session, embedding: Embedding, subset: _Subset) -> list[str]:
    return [*subset.key, _weights(session)] if embedding.uses_codes else list(subset.key)


def _weights(session: Session) -> str:
    """Stands for the encoder and decoder: settings and weights."""
    weights = session.weights_hash
    return f"{session.config.hash}-{weights[:32]}"


def _hash(array: Num[np.ndarray, "..."]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:32]


def _rows(images: Pictures) -> Float32[np.ndarray, "n f"]:
    return images.reshape(len(images), -1)


def _assembled(session: Session, subset: _Subset, results: Sequence[maps.MapResult]) -> Atlas:
    reference = results[0].coordinates
    pca, mds, code = results
    notes = ("The pictures' shadow on the plane in which they vary most.",
             "Distances as close as possible to those between the pictures.")  # fmt: skip
    if session.code_dim == 1:
        code_panel = _strip(code, reference)
    else:
        code_panel = _panel(CodeMap, _code_note(session.code_dim), code, reference)
    panels = (_panel(Pca, notes[0], pca, reference), _panel(Mds, notes[1], mds, reference), code_panel)
    for array in (subset.images, subset.codes, *(panel.places for panel in panels)):
        array.setflags(write=False)
    return Atlas(
        subset.images, subset.codes, subset.indices, subset.labels, subset.label_names, subset.factors, subset.origins,
        subset.decoded, subset.note, panels, session.units_by_effect(),
    )  # fmt: skip


def _panel(method: type[Embedding], note: str, result: maps.MapResult, reference: Coordinates) -> Panel:
    onto = maps.alignment(reference, result.coordinates)
    aligned = onto.apply(result.coordinates)
    centre, half = _frame(aligned)
    places = ((aligned - centre) / half).astype(np.float32)
    kind, title = method.kind_name(), method.title
    return Panel(kind, title, note, places, result.quality, result.seconds, result.fitted, onto, centre, half)


def _code_note(units: int) -> str:
    return "The code's two units, as they are." if units == 2 else f"The plane in which the {units:,} units vary most."


def _strip(result: maps.MapResult, reference: Coordinates) -> Panel:
    """A code of one number as a strip: left to right is its value; up and down only keeps the points apart."""
    values = result.coordinates[:, 0].astype(np.float64)
    sign = 1.0 if float(((values - values.mean()) * reference[:, 0]).sum()) >= 0 else -1.0
    onto = maps.Alignment(np.diag([sign, 1.0]), 1.0, np.zeros(2), np.zeros(2))
    aligned = onto.apply(result.coordinates)
    centre, half = _frame(aligned)
    places = ((aligned - centre) / half).astype(np.float32)
    counts, edges = np.histogram(places[:, 0], 40, (-1, 1))
    crowd: np.ndarray = np.interp(places[:, 0], (edges[1:] + edges[:-1]) / 2, counts / counts.max())
    places[:, 1] = crowd * np.random.default_rng(SEED_OF_JITTER).uniform(-0.6, 0.6, len(places))
    note = "One unit: left to right is its value; height has no meaning."
    return Panel("code", CodeMap.title, note, places, result.quality, result.seconds, result.fitted, onto, centre, half)


def _frame(coordinates: Coordinates) -> tuple[Float[np.ndarray, "2"], float]:
    """Middle and half the longer side of the points' bounding box; half is 1 where they all coincide."""
    low, high = coordinates.min(0).astype(np.float64), coordinates.max(0).astype(np.float64)
    return (low + high) / 2, float((high - low).max()) / 2 or 1.0


# --- colouring -------------------------------------------------------------------------------------------------------

OKABE_ITO: tuple[Colour, ...] = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (86, 180, 233), (204, 121, 167), (160, 150, 30),
)  # fmt: skip
"""Okabe & Ito (2008), without black, which a dark page swallows; their yellow darkened, which a white page swallows."""
PETROFF: tuple[Colour, ...] = (
    (63, 144, 218), (255, 169, 14), (189, 31, 1), (148, 164, 162), (131, 45, 182),
    (169, 107, 89), (231, 99, 0), (185, 172, 112), (113, 117, 129), (146, 218, 221),
)  # fmt: skip
"""Ten colours found by search to stay apart with colour blindness. Source: Petroff, arXiv:2107.02270 (2021)."""
VIRIDIS: tuple[Colour, ...] = (
    (72, 36, 117), (65, 68, 135), (53, 95, 141), (42, 120, 142), (33, 145, 140), (34, 168, 132), (68, 191, 112),
    (122, 209, 81), (189, 223, 38),
)  # fmt: skip
"""The perceptually uniform map viridis from 0.1 to 0.9: its ends are lost on dark and on white pages.
Source: van der Walt & Smith (2015)."""
PLAIN: Colour = (63, 144, 218)
STEPS = 64
SHAPES = ("circle", "diamond", "square", "cross")
"""Beyond ten classes the colours repeat with the next shape."""


@dataclasses.dataclass(frozen=True, eq=False)
class Colouring:
    """What the dots' colours mean. With `names`, `values` are class numbers; without, they go from `low` to `high`."""

    title: str
    values: Float32[np.ndarray, "n"]
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    low: float
    high: float

    @property
    def shapes(self) -> tuple[str, ...]:
        """The shape of each class's dots."""
        return tuple(SHAPES[i // len(PETROFF) % len(SHAPES)] for i in range(len(self.names)))

    @property
    def table(self) -> UInt8[np.ndarray, "t 3"]:
        """The colours that `index` counts: one a class, or `STEPS` from low to high."""
        given = np.array(self.colours, np.float64)
        if self.names:
            return given.astype(np.uint8)
        at = np.linspace(0, len(given) - 1, STEPS)
        columns = [np.interp(at, np.arange(len(given)), given[:, i]) for i in range(3)]
        return np.rint(np.stack(columns, 1)).astype(np.uint8)

    @property
    def index(self) -> UInt16[np.ndarray, "n"]:
        """The row of `table` that each image has."""
        if self.names:
            return self.values.astype(np.uint16)
        share = (self.values.astype(np.float64) - self.low) / (self.high - self.low or 1.0)
        return np.rint(share.clip(0, 1) * (STEPS - 1)).astype(np.uint16)

    @property
    def rgb(self) -> UInt8[np.ndarray, "n 3"]:
        """The colour of every image."""
        return self.table[self.index]


def colourings(atlas: Atlas) -> dict[str, str]:
    """What the images of an atlas can be coloured by: {name: words}, the most telling first, units by their effect."""
    found = {"class": "Class"} if atlas.labels is not None else {}
    found |= {f"factor-{name}": f"Factor: {name.replace('_', ' ')}" for name in atlas.factors}
    found |= {f"unit-{unit}": f"Unit {unit} of the code" for unit in atlas.units}
    return found | {"none": "One colour"}


def colouring(atlas: Atlas, name: str) -> Colouring:
    """The colours for one name of `colourings`; raises `BadInput` for any other."""
    words = colourings(atlas)
    if name not in words:
        raise BadInput(f"these images cannot be coloured by {name!r}")
    if name == "class" and atlas.labels is not None:
        names = atlas.label_names
        return Colouring("Class", atlas.labels.astype(np.float32), names, palette(len(names)), 0.0, 1.0)
    if name == "none":
        return Colouring("", np.zeros(len(atlas), np.float32), ("image",), (PLAIN,), 0.0, 1.0)
    kind, _, what = name.partition("-")
    values = atlas.factors[what] if kind == "factor" else atlas.codes[:, int(what)]
    low, high = (float(np.quantile(values, q)) for q in ((0, 1) if kind == "factor" else (0.02, 0.98)))
    return Colouring(words[name], values.clip(low, high).astype(np.float32), (), VIRIDIS, low, high)


def palette(classes: int) -> tuple[Colour, ...]:
    """One colour a class: Okabe and Ito's for up to seven, Petroff's for more, repeated beyond ten."""
    base = OKABE_ITO if classes <= len(OKABE_ITO) else PETROFF
    return tuple(base[i % len(base)] for i in range(classes))


# --- drawing ---------------------------------------------------------------------------------------------------------


TILE_COLUMNS = 40


def tiles(images: Pictures) -> pictures.Picture:
    """All images as one sprite without gaps, `TILE_COLUMNS` in a line; those above about 40 pixels are reduced."""
    sprite = pictures.grid(_reduced(images), TILE_COLUMNS, 0, pictures.WHITE)
    return sprite[:, :, 0] if images.shape[1] == 1 else sprite


def tile_size(images: Pictures) -> tuple[int, int]:
    """Height and width of an image in `tiles`."""
    h, w = _reduced(images[:1]).shape[2:]
    return h, w


def thumbnails(
    atlas: Atlas, panel: Panel, colouring: Colouring, side: int, chosen: Sequence[int] | None = None
) -> UInt8[np.ndarray, "s s 4"]:
    """A transparent layer, `side` pixels square, with as many images, framed in their colour, as fit without overlap.

    Pictures larger than about 40 pixels are reduced by a whole number, small ones enlarged by one. `chosen` restricts
    them to some of the images.
    """
    candidates = np.arange(len(atlas)) if chosen is None else np.asarray(chosen, np.int64)
    order = np.random.default_rng(0).permutation(candidates)
    images = _framed(_reduced(atlas.images[order]), colouring.rgb[order])
    factor = max(1, THUMBNAIL * side // 360 // max(images.shape[2:]))
    return pictures.scatter_thumbnails(panel.places[order], images, (side, side), factor, (-EDGE, EDGE, -EDGE, EDGE))


def _reduced(images: Pictures) -> Pictures:
    by = -(-max(images.shape[2:]) // 40)
    h, w = images.shape[2] // by, images.shape[3] // by
    if by == 1 or 0 in (h, w):
        return images
    cut = images[:, :, : h * by, : w * by]
    return cut.reshape(*cut.shape[:2], h, by, w, by).mean((3, 5)).astype(np.float32)


def _framed(images: Pictures, rgb: UInt8[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3 a b"]:
    n, _, h, w = images.shape
    framed = np.empty((n, 3, h + 2, w + 2), np.uint8)
    framed[:] = rgb[:, :, None, None]
    framed[:, :, 1:-1, 1:-1] = pictures.to_bytes8(images)
    return framed


SIDE = 720
_MARGIN, _TITLE, _LINE = 36, 64, 30
_INK, _GREY = (30, 36, 48), (95, 104, 118)


def poster(atlas: Atlas, colouring: Colouring, heading: str, with_thumbnails: bool) -> UInt8[np.ndarray, "h w 3"]:
    """The maps with titles, figures and legend as one picture for documents, dark on white."""
    width = len(atlas.panels) * (SIDE + _MARGIN) + _MARGIN
    top = 2 * _MARGIN + _TITLE + _LINE
    canvas = Image.new("RGB", (width, top + SIDE + 5 * _LINE + _MARGIN), pictures.WHITE)
    draw = ImageDraw.Draw(canvas)
    large, small = ImageFont.load_default(size=30), ImageFont.load_default(size=20)
    draw.text((_MARGIN, _MARGIN), heading, fill=_INK, font=large)
    for i, panel in enumerate(atlas.panels):
        left = _MARGIN + i * (SIDE + _MARGIN)
        draw.text((left, top - 36), panel.title, fill=_INK, font=ImageFont.load_default(size=24))
        canvas.paste(_dots(panel, colouring), (left, top))
        if with_thumbnails:
            layer = Image.fromarray(thumbnails(atlas, panel, colouring, SIDE))
            canvas.paste(layer, (left, top), layer)
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), outline=(205, 210, 218))
        words = ", ".join(f"{name} {value}" for name, value in _short(panel.quality))
        draw.text((left, top + SIDE + 10), words, fill=_GREY, font=small)
    _draw_legend(draw, colouring, top + SIDE + 2 * _LINE, width, small)
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
