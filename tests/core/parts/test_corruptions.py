"""Corruptions: seeded, pure, monotonic in their level, and with the statistics that they promise."""

import pytest
import torch
from toolbox import CORRUPTIONS, SHAPES, generator, images, part

from aecore.parts.corruptions import GaussianNoise, Masking, Patches, Rows, SaltAndPepper


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_corruption_is_seeded_pure_and_keeps_the_shape(kind, shape):
    corruption, x = part("corruptions", kind), images(shape=shape)
    before = x.clone()
    field = corruption.field(x.shape, generator(3))
    assert torch.equal(field, corruption.field(x.shape, generator(3)))
    kept = field.clone()
    first, visible = corruption.apply(x, field, corruption.level)
    again, _ = corruption.apply(x, field, corruption.level)
    assert torch.equal(first, again)
    assert first.shape == x.shape
    assert visible is None or visible.shape == (4, 1, *shape[1:])
    assert torch.equal(x, before)
    assert torch.equal(field, kept)
    corrupted, _ = corruption.corrupt(x, generator(3))
    assert torch.equal(corrupted, first)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_level_0_changes_nothing(kind):
    corruption, x = part("corruptions", kind), images()
    result, visible = corruption.apply(x, corruption.field(x.shape, generator()), 0.0)
    assert torch.equal(result, x)
    assert visible is None or bool(visible.all())


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if part("corruptions", kind).random])
def test_other_seeds_give_other_noise_to_every_image(kind):
    corruption, x = part("corruptions", kind), images(2, (1, 32, 32)) / 2 + 0.25
    x[1] = x[0]
    one, _ = corruption.corrupt(x, generator(1))
    two, _ = corruption.corrupt(x, generator(2))
    assert not torch.equal(one, two)
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if kind != "none"])
@pytest.mark.parametrize("level", [1e-6, 0.3, 1.0])
def test_single_pixels_can_be_corrupted_by_hand_at_any_level(kind, level):
    corruption, x = part("corruptions", kind), images(2) / 2 + 0.25
    field = corruption.field(x.shape, generator())
    for target, value in ((0.0, corruption.black), (1.0, corruption.white)):
        changed = field.clone()
        changed[:, :, 2, 3] = (target - x[:, :, 2, 3]) / level if value is None else value
        result, visible = corruption.apply(x, changed, level)
        if visible is None:
            torch.testing.assert_close(result[:, :, 2, 3], torch.full_like(result[:, :, 2, 3], target))
        else:
            assert not visible[:, :, 2, 3].any()
        untouched, _ = corruption.apply(x, field, level)
        result[:, :, 2, 3] = untouched[:, :, 2, 3]
        assert torch.equal(result, untouched), "no other pixel is changed"


@pytest.mark.parametrize("corruption", [Masking(), SaltAndPepper(), Patches(), Patches(size=3), Rows()])
def test_a_rising_level_only_adds_to_what_is_corrupted(corruption):
    x = torch.full((3, 2, 20, 20), 0.5)
    field = corruption.field(x.shape, generator())
    previous, earlier = torch.zeros_like(x, dtype=torch.bool), x
    for level in (0.1, 0.3, 0.5, 0.8, 1.0):
        result, _ = corruption.apply(x, field, level)
        changed = result != x
        assert bool((changed | ~previous).all())
        assert torch.equal(result[previous], earlier[previous]), "a corrupted pixel keeps its value"
        previous, earlier = changed, result
    assert bool(previous.all()), "level 1 leaves nothing"


@pytest.mark.parametrize("corruption", [Masking(), Patches(size=2), Rows()])
@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_visible_marks_exactly_the_untouched_pixels(corruption, level):
    x = images(20, (3, 32, 32)) + 0.1
    result, visible = corruption.apply(x, corruption.field(x.shape, generator()), level)
    assert torch.equal((result == x).all(1, keepdim=True), visible)
    assert bool((result[(~visible).expand_as(x)] == 0).all())
    # 20 × 1024 pixels: 5 standard deviations of an independent choice are 0.018.
    assert float(visible.float().mean()) == pytest.approx(1 - level, abs=0.018)


def test_patches_hide_exactly_their_share_of_every_image():
    x = torch.ones(10, 1, 32, 32)
    for hidden in range(65):
        _, visible = Patches(size=4).apply(x, Patches(size=4).field(x.shape, generator()), hidden / 64)
        assert bool(((~visible).sum((1, 2, 3)) == hidden * 16).all())


def test_half_of_the_replaced_pixels_are_salt():
    x = torch.full((50, 1, 32, 32), 0.5)
    result, visible = SaltAndPepper().apply(x, SaltAndPepper().field(x.shape, generator()), 0.4)
    assert visible is None, "a replaced pixel cannot be told from a real black or white one"
    assert float((result == 1).float().mean()) == pytest.approx(0.2, abs=0.009)
    assert float((result == 0).float().mean()) == pytest.approx(0.2, abs=0.009)
    assert set(result.unique().tolist()) == {0.0, 0.5, 1.0}


def test_gaussian_noise_is_normal_with_sigma_the_level():
    x = torch.full((50, 3, 32, 32), 0.5)
    noise = GaussianNoise().apply(x, GaussianNoise().field(x.shape, generator()), 0.3)[0] - x
    standard = noise.flatten() / 0.3
    assert float(standard.mean()) == pytest.approx(0, abs=0.013)
    assert float(standard.square().mean()) == pytest.approx(1, abs=0.02)
    assert float(standard.pow(4).mean()) == pytest.approx(3, abs=0.13)
