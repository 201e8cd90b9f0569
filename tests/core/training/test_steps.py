"""What a training step is made of: the optimiser, the noise, shifted and binarised images."""

import numpy as np
import pytest
import torch
from scipy import stats

from aecore.foundation.errors import BadSettings
from aecore.foundation.files import read_arrays
from aecore.model.config import parse
from aecore.parts.corruptions import Masking, SaltAndPepper
from aecore.parts.optimiser import AdamW
from aecore.training.run import train
from aecore.training.trainer import Trainer

# --- the optimiser


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adamw_is_that_of_torch_bit_for_bit(decay):
    torch.manual_seed(0)
    ours, theirs = (torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3)) for _ in "ab")
    theirs.load_state_dict(ours.state_dict())
    one, two = (
        AdamW(list(ours.parameters()), decay),
        torch.optim.AdamW(theirs.parameters(), weight_decay=decay, fused=True),
    )
    for step in range(20):
        x, rate = torch.randn(8, 5), 0.01 / (1 + step)
        gradients = torch.autograd.grad(ours(x).square().sum(), list(ours.parameters()))
        theirs(x).square().sum().backward()
        two.param_groups[0]["lr"] = rate
        one.step(gradients, rate)
        two.step()
        two.zero_grad()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_parameter_without_a_gradient_stays():
    used, unused = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimiser = AdamW([used, unused], 0.5)
    optimiser.step(torch.autograd.grad(used.square().sum(), [used, unused], allow_unused=True), 0.1)
    assert torch.equal(unused, torch.ones(3))
    assert (used < 1).all()


# --- the noise


def test_the_drawn_fields_are_uniform():
    generator = torch.Generator().manual_seed(0)
    for corruption, low, high in ((Masking(), 0.0, 1.0), (SaltAndPepper(), -1.0, 1.0)):
        field = corruption.field((50, 1, 28, 28), generator)
        assert low <= field.min() < field.max() < high
        values = field.flatten().double().numpy()
        assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 1e-3
        neighbours = np.corrcoef(values[:-1], values[1:])[0, 1]
        assert abs(neighbours) < 4 / np.sqrt(len(values))
        assert corruption.field((3, 1, 1, 3), generator).shape == (3, 1, 1, 3), "sizes that four do not divide"


@pytest.mark.parametrize("level", [0.0, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_salt_and_pepper_is_what_its_definition_says(level, channels):
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(20, channels, 9, 7, generator=generator)
    field = SaltAndPepper().field((20, channels, 9, 7), generator)
    out, visible = SaltAndPepper().apply(x, field, level)
    assert visible is None
    assert torch.equal(out, torch.where(field.abs() < level, (field > 0).to(x.dtype), x))


# --- shifts


def shifted(image: np.ndarray, down: int, right: int, reach: int) -> np.ndarray:
    """One image seen through a window moved by (down, right), its edge pixels repeated outwards."""
    h, w = image.shape[1:]
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    return padded[:, reach + down : reach + down + h, reach + right : reach + right + w]


@pytest.mark.parametrize("reach", [1, 2])
def test_shifts_move_whole_images_each_by_its_own_amount(configure, hold, reach):
    images = np.random.default_rng(0).integers(0, 256, (60, 2, 6, 5), dtype=np.uint8)
    trainer = Trainer(configure(dataset=hold(images), training={"shift": reach}), hold(images).load())
    source = trainer.images.numpy()
    seen = set()
    for _ in range(10):
        shown = trainer.batches.shifted(torch.arange(len(source))).numpy()
        for image, original in zip(shown, source, strict=True):
            found = [
                (down, right)
                for down in range(-reach, reach + 1)
                for right in range(-reach, reach + 1)
                if np.array_equal(image, shifted(original, down, right, reach))
            ]
            assert len(found) == 1
            seen |= set(found)
    assert len(seen) == (2 * reach + 1) ** 2, "every shift occurs"


def test_shifts_are_repeatable_and_change_the_training_only(configure, store):
    runs = [train(configure(corruption="masking", training={"shift": n}), store) for n in (1, 1, 0)]
    one, two, without = (read_arrays(store.folder(run) / "weights.safetensors") for run in runs)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not all(np.array_equal(one[name], without[name]) for name in one)
    config = configure(training={"shift": 2})
    data = config.dataset.load()
    plain = data.floats(data.indices("validation"))
    assert np.array_equal(Trainer(config, data).held_out.numpy(), plain[: len(plain)]), "validation images stay put"


# --- binarised images


def test_binarised_images_have_their_grey_value_on_average(configure, hold):
    images = np.random.default_rng(0).integers(0, 256, (50, 1, 4, 4), dtype=np.uint8)
    trainer = Trainer(configure(dataset=hold(images), training={"binarise": True}), hold(images).load())
    assert set(np.unique(trainer.held_out.numpy())) == {0.0, 1.0}
    drawn = torch.stack([trainer.batches.corrupted(trainer.images).clean for _ in range(400)])
    assert set(np.unique(drawn.numpy())) == {0.0, 1.0}
    grey = trainer.images.float() / 255
    error = (drawn.mean(0) - grey) / ((grey * (1 - grey) / 400).sqrt() + 1e-3)
    assert error.abs().max() < 5, "in standard errors"


def test_only_data_between_0_and_1_can_be_binarised(configure):
    class Real(type(configure().dataset)):
        value_range = None

    settings = configure(likelihood="gaussian").model_dump() | {"dataset": Real()}
    with pytest.raises(BadSettings, match=r"training\.binarise.*\[0, 1\].*binarise=false"):
        parse({**settings, "training": {"binarise": True}})
