"""Pictures as sequences of rows: rows that are not given are not read, and given ones are kept."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

from aecore.foundation.errors import BadInput, BadSettings
from aecore.model.autoencoder import build
from aecore.parts.backbones.gru import GruCell
from aecore.parts.contracts import Batch
from aecore.parts.corruptions import Rows
from aecore.parts.networks import first_rows
from aecore.parts.objectives import Continuation, Reconstruction
from aecore.session.session import Session
from aecore.store.store import RunStore
from aecore.training.trainer import Trainer

GRU = {"kind": "gru", "width": 24}


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
