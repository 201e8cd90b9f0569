"""Words for changes: right where the only change is known, the opposite backwards, none where nothing is clear."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aecore.parts.datasets import patterns, shapes
from aecore.session import describe

N = 8
OPPOSITES = {m.more: m.less for m in describe.MEASURES} | {m.less: m.more for m in describe.MEASURES}
OPPOSITES |= {name: describe.COLOURS[(i + 3) % 6] for i, name in enumerate(describe.COLOURS)}


def some(seed, **ranges):
    """`N` values of every factor, from its range."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(*ends, N) for name, ends in ranges.items()}


def sprites(outline, scale, orientation, x, y):
    """As `Shapes` draws them, in [0, 1]."""
    drawn = shapes._draw(shapes.OUTLINES[outline][0], scale, orientation, x, y)
    return drawn[:, None].astype(np.float32) / np.float32(255)


def textures(weave, hue, second_hue, frequency, orientation, contrast, softness):
    """As `Patterns` draws them, in [0, 1]."""
    figure = patterns._weave(patterns.WEAVES[weave][0], frequency, orientation, softness)
    shade = np.rint(figure * (patterns.SHADES - 1)).astype(np.int64).reshape(N, 1, -1)
    colours = np.take_along_axis(patterns._palettes(hue, second_hue, contrast), shade, -1)
    return colours.reshape(N, 3, patterns.SIDE, patterns.SIDE).astype(np.float32) / np.float32(255)


def sprite_factors(seed):
    return some(seed, scale=(5, 7.5), orientation=(0, 70), x=(12, 17), y=(12, 17))


def texture_factors(seed):
    return some(
        seed, hue=(0, 360), second_hue=(0, 360), frequency=(1.6, 2.4), orientation=(0, 70), contrast=(0.3, 0.6),
        softness=(0.1, 0.4),
    )  # fmt: skip


def changed(factors, name, by):
    return {**factors, name: by(factors[name])}


# --- right


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("outline", shapes.OUTLINES)
@pytest.mark.parametrize(
    ("factor", "by", "word"),
    [
        ("scale", lambda s: s * 1.2, "larger"),
        ("scale", lambda s: s / 1.2, "smaller"),
        ("x", lambda x: x + 3, "moves right"),
        ("x", lambda x: x - 3, "moves left"),
        ("y", lambda y: y + 3, "moves down"),
        ("y", lambda y: y - 3, "moves up"),
    ],
)
def test_a_sprite_of_which_one_factor_changes(outline, factor, by, word, seed):
    factors = sprite_factors(seed)
    assert describe.words(sprites(outline, **factors), sprites(outline, **changed(factors, factor, by))) == word


@pytest.mark.parametrize(("degrees", "word"), [(15, "tilts right"), (-15, "tilts left"), (180, "")])
def test_a_turned_ellipse_tilts_and_a_turned_square_does_not(degrees, word):
    factors = sprite_factors(0)
    turned = changed(factors, "orientation", lambda turn: turn + degrees)
    assert describe.words(sprites("ellipse", **factors), sprites("ellipse", **turned)) == word
    assert describe.words(sprites("square", **factors), sprites("square", **turned)) == ""


@pytest.mark.parametrize("inverted", [False, True])
def test_a_thing_may_be_dark_on_light(inverted):
    factors = sprite_factors(1)
    pair = [sprites("heart", **factors), sprites("heart", **changed(factors, "scale", lambda s: s * 1.2))]
    assert describe.words(*(1 - x if inverted else x for x in pair)) == "larger"


def test_fainter_sprites_are_darker_and_nothing_else():
    drawn = sprites("star", **sprite_factors(2))
    assert describe.words(drawn, drawn * np.float32(0.7)) == "darker"


def test_thicker_strokes_are_bolder():
    """Rings of one radius, 2 and 4 pixels wide, here and there."""
    rng = np.random.default_rng(0)
    grid = np.arange(28) + 0.5
    x, y = rng.uniform(13, 15, (2, N, 1, 1))
    off = np.abs(np.hypot(grid - x, grid[:, None] - y) - 8)
    thin, thick = (np.clip(half + 0.5 - off, 0, 1).astype(np.float32)[:, None] for half in (1.0, 2.0))
    assert describe.words(thin, thick) == "bolder"
    assert describe.words(thick, thin) == "thinner"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weave", ["stripes", "checks", "dots", "waves"])
@pytest.mark.parametrize(
    ("factor", "by", "word"),
    [
        ("frequency", lambda f: f * 1.5, "finer texture"),
        ("softness", lambda s: s + 0.5, "coarser texture"),
        ("contrast", lambda c: c + 0.35, "more contrast"),
        ("contrast", lambda c: c - 0.25, "less contrast"),
    ],
)
def test_a_texture_of_which_one_factor_changes(weave, factor, by, word, seed):
    factors = texture_factors(seed)
    said = describe.words(textures(weave, **factors), textures(weave, **changed(factors, factor, by)))
    assert word in said.split(", ")


@pytest.mark.parametrize("weave", ["stripes", "waves"])
@pytest.mark.parametrize(("degrees", "word"), [(12, "tilts right"), (-12, "tilts left")])
def test_turned_stripes_tilt(weave, degrees, word):
    factors = texture_factors(0)
    turned = changed(factors, "orientation", lambda turn: turn + degrees)
    assert word in describe.words(textures(weave, **factors), textures(weave, **turned)).split(", ")


@pytest.mark.parametrize(
    ("hue", "word"), [(25, "redder"), (105, "yellower"), (145, "greener"), (260, "bluer"), (330, "pinker")]
)
def test_one_hue_for_all_names_the_colour(hue, word):
    """From greyish to vivid pictures of an OKLCH hue."""
    factors = texture_factors(1) | {"hue": np.full(N, hue, float), "second_hue": np.full(N, hue, float)}
    vivid = textures("dots", **factors)
    dull = vivid * np.float32(0.3) + vivid.mean(1, keepdims=True) * np.float32(0.7)
    assert set(describe.words(dull, vivid).split(", ")) == {word, "more colourful"}


def test_brighter_and_paler_textures():
    drawn = textures("checks", **texture_factors(2)) * np.float32(0.8)
    assert describe.words(drawn, drawn + np.float32(0.1)) == "brighter"
    grey = drawn.mean(1, keepdims=True) + np.zeros_like(drawn)
    assert "paler" in describe.words(drawn, grey)


# --- consistent


def test_what_goes_either_way_is_not_said():
    factors = sprite_factors(0)
    sign = np.where(np.arange(N) % 2 == 0, 1.0, -1.0)
    moved = changed(factors, "x", lambda x: x + 3 * sign)
    assert describe.words(sprites("star", **factors), sprites("star", **moved)) == ""
    one_odd = changed(factors, "x", lambda x: x + 3 * np.where(np.arange(N) == 0, -1.0, 1.0))
    assert describe.words(sprites("star", **factors), sprites("star", **one_odd)) == "moves right"


def test_what_is_too_small_to_see_is_not_said():
    factors = sprite_factors(0)
    for name, by in (("scale", 0.1), ("x", 0.3), ("y", 0.3), ("orientation", 2.0)):
        slightly = changed(factors, name, lambda value, by=by: value + by)
        assert describe.words(sprites("ellipse", **factors), sprites("ellipse", **slightly)) == ""


def test_unrelated_pictures_hardly_ever_get_a_word():
    """Ten sprites and ten others: of what differs by chance, nothing should look like a rule."""
    images = shapes.Shapes(count=1000).load().images.astype(np.float32) / np.float32(255)
    drawn = [images[np.random.default_rng(seed).permutation(1000)[:20]] for seed in range(200)]
    assert sum(describe.words(some[:10], some[10:]) != "" for some in drawn) <= 24


def test_the_clearest_two_changes_are_said_in_order():
    factors = sprite_factors(0)
    after = {**factors, "x": factors["x"] + 5, "y": factors["y"] + 2.5, "scale": factors["scale"] * 1.08}
    assert describe.words(sprites("heart", **factors), sprites("heart", **after)) == "moves right, moves down"


factors_of_sprites = st.fixed_dictionaries(
    {"scale": st.floats(5, 9), "orientation": st.floats(0, 360), "x": st.floats(10, 22), "y": st.floats(10, 22)}
)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(list(shapes.OUTLINES)), factors_of_sprites, factors_of_sprites, st.integers(0, 2**16))
def test_backwards_the_words_are_the_opposite_and_the_order_of_pairs_does_not_matter(outline, a, b, seed):
    pair = [sprites(outline, **{name: np.full(N, value) for name, value in factors.items()}) for factors in (a, b)]
    noise = np.random.default_rng(seed).normal(0, 0.02, (2, N, 1, 32, 32)).astype(np.float32)
    before, after = (np.clip(x + e, 0, 1) for x, e in zip(pair, noise, strict=True))
    said = describe.words(before, after)
    order = np.random.default_rng(seed).permutation(N)
    assert describe.words(before[order], after[order]) == said
    back = describe.words(after, before)
    assert [OPPOSITES[word] for word in said.split(", ") if word] == [word for word in back.split(", ") if word]


stacks = st.tuples(
    st.sampled_from([(n, c, h, w) for n in (1, 3) for c in (1, 3) for h in (1, 4, 9) for w in (4, 7)]),
    st.integers(0, 2**16),
)


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_any_pictures_get_at_most_two_known_words(data):
    shape, _ = data.draw(stacks)
    values = st.one_of(st.just(0.0), st.just(1.0), st.floats(0, 1, width=32))
    before, after = (data.draw(hnp.arrays(np.float32, shape, elements=values, fill=st.just(0.5))) for _ in "ab")
    said = describe.words(before, after)
    assert describe.words(before, before) == ""
    assert len(said.split(", ")) <= 2
    assert all(word in OPPOSITES for word in said.split(", ") if word)


def test_tables_and_strange_channels_have_no_words():
    for shape in ((4, 1, 1, 13), (4, 2, 8, 8), (0, 1, 8, 8)):
        assert describe.words(np.zeros(shape, np.float32), np.ones(shape, np.float32)) == ""
