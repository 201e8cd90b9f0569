import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageSequence

from aecore.foundation.errors import BadInput
from aecore.pictures import sheets


def images(n, c=1, h=4, w=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, c, h, w), dtype=np.uint8)


def test_floats_are_clipped_and_rounded():
    x = np.array([-1, 0, 0.5, 0.999, 1, 7, np.nan, np.inf], np.float32).reshape(1, 1, 2, 4)
    assert sheets.to_bytes8(x).ravel().tolist() == [0, 0, 128, 255, 255, 255, 0, 255]


@given(hnp.arrays(np.uint8, (2, 1, 3, 3)))
def test_bytes_survive_the_way_through_floats(x):
    np.testing.assert_array_equal(sheets.to_bytes8(x.astype(np.float32) / np.float32(255)), x)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_holds_each_image_untouched_and_gaps_are_transparent(channels):
    rows = [images(3, channels), images(2, channels, seed=1)]
    sheet = sheets.sheet(rows, gap=2)
    assert sheet.shape == (2 * 4 + 2, 3 * 5 + 2 * 2, 4)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            tile = sheet[i * 6 : i * 6 + 4, j * 7 : j * 7 + 5]
            np.testing.assert_array_equal(tile[:, :, :3], np.broadcast_to(image.transpose(1, 2, 0), (4, 5, 3)))
            assert (tile[:, :, 3] == 255).all()
    assert (sheet[4:6, :, 3] == 0).all()
    assert (sheet[:, 5:7, 3] == 0).all()
    assert (sheet[6:, 14:, 3] == 0).all()


def test_a_background_makes_the_sheet_opaque():
    sheet = sheets.sheet([images(2), images(1)], gap=1, background=(1, 2, 3))
    assert sheet.shape[2] == 3
    assert sheet[4, 0].tolist() == [1, 2, 3]
    assert sheet[-1, -1].tolist() == [1, 2, 3]


def test_grey_and_colour_rows_go_together_but_sizes_must_agree():
    assert sheets.sheet([images(1), images(1, 3)]).shape == (9, 5, 4)
    for bad in ([], [images(0)], [images(1), images(1, h=8)]):
        with pytest.raises(BadInput, match="sheet"):
            sheets.sheet(bad)
    with pytest.raises(BadInput, match="2 channels"):
        sheets.sheet([images(1, 2)])


def test_hidden_pixels_are_marked_in_a_colour_and_the_others_stay():
    grey, colour = np.full((2, 1, 3, 4), 0.2, np.float32), np.full((2, 3, 3, 4), 51, np.uint8)
    visible = np.ones((2, 1, 3, 4), bool)
    visible[0, 0, 2] = False
    for images in (grey, colour):
        marked = sheets.mark_hidden(images, visible)
        assert marked.shape == (2, 3, 3, 4)
        assert (marked[0, :, 2] == np.array(sheets.HIDDEN)[:, None]).all()
        assert (marked[0, :, :2] == 51).all()
        assert (marked[1] == 51).all()
    assert len(set(sheets.HIDDEN)) > 1, "no grey could be taken for it"


def test_grid_and_filmstrip_are_sheets():
    x = images(5)
    np.testing.assert_array_equal(sheets.grid(x, 2), sheets.sheet([x[:2], x[2:4], x[4:]]))
    np.testing.assert_array_equal(sheets.filmstrip(x, gap=0), sheets.sheet([x], gap=0))


def test_difference_is_white_where_equal_orange_where_brighter_blue_where_darker():
    a = np.full((1, 3, 1, 4), 0.5, np.float32)
    b = a + np.array([0, 0.5, -0.5, 0.25], np.float32)
    colours = sheets.difference(a, b, full=0.5)[0, :, 0].T.tolist()
    assert colours[0] == [255, 255, 255]
    assert colours[1] == list(sheets.ORANGE)
    assert colours[2] == list(sheets.BLUE)
    np.testing.assert_allclose(colours[3], (np.array(sheets.ORANGE) + 255) / 2, atol=1)


@given(hnp.arrays(np.uint8, (1, 1, 2, 3)), hnp.arrays(np.uint8, (1, 1, 2, 3)))
def test_difference_turns_its_colours_round_with_its_arguments(a, b):
    one, other = sheets.difference(a, b), sheets.difference(b, a)
    equal = (a == b)[:, 0]
    warm, cold = one[:, 0] > one[:, 2], other[:, 0] < other[:, 2]
    np.testing.assert_array_equal(warm, cold)
    assert (one.transpose(0, 2, 3, 1)[equal] == 255).all()


@given(st.integers(1, 5))
def test_enlarging_repeats_pixels(factor):
    picture = images(1, 3)[0].transpose(1, 2, 0)
    large = sheets.enlarge(picture, factor)
    assert large.shape == (4 * factor, 5 * factor, 3)
    for i in range(factor):
        np.testing.assert_array_equal(large[i::factor, i::factor], picture)


def test_enlarging_by_less_than_one_is_refused():
    with pytest.raises(ValueError, match="whole numbers"):
        sheets.enlarge(images(1)[0, 0], 0)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3), (4, 5, 4)])
def test_png_is_lossless(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(sheets.png(picture)))), picture)


def test_data_uri_holds_the_very_bytes():
    head, body = sheets.data_uri(b"abc").split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == b"abc"


def frames_of(data):
    with Image.open(io.BytesIO(data)) as image:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)], dict(image.info)


def test_gif_keeps_every_grey_loops_and_enlarges():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    frames, info = frames_of(sheets.gif([ramp, ramp[::-1]], 80, factor=3))
    assert info["loop"] == 0
    assert info["duration"] == 80
    for got, grey in zip(frames, (ramp, ramp[::-1]), strict=True):
        np.testing.assert_array_equal(got, sheets.enlarge(np.repeat(grey[:, :, None], 3, 2), 3))


def test_gif_keeps_few_colours_exactly_and_many_closely():
    few = np.random.default_rng(0).choice(np.array([0, 90, 255], np.uint8), (2, 12, 12, 3))
    got, _ = frames_of(sheets.gif(list(few), 100))
    np.testing.assert_array_equal(np.stack(got), few)
    hue = np.linspace(0, 255, 48, dtype=np.uint8)
    smooth = np.stack([np.stack(np.broadcast_arrays(hue[:, None], hue, np.uint8(b)), -1) for b in (20, 200)])
    got, _ = frames_of(sheets.gif(list(smooth), 100))
    assert np.abs(np.stack(got).astype(int) - smooth).mean() < 8


def test_gif_shows_transparent_gaps_white_and_refuses_mixed_sizes():
    sheet = sheets.filmstrip(images(2))
    got, _ = frames_of(sheets.gif([sheet, np.roll(sheet, 1, 0)], 100))
    assert (got[0][:, 5] == 255).all()
    for bad in ([], [images(1)[0, 0], images(1, h=9)[0, 0]]):
        with pytest.raises(BadInput, match="frame"):
            sheets.gif(bad, 100)


def test_thumbnails_lie_at_their_places_with_y_upwards():
    corners = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    x = np.arange(1, 5, dtype=np.uint8).reshape(4, 1, 1, 1) * np.ones((1, 1, 2, 2), np.uint8)
    layer = sheets.scatter_thumbnails(corners, x, (20, 10), factor=2)
    assert layer.shape == (10, 20, 4)
    assert [int(layer[-1, 0, 0]), int(layer[-1, -1, 0]), int(layer[0, 0, 0]), int(layer[0, -1, 0])] == [1, 2, 3, 4]
    assert int((layer[:, :, 3] > 0).sum()) == 4 * 16


def test_thumbnails_never_overlap_and_earlier_ones_win():
    rng = np.random.default_rng(0)
    coordinates = rng.random((300, 2)).astype(np.float32)
    x = np.broadcast_to(np.arange(300).reshape(300, 1, 1, 1) % 255, (300, 1, 4, 4)).astype(np.uint8)
    layer = sheets.scatter_thumbnails(coordinates, x, (60, 60))
    drawn = layer[:, :, 3] == 255
    values, counts = np.unique(layer[drawn][:, 0], return_counts=True)
    assert (counts % 16 == 0).all()
    assert 0 in values
    assert 20 < len(values) < 225


def test_thumbnails_outside_the_bounds_are_left_out():
    coordinates = np.array([[0.5, 0.5], [3, 3]], np.float32)
    layer = sheets.scatter_thumbnails(coordinates, images(2, h=2, w=2), (10, 10), bounds=(0.0, 1.0, 0.0, 1.0))
    assert int((layer[:, :, 3] > 0).sum()) == 4
    assert (layer[4:6, 4:6, 3] == 255).all()


def test_thumbnails_of_one_point_no_point_and_too_large():
    one = sheets.scatter_thumbnails(np.zeros((1, 2), np.float32), images(1), (9, 9))
    assert int((one[:, :, 3] > 0).sum()) == 20
    none = sheets.scatter_thumbnails(np.zeros((0, 2), np.float32), images(0), (9, 9))
    assert not none.any()
    with pytest.raises(BadInput, match="no room"):
        sheets.scatter_thumbnails(np.zeros((1, 2), np.float32), images(1), (3, 9))


def test_labelled_columns_show_the_images_enlarged_under_their_labels():
    columns = [images(4, h=28, w=28, seed=i) for i in range(3)]
    picture = sheets.labelled_columns(columns, ["original", "corrupted", "reconstruction"], factor=4, across=2)
    block = sheets.enlarge(sheets.grid(columns[0], 2, 1, sheets.WHITE), 4)
    assert picture.shape[1] == 3 * 228 + 4 * 12
    np.testing.assert_array_equal(picture[28 : 28 + 228, 12 : 12 + 228], block)
    assert (picture[:28] < 100).any()
    small = sheets.labelled_columns([images(1)], ["a long label over a small picture"], factor=1)
    assert small.shape[1] > 150
    with pytest.raises(ValueError, match="zip"):
        sheets.labelled_columns(columns, ["one"])
