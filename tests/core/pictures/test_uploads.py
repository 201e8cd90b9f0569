"""Hostile and merely odd uploads: each is read right or refused with one line, and never decoded first."""

# Longer than other files: pictures, archives and arrays share their examples of hostile uploads.

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aecore.parts.datasets import Npz
from aecore.parts.datasets.npz import save_npz
from aecore.pictures import reading, uploads
from aecore.pictures.uploads import Intake, read_files

GREY, COLOUR = 1, 3


def encoded(image: Image.Image, form: str = "PNG", **settings: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **settings)
    return buffer.getvalue()


def ramp(height: int = 12, width: int = 16) -> np.ndarray:
    return np.linspace(0, 255, height * width).astype(np.uint8).reshape(height, width)


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def one(data: bytes, channels: int = GREY, size: tuple[int, int] | None = None) -> np.ndarray:
    taken = read_files([("a", data)], size, channels)
    assert taken.refused == ()
    assert len(taken.images) == len(taken.names) == 1
    return taken.images[0]


def reason(data: bytes) -> str:
    taken = read_files([("a", data)], (8, 8), GREY)
    assert len(taken.images) == len(taken.names) == 0
    assert taken.images.shape == (0, 1, 8, 8)
    ((name, words),) = taken.refused
    assert name == "a"
    assert "\n" not in words
    assert words[0].isupper()
    assert words.endswith(".")
    return words


PNG = encoded(Image.fromarray(ramp()))


# --- pictures read right ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "exact"), [("PNG", 0), ("PPM", 0), ("TIFF", 0), ("BMP", 0), ("GIF", 0), ("JPEG", 12)])
def test_formats_by_content(form: str, exact: int):
    taken = read_files([("wrong.txt", encoded(Image.fromarray(ramp()), form))], None, GREY)
    assert taken.names == ("wrong.txt",)
    assert np.abs(taken.images[0, 0].astype(int) - ramp()).max() <= exact


def test_webp_lossless():
    colour = np.stack([ramp(), ramp()[::-1], ramp()[:, ::-1]], -1)
    assert np.array_equal(
        one(encoded(Image.fromarray(colour), "WEBP", lossless=True), COLOUR), colour.transpose(2, 0, 1)
    )


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled(form: str):
    values = np.linspace(0, 65535, 192).astype(np.uint16).reshape(12, 16)
    shown = one(encoded(Image.fromarray(values), form))
    assert np.array_equal(shown[0], np.rint(values / 257))


def test_real_numbers_in_tiff():
    values = np.linspace(0, 1, 192, dtype=np.float32).reshape(12, 16)
    assert np.array_equal(one(encoded(Image.fromarray(values), "TIFF"))[0], np.rint(values * 255))
    assert "scale them to 0 to 1" in reason(encoded(Image.fromarray(values * 9), "TIFF"))
    values[3, 3] = np.nan
    assert "not finite" in reason(encoded(Image.fromarray(values), "TIFF"))
    assert "beyond 16 bits" in reason(encoded(Image.fromarray(np.full((9, 9), 70_000, np.int32)), "TIFF"))


def test_cmyk():
    cyan = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)
    assert np.abs(one(cyan, COLOUR)[:, 8, 8].astype(int) - [0, 255, 255]).max() <= 4


def test_grey_is_luma():
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (30, 60, 90)):
        luma = np.dot(colour, [0.299, 0.587, 0.114])
        assert one(encoded(Image.new("RGB", (8, 8), colour)))[0, 4, 4] == pytest.approx(luma, abs=1)


def test_grey_becomes_colour():
    assert np.array_equal(one(PNG, COLOUR), np.stack([ramp()] * 3))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_put_on_white_and_said(mode: str):
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 16))
    taken = read_files([("a", encoded(image.convert(mode)))], (16, 16), GREY)
    assert taken.images[0, 0, 8, [2, 14]].tolist() == [0, 255]
    assert taken.notes == (("a", "its transparent parts are put on white"),)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF"])
def test_animation_gives_its_first_frame_and_says_so(form: str):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    taken = read_files([("a", encoded(frames[0], form, save_all=True, append_images=frames[1:]))], None, COLOUR)
    assert np.abs(taken.images[0, :, 8, 8].astype(int) - [255, 0, 0]).max() <= 3
    assert taken.notes == (("a", "only the first of its frames is used"),)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int):
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = one(encoded(Image.fromarray(ramp(16, 16)), exif=exif))[0]
    square = ramp(16, 16)
    upright = {
        1: square,
        2: square[:, ::-1],
        3: square[::-1, ::-1],
        4: square[::-1],
        5: square.T,
        6: np.rot90(square, -1),
        7: square[::-1, ::-1].T,
        8: np.rot90(square),
    }
    assert np.array_equal(shown, upright[orientation])


def test_the_middle_is_kept_and_shrunk_by_area():
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = np.indices((20, 20)).sum(0) % 2 * 200  # a one-pixel checkerboard averages to 100
    wide[:, :20] = 255
    shown = one(encoded(Image.fromarray(wide)), GREY, (4, 4))
    assert np.abs(shown.astype(int) - 100).max() <= 12


def test_mixed_sizes_become_one():
    files = [(f"{n}", encoded(Image.new("L", (n, 2 * n), n % 256))) for n in (1, 5, 40, 300)]
    taken = read_files(files, (10, 14), GREY)
    assert taken.images.shape == (4, 1, 10, 14)
    assert taken.images[:, 0, 5, 5].tolist() == [1, 5, 40, 44]
    assert read_files(files[3:], None, GREY).images.shape == (1, 1, 128, 128)
    assert read_files(files[2:], None, GREY).images.shape == (2, 1, 80, 40)


# --- pictures refused ------------------------------------------------------------------------------------------------


def test_empty_truncated_and_foreign():
    assert reason(b"") == "It is empty."
    assert "cut off or damaged" in reason(encoded(Image.fromarray(ramp(200, 200)), "JPEG")[:600])
    assert "cut off or damaged" in reason(PNG[:60])
    for content in (
        b"\x89PNG\r\n\x1a\n",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x80\x04\x95.",
        b"%!PS",
    ):
        assert "no picture that can be read" in reason(content)
    assert read_files([], (8, 8), GREY).images.shape == (0, 1, 8, 8)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is huge; its data are a megabyte of zeros packed a thousandfold."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [4001, 10_000, 50_000, 2_000_000_000])
def test_huge_dimensions_are_refused_before_decoding(side: int):
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    tracemalloc.start()
    words = reason(bomb(side, side))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "million" in words or "no picture" in words
    assert peak < 4 * 10**6
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == (limit, filters), (
        "Pillow's and Python's settings are shared"
    )


def test_bytes_and_sum_of_pixels_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "MAX_BYTES", len(PNG) - 1)
    assert "at most" in reason(PNG)
    monkeypatch.undo()
    monkeypatch.setattr(uploads, "MAX_ALL_PIXELS", 400)
    taken = read_files([(str(n), PNG) for n in range(3)], (8, 8), GREY)
    assert taken.names == ("0", "1")
    assert "million pixels together" in taken.refused[0][1]
    monkeypatch.setattr(uploads, "MAX_ALL_BYTES", 2 * len(PNG))
    taken = read_files([(str(n), PNG) for n in range(3)], (8, 8), GREY)
    assert taken.names == ("0", "1")
    assert "With it the files would take more" in taken.refused[0][1]


def test_number_is_bounded_before_decoding(monkeypatch: pytest.MonkeyPatch):
    decoded: list[int] = []
    monkeypatch.setattr(uploads, "render", lambda *args: (decoded.append(1), (np.zeros((1, 8, 8), np.uint8), ()))[1])
    taken = read_files([("z", zipped({f"{n}.png": PNG for n in range(uploads.MAX_IMAGES + 3)}))], (8, 8), GREY)
    assert len(taken.images) == len(decoded) == uploads.MAX_IMAGES
    assert taken.refused == (
        (f"{uploads.MAX_IMAGES}.png", "It and all that follow: at most 2000 pictures are taken at once."),
    )


def test_one_bad_file_does_not_spoil_the_others():
    taken = read_files([("a.png", PNG), ("b.png", b"no"), ("c.png", PNG)], (8, 8), GREY)
    assert taken.names == ("a.png", "c.png")
    assert [name for name, _ in taken.refused] == ["b.png"]


# --- archives --------------------------------------------------------------------------------------------------------


def test_zip_of_mixed_sizes_with_junk_and_hostile_names():
    wide = encoded(Image.new("RGB", (90, 30), "red"), "JPEG")
    entries = {
        "../../etc/passwd": PNG,
        "C:\\Windows\\evil.png": wide,
        "/abs/\u202egnp.exe\x07.png": PNG,
        "class/": b"",
        "class/" + "n" * 300 + ".png": PNG,
        "__MACOSX/class/._x.png": b"junk",
        "class/.DS_Store": b"junk",
        "Thumbs.db": b"junk",
    }
    taken = read_files([("own.zip", zipped(entries))], (8, 8), COLOUR)
    assert taken.images.shape == (4, 3, 8, 8)
    assert taken.names[:3] == ("passwd", "evil.png", "gnp.exe.png")
    assert len(taken.names[3]) == 80
    assert taken.refused == ()


def test_zip_with_bad_members():
    entries = {"inner.zip": zipped({"a.png": PNG}), "text.txt": b"words", "good.png": PNG, "empty.png": b""}
    taken = read_files([("own.zip", zipped(entries))], (8, 8), GREY)
    assert taken.names == ("good.png",)
    assert {name: words.split(";")[0] for name, words in taken.refused} == {
        "inner.zip": "It is an archive inside an archive",
        "text.txt": "It is no picture that can be read (PNG, JPEG, GIF, WebP, PGM, PPM, TIFF, BMP).",
        "empty.png": "It is empty.",
    }


def test_zip_bomb_is_refused_before_unpacking():
    data = zipped({f"{n}.bmp": bytes(4 * 2**20) for n in range(5)})
    tracemalloc.start()
    words = reason(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "times its size" in words
    assert peak < 2**20


def test_a_bomb_does_not_use_up_the_room_of_others():
    taken = read_files([("bomb", zipped({"a.bmp": bytes(20 * 2**20)})), ("a.png", PNG)], (8, 8), GREY)
    assert taken.names == ("a.png",)


def test_zip_sizes_and_entries_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uploads, "MAX_ALL_BYTES", 10_000)
    assert "more than" in reason(zipped({"a.png": bytes(20_000)}))
    monkeypatch.setattr(uploads, "MAX_ENTRIES", 3)
    assert "4 entries" in reason(zipped({f"{n}": b"" for n in range(4)}))


def test_zip_that_understates_its_size_is_not_unpacked_further():
    data = bytearray(zipped({"a.bmp": bytes(2**20)}))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = struct.pack("<I", 100)
    assert "damaged inside the archive" in read_files([("z", bytes(data))], (8, 8), GREY).refused[0][1]


def test_zip_encrypted_truncated_empty_and_odd():
    data = bytearray(zipped({"a.png": PNG}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert "encrypted" in read_files([("z", bytes(data))], (8, 8), GREY).refused[0][1]
    assert "cut off or damaged" in reason(zipped({"a.png": PNG})[:-10])
    assert "cut off or damaged" in reason(b"PK\x03\x04")
    assert "without pictures" in reason(zipped({}))
    assert "without pictures" in reason(zipped({"__MACOSX/a": b""}))
    odd = zipped({"a.png": PNG}, zipfile.ZIP_LZMA)
    assert "ordinary zip compression" in read_files([("z", odd)], (8, 8), GREY).refused[0][1]


def test_flipped_bytes_never_escape():
    """Any damage gives pictures or reasons, never an exception."""
    rng = np.random.default_rng(0)
    frames = [Image.fromarray(ramp()), Image.fromarray(ramp()[::-1])]
    sources = [
        PNG,
        encoded(frames[0], "JPEG"),
        encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        encoded(frames[0], "WEBP"),
        encoded(frames[0], "TIFF"),
        encoded(frames[0], "BMP"),
        zipped({"a.png": PNG}),
        save_npz(ramp()[None, None].repeat(3, 0)),
    ]
    for source in sources:
        for _ in range(60):
            data = bytearray(source)
            for at in rng.integers(0, len(data), rng.integers(1, 6)):
                data[at] = rng.integers(256)
            taken = read_files([("a", bytes(data))], (8, 8), GREY)
            assert len(taken.names) == len(taken.images)
            assert taken.names or taken.refused


# --- npz -------------------------------------------------------------------------------------------------------------


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_npz_is_read_resized_and_named():
    images = np.stack([ramp(), 255 - ramp()])
    taken = read_files([("own.npz", npz(images=images, labels=np.arange(2)))], None, GREY)
    assert np.array_equal(taken.images, images[:, None])
    assert taken.names == ("own.npz [0]", "own.npz [1]")
    assert read_files([("a", npz(x=images))], (8, 8), COLOUR).images.shape == (2, 3, 8, 8)


def test_npz_refusals():
    broken = ramp() / 255
    broken[0, 0] = np.nan
    assert "pickled" in reason(npz(images=np.array([{"a": 1}, 2], dtype=object)))
    assert "not finite" in reason(npz(images=broken[None]))
    assert "it must be" in reason(npz(images=ramp()))
    assert "nothing to learn" in reason(npz(images=np.full((3, 8, 8), 7, np.uint8)))
    assert "not a whole" in reason(zipped({"images.npy": b"\x93NUMPY"}))


@pytest.mark.parametrize("channels", [GREY, COLOUR])
def test_own_images_travel_with_a_run(tmp_path: Path, channels: int):
    rng = np.random.default_rng(1)
    files = [(f"{n}", encoded(Image.fromarray(rng.integers(0, 256, (9, 11, 3)).astype(np.uint8)))) for n in range(4)]
    taken: Intake = read_files(files, (8, 10), channels)
    labels = np.array([1, 0, 1, 0])
    (tmp_path / "images.npz").write_bytes(save_npz(taken.images, labels))
    data = Npz().resolved(tmp_path).load()
    assert np.array_equal(data.images, taken.images)
    assert np.array_equal(data.labels, labels)
    assert save_npz(taken.images) == save_npz(taken.images.copy())
