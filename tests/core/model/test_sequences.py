"""Pictures as sequences of rows and as sets of patches: what is not given is not read, and what is given is kept."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

from aecore.foundation.errors import BadInput, BadSettings
from aecore.model.autoencoder import build
from aecore.parts.backbones import Gru, Transformer
from aecore.parts.backbones.gru import GruCell
from aecore.parts.backbones.transformer import HIDDEN_SCORE, Block, to_patches
from aecore.parts.contracts import Batch
from aecore.parts.corruptions import Patches, Rows
from aecore.parts.networks import first_rows
from aecore.parts.objectives import Continuation, MaskedReconstruction, Reconstruction
from aecore.session.session import Session
from aecore.store.store import RunStore
from aecore.training.trainer import Trainer

GRU = {"kind": "gru", "width": 24}
PATCHES = {"kind": "transformer", "patch": 2, "width": 16, "depth": 2, "heads": 2}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 5, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> torch.Tensor:
    return torch.rand((n, *shape), generator=generator(seed))


def hidden(corruption, x: torch.Tensor, level: float) -> tuple[torch.Tensor, torch.Tensor]:
    return corruption.apply(x, corruption.field(tuple(x.shape), generator(3)), level)


# --- rows


def test_rows_hides_the_share_asked_for_from_the_last_row_up():
    x = torch.ones(3, 2, 8, 5)
    for given in range(9):
        corrupted, visible = hidden(Rows(), x, 1 - given / 8)
        assert bool(visible[:, :, :given].all())
        assert not bool(visible[:, :, given:].any())
        assert torch.equal(corrupted, x * visible)


def test_the_given_rows_are_those_above_the_first_hidden_pixel():
    x, visible = images(4), torch.ones(4, 1, 8, 8, dtype=torch.bool)
    visible[0, 0, 3, 5] = visible[1, 0, 0, 0] = visible[3, 0, 7] = False
    prefix = first_rows(x, visible)
    for image, given in enumerate((3, 0, 0, 7)):  # of the third image nothing is hidden: nothing to continue
        assert torch.equal(prefix[image, :, :given], x[image, :, :given])
        assert bool(prefix[image, :, given:].isnan().all())
    assert first_rows(x, None) is None


# --- the recurrent network


def test_the_cell_is_that_of_torch():
    ours, theirs = GruCell(5, 7), nn.GRUCell(5, 7)
    weights = [ours.read.weight, ours.recall.weight, ours.read.bias, ours.recall.bias]
    with torch.no_grad():
        for own, other in zip(weights, theirs.parameters(), strict=True):
            other.copy_(own)
    row, state = torch.randn(4, 5, generator=generator()), torch.randn(4, 7, generator=generator(1))
    torch.testing.assert_close(ours(ours.read(row), state), theirs(row, state))


def test_the_code_of_the_first_rows_is_that_of_a_picture_that_ends_there(configure):
    encoder = build(configure(backbone=GRU), (2, 8, 6)).encoder
    x = images(shape=(2, 8, 6))
    for given in (1, 5, 8):
        _, visible = hidden(Rows(), x, 1 - given / 8)
        torch.testing.assert_close(encoder(x, visible), encoder(x[:, :, :given]), rtol=0, atol=0)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_an_empty_prefix_changes_nothing_and_a_decoders_own_rows_do_not_either(configure, likelihood):
    model = build(configure(backbone=GRU, likelihood=likelihood), (2, 8, 6))
    z = torch.randn(3, 6, generator=generator())
    free = model.decode(z)
    for empty in (torch.zeros(3, 2, 0, 6), torch.full((3, 2, 8, 6), torch.nan)):
        assert torch.equal(model.decode(z, empty), free)
    own = model.likelihood.mean(free)
    torch.testing.assert_close(model.decode(z, own[:, :, :5]), free)


def test_a_prefix_reaches_only_the_rows_below_it_and_images_may_differ_in_length(configure):
    model, x = build(configure(backbone=GRU), (1, 8, 8)), images(2)
    z = model.encode(x).mean
    free, four, six = model.decode(z), model.decode(z, x[:, :, :4]), model.decode(z, x[:, :, :6])
    torch.testing.assert_close(four[:, :, :, :1], free[:, :, :, :1])
    torch.testing.assert_close(six[:, :, :, :5], four[:, :, :, :5])
    assert all(not torch.allclose(six[:, :, :, row], four[:, :, :, row]) for row in (5, 6, 7))
    mixed = x.clone()
    mixed[0, :, 4:] = mixed[1, :, 6:] = torch.nan
    together = model.decode(z, mixed)
    torch.testing.assert_close(together, torch.stack([four[0], six[1]]))


def test_one_row_is_no_sequence(configure, hold):
    with pytest.raises(BadSettings, match=r"backbone: gru .* one row only.* choose another backbone"):
        build(configure(backbone=GRU), (1, 1, 8))
    config = configure(backbone=GRU, dataset=hold(np.random.default_rng(0).integers(0, 255, (20, 1, 1, 8), np.uint8)))
    with pytest.raises(BadSettings, match="one row only"):
        Trainer(config, config.dataset.load())


# --- the objective of continuing


def test_continuation_is_the_loss_of_what_is_below_and_its_rows_are_drawn_evenly(configure):
    model, x = build(configure(backbone=GRU), (1, 8, 8)), images(40)
    terms = Continuation(weight=2.0).terms(model, Batch(x, x), generator(4))
    n = torch.randint(8, (40,), generator=generator(4))
    assert set(n.tolist()) == set(range(8))
    for image in range(40):
        one, given = x[image : image + 1], int(n[image])
        code = model.encode(one[:, :, :given]).mean if given else model.encode(one, torch.zeros_like(one).bool()).mean
        below = model.likelihood.nll(model.decode(code, one[:, :, :given]), one)[:, :, given:].sum()
        torch.testing.assert_close(terms["continuation"][image], 2 * below)
    plain = Reconstruction().terms(model, Batch(x, x), generator())
    torch.testing.assert_close(terms["reconstruction"], plain["reconstruction"])


def test_what_the_corruption_hides_stays_hidden_from_the_continuation(configure):
    model, x = build(configure(backbone=GRU), (1, 8, 8)), images(6)
    _, visible = hidden(Rows(), x, 0.5)
    found = [
        Continuation().terms(model, Batch(x, torch.where(visible, x, below), visible), generator())["continuation"]
        for below in (0.0, 1.0)
    ]
    torch.testing.assert_close(*found, rtol=0, atol=0)


# --- a run that continues


@pytest.fixture(scope="module")
def sequence(tmp_path_factory):
    """The run that comes with the program."""
    return Session(RunStore(tmp_path_factory.mktemp("sequence")), "digits-sequence")


def test_the_ready_made_run_continues_better_than_ridge_regression_and_the_mean_image_do(sequence):
    data = sequence.data
    train, test = (data.floats(data.indices(split)) for split in ("train", "test"))
    for rows in range(1, 8):
        above, below = ((x[:, :, :rows].reshape(len(x), -1), x[:, :, rows:].reshape(len(x), -1)) for x in (train, test))
        guess = Ridge(0.3).fit(above[0], above[1]).predict(below[0])
        guesses = (sequence.continue_rows(test, rows)[:, :, rows:].reshape(len(test), -1), guess, above[1].mean(0))
        error, linear, mean = (np.square(guess - below[1]).sum(1).mean() for guess in guesses)
        assert error < 0.95 * linear < mean, rows


def test_a_recurrent_network_learns_to_copy(configure):
    training = {"epochs": 14, "batch_size": 32, "learning_rate": 1e-2, "precision": "float32"}
    config = configure(backbone=GRU, code_dim=12, training=training)
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    images = trainer.images.float() / 255
    floor = float((trainer.held_out - images.mean(0)).square().flatten(1).sum(1).mean())
    assert trainer.sse < 0.7 * floor


def test_given_rows_stay_and_what_was_below_them_is_not_looked_at(sequence):
    x = sequence.gallery(6).images
    for rows in range(9):
        found = sequence.continue_rows(x, rows)
        assert np.array_equal(found[:, :, :rows], x[:, :, :rows])
        other = x.copy()
        other[:, :, rows:] = 1 - other[:, :, rows:]
        assert np.array_equal(sequence.continue_rows(other, rows), found)
    blind = sequence.continue_rows(x, 0)
    np.testing.assert_allclose(blind, np.repeat(blind[:1], 6, 0), atol=1e-6)


def test_missing_rows_on_a_page_are_continued_the_same_way(sequence):
    x = sequence.gallery(6).images
    done = sequence.denoise(x, "rows", 0.5)
    assert done.rows_given == 4
    np.testing.assert_array_equal(done.reconstruction, sequence.continue_rows(x, 4))
    whole = sequence.denoise(x, "rows", 0.0)
    np.testing.assert_array_equal(whole.reconstruction, sequence.reconstruct(x))


def test_what_cannot_be_continued_is_refused_in_words(sequence, session):
    x = session.gallery(2).images
    with pytest.raises(BadInput, match=r"backbone gru"):
        session.continue_rows(x, 4)
    for rows in (-1, 9):
        with pytest.raises(BadInput, match="8 rows, so 0 to 8"):
            sequence.continue_rows(x, rows)
    with pytest.raises(BadInput, match="1 × 8 × 8"):
        sequence.continue_rows(x[:, :, :4], 2)


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
