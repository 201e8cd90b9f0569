"""Pictures as sets of patches: the encoder reads only the visible ones, and the decoder fills in the others."""

import pytest
import torch
from torch import nn

from aecore.foundation.errors import BadSettings
from aecore.model.autoencoder import build
from aecore.parts.backbones import Gru, Transformer
from aecore.parts.backbones.transformer import HIDDEN_SCORE, Block, to_patches
from aecore.parts.contracts import Batch
from aecore.parts.corruptions import Patches, Rows
from aecore.parts.objectives import MaskedReconstruction, Reconstruction
from aecore.training.trainer import Trainer

PATCHES = {"kind": "transformer", "patch": 2, "width": 16, "depth": 2, "heads": 2}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 5, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> torch.Tensor:
    return torch.rand((n, *shape), generator=generator(seed))


def hidden(corruption, x: torch.Tensor, level: float) -> tuple[torch.Tensor, torch.Tensor]:
    return corruption.apply(x, corruption.field(tuple(x.shape), generator(3)), level)


# --- the transformer


def test_attention_is_that_of_torch():
    ours, theirs = Block(12, 3), nn.MultiheadAttention(12, 3, bias=True, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.ask.weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.weight.copy_(ours.answer.weight)
        theirs.out_proj.bias.copy_(ours.answer.bias)
        ours.narrow.weight.zero_()
        ours.narrow.bias.zero_()
    tokens, seen = torch.randn(2, 7, 12, generator=generator()), torch.ones(2, 7, dtype=torch.bool)
    seen[0, 2:5] = seen[1, 6] = False
    normed = ours.before_attention(tokens)
    expected = tokens + theirs(normed, normed, normed, key_padding_mask=~seen)[0]
    torch.testing.assert_close(ours(tokens, seen), expected)


def test_patches_are_cut_in_reading_order_and_put_together_again(configure):
    x = torch.arange(2 * 4 * 6.0).reshape(1, 2, 4, 6)
    patches = to_patches(x, 2)
    assert torch.equal(patches[0, 1], x[0, :, :2, 2:4].flatten())
    assert torch.equal(patches[0, 3], x[0, :, 2:, :2].flatten())
    # A decoder whose last layer shows each place's number of its own puts that number in the right patch.
    model = build(configure(backbone=PATCHES), (1, 4, 6))
    with torch.no_grad():
        model.decoder.norm = nn.Identity()
        model.decoder.blocks = nn.ModuleList()
        model.decoder.masks.weight.zero_()
        model.decoder.masks.bias.copy_(torch.arange(6.0).repeat_interleave(16))
        model.decoder.pixels.weight.fill_(1 / 16)
        model.decoder.pixels.bias.zero_()
    expected = torch.arange(6.0).reshape(2, 3).repeat_interleave(2, 0).repeat_interleave(2, 1)
    torch.testing.assert_close(model.decode(torch.zeros(1, 6))[0, 0, 0], expected)


@pytest.mark.parametrize("level", [0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_the_encoder_sees_nothing_of_hidden_pixels(configure, level, size):
    """Exactly: whatever stands there, and for masks that are not aligned with the patches, too."""
    encoder = build(configure(backbone=PATCHES), (1, 8, 8)).encoder
    x = images(7)
    _, visible = hidden(Patches(size=size), x, level)
    code = encoder(x, visible)
    assert bool(code.isfinite().all())
    for other in (0.0, -3.0, torch.inf, torch.nan):
        assert torch.equal(encoder(torch.where(visible, x, other), visible), code)
    assert level == 1 or not torch.allclose(encoder(x), code)


def test_hidden_patches_take_no_part_at_all(configure):
    """The code of what is visible is that of an encoder for which the other places do not exist."""
    encoder = build(configure(backbone=PATCHES), (1, 8, 8)).encoder
    x = images(1)
    _, visible = hidden(Patches(size=2), x, 0.75)
    code = encoder(x, visible)
    keep = to_patches(visible, 2).any(2)[0]
    tokens = (encoder.embed(to_patches(x, 2)) + encoder.places)[:, keep]
    for block in encoder.blocks:
        tokens = block(tokens)
    weight = encoder.code.weight.reshape(6, 16, 16)[:, keep]
    expected = 4 * torch.einsum("kid,bid->bk", weight, encoder.norm(tokens)) + encoder.code.bias
    torch.testing.assert_close(code[..., 0], expected)
    assert torch.equal(torch.tensor([HIDDEN_SCORE, 5.0]).softmax(0), torch.tensor([0.0, 1.0]))


def test_a_mask_that_hides_nothing_equals_none(configure):
    model, x = build(configure(backbone=PATCHES), (1, 8, 8)), images()
    torch.testing.assert_close(model.encode(x, torch.ones(5, 1, 8, 8).bool()).params, model.encode(x).params)


@pytest.mark.parametrize("backbone", [Gru(width=6), Transformer(patch=2, width=8, heads=2, depth=1)], ids=str)
def test_per_image_derivatives_exist_of_what_is_visible_only(backbone):
    torch.manual_seed(0)
    encoder, _ = backbone.build((1, 4, 4), 3, 1, 1)
    x = images(2, (1, 4, 4)).requires_grad_()
    _, visible = hidden(Patches(size=2) if isinstance(backbone, Transformer) else Rows(), x, 0.5)
    (slope,) = torch.autograd.grad(encoder(x, visible).sum(), x)
    assert bool((slope[~visible] == 0).all())
    assert bool((slope[visible] != 0).any())
    batched = torch.func.vmap(torch.func.jacrev(lambda image: encoder(image[None])[0, :, 0]))(x.detach())
    expected = torch.autograd.functional.jacobian(lambda image: encoder(image)[0, :, 0], x[:1].detach())
    torch.testing.assert_close(batched[0], expected[:, 0])


@pytest.mark.parametrize(
    ("shape", "patch", "words"),
    [
        ((1, 8, 8), 3, r"backbone\.patch: .*3 × 3: they do not fill it; use backbone\.patch=1"),
        ((1, 28, 28), 5, r"use backbone\.patch=2"),
        ((3, 64, 64), 2, r"too many to compare; use backbone\.patch=4"),
        ((1, 29, 31), 2, "use another backbone"),
    ],
)
def test_patches_that_do_not_fit_are_refused_with_the_remedy(configure, shape, patch, words):
    with pytest.raises(BadSettings, match=words):
        build(configure(backbone={**PATCHES, "patch": patch}), shape)


def test_heads_that_cannot_share_the_width_are_refused(configure):
    with pytest.raises(BadSettings, match=r"backbone\.heads: 5 heads cannot share 48 numbers evenly; use heads=4"):
        configure(backbone={"kind": "transformer", "heads": 5})


# --- the objective of filling in


def test_masked_reconstruction_parts_the_loss_by_the_mask(configure):
    model, x = build(configure(backbone=PATCHES), (1, 8, 8)), images()
    corrupted, visible = hidden(Patches(size=2), x, 0.5)
    batch = Batch(x, corrupted, visible)
    terms = MaskedReconstruction(visible_weight=0.25).terms(model, batch, generator())
    nll = model.likelihood.nll(model.decode(model.encode(corrupted, visible).mean), x)
    for image in range(5):
        torch.testing.assert_close(terms["reconstruction"][image], nll[image][~visible[image]].sum())
        torch.testing.assert_close(terms["visible"][image], 0.25 * nll[image][visible[image]].sum())
    plain = Reconstruction().terms(model, batch, generator())["reconstruction"]
    torch.testing.assert_close(
        sum(MaskedReconstruction(visible_weight=1).terms(model, batch, generator()).values()), plain
    )
    unmasked = MaskedReconstruction().terms(model, Batch(x, x), generator())
    assert set(unmasked) == {"reconstruction"}


def test_a_masked_autoencoder_fills_in_better_than_the_mean_image_does(configure):
    config = configure(
        backbone=PATCHES, corruption={"kind": "patches", "size": 2, "level": 0.6}, objective="masked_reconstruction",
        code_dim=24, training={"epochs": 8, "batch_size": 32, "learning_rate": 5e-3, "precision": "float32"},
    )  # fmt: skip
    data = config.dataset.load()
    trainer = Trainer(config, data)
    trainer.run()
    x = torch.from_numpy(data.floats(data.indices("test")))
    mean = torch.from_numpy(data.floats(data.indices("train"))).mean(0, keepdim=True)
    corrupted, visible = config.corruption.corrupt(x, generator(1))
    with torch.no_grad():
        found = trainer.model.reconstruct(corrupted, visible)
    error, floor = (float(((r - x).square() * ~visible).sum()) for r in (found, mean))
    assert error < 0.7 * floor
