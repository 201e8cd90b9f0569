"""The contracts already carry what comes next: each proven by a small part of its own, trained by the real trainer."""

import math
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aecore.model.config import parse
from aecore.parts.contracts import (
    Backbone,
    Batch,
    Corruption,
    Decoder,
    Encoder,
    Likelihood,
    Objective,
    Procedure,
)
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.training.run import train
from aecore.training.trainer import Trainer

# --- an encoder that uses the mask


class MaskedEncoder(Encoder):
    """Reads the visible pixels and the mask itself, as a masked autoencoder does."""

    def __init__(self, shape, code_dim):
        super().__init__()
        self.layer = nn.Linear((shape[0] + 1) * math.prod(shape[1:]), code_dim)

    def forward(self, x, visible=None):
        mask = torch.ones_like(x[:, :1]) if visible is None else visible.to(x.dtype)
        return self.layer(torch.cat([x, mask], 1).flatten(1))[..., None]


class FlatDecoder(Decoder):
    def __init__(self, shape, code_dim, q=1):
        super().__init__()
        self.shape, self.q = shape, q
        self.layer = nn.Linear(code_dim, q * math.prod(shape))

    def forward(self, z, prefix=None):
        return self.layer(z).reshape(-1, self.q, *self.shape)


class UsesMask(Backbone):
    kind: Literal["uses_mask"] = "uses_mask"

    def build(self, shape, code_dim, params_per_code, params_per_output):
        return MaskedEncoder(shape, code_dim), FlatDecoder(shape, code_dim, params_per_output)

    def refusal(self, config):
        return None if config.objective.params_per_code == 1 else "backbone: one number per unit only"


# --- several numbers per pixel, and learned output parameters


class GreyLevels(Likelihood):
    """A softmax over four grey levels per pixel."""

    kind: Literal["grey_levels"] = "grey_levels"
    params_per_output: ClassVar[int] = 4

    def nll(self, out, target):
        return F.cross_entropy(out, (target * 3).round().long(), reduction="none")

    def mean(self, out):
        levels = torch.linspace(0, 1, 4, device=out.device).reshape(1, 4, 1, 1, 1)
        return (out.softmax(1) * levels).sum(1)

    def sample(self, out, generator):
        p = out.softmax(1).movedim(1, -1)
        drawn = torch.multinomial(p.reshape(-1, 4), 1, generator=generator)
        return drawn.reshape(p.shape[:-1]) / 3


class LogVariance(nn.Module):
    """Appends one learned log variance per channel to the decoder's means."""

    def __init__(self, shape):
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(1, 1, shape[0], 1, 1))

    def forward(self, out):
        return torch.cat([out, self.log_variance.expand_as(out)], 1)


class LearnedVariance(Likelihood):
    kind: Literal["learned_variance"] = "learned_variance"

    def build(self, shape):
        return LogVariance(shape)

    def nll(self, out, target):
        mean, log_variance = out[:, 0], out[:, 1]
        return 0.5 * ((target - mean).square() / log_variance.exp() + log_variance + math.log(2 * math.pi))

    def mean(self, out):
        return out[:, 0]

    def sample(self, out, generator):
        return out[:, 0] + (0.5 * out[:, 1]).exp() * torch.randn(out[:, 0].shape, generator=generator)


# --- other ways to train


class Greedy(Procedure):
    """Each layer first as an autoencoder of the layer below, then all together."""

    kind: Literal["greedy"] = "greedy"
    layer_epochs: int = 2

    def run(self, loop):
        encoder, decoder = loop.model.encoder, loop.model.decoder
        for depth, (down, up) in enumerate(zip(encoder.layers, list(decoder.layers)[::-1], strict=True)):

            def loss(batch, generator, depth=depth, down=down, up=up):
                below = batch.corrupted.flatten(1)
                with torch.no_grad():
                    for layer in list(encoder.layers)[:depth]:
                        below = torch.tanh(layer(below))
                restored = up(torch.tanh(down(below)))
                return {"layer": (restored - below).square().sum(1)}

            learned = [*down.parameters(), *up.parameters()]
            loop.backprop(f"layer {depth + 1}", self.layer_epochs, learned, loss)
        loop.backprop("joint", loop.config.training.epochs, list(loop.model.parameters()))

    def total_epochs(self, config):
        return self.layer_epochs * (1 + len(config.backbone.widths)) + config.training.epochs

    def refusal(self, config):
        return (
            None
            if config.backbone.kind == "mlp"
            else "procedure: greedy training needs listed layers; use backbone=mlp"
        )


class Recirculation(Procedure):
    """Hinton & McClelland (1988): each weight changes by local differences between two passes, without gradients."""

    kind: Literal["recirculation"] = "recirculation"

    def run(self, loop):
        encoder, decoder = loop.model.encoder.layers[0], loop.model.decoder.layers[0]

        @torch.no_grad()
        def step(batch, rate):
            x = batch.clean.flatten(1)
            h = encoder(x)
            x2 = 0.75 * x + 0.25 * decoder(h)
            h2 = encoder(x2)
            decoder.weight += rate / len(x) * (x - x2).T @ h
            decoder.bias += rate * (x - x2).mean(0)
            encoder.weight += rate / len(x) * (h - h2).T @ x2
            encoder.bias += rate * (h - h2).mean(0)
            return {"reconstruction": (decoder(encoder(x)) - x).square().sum(1)}

        loop.epochs("recirculation", loop.config.training.epochs, step)


# --- a sequence decoder


class RowDecoder(Decoder):
    """Writes a picture row by row from the code and the row before; a prefix fixes the first rows."""

    def __init__(self, shape, code_dim):
        super().__init__()
        self.shape = shape
        self.width = shape[0] * shape[2]
        self.cell = nn.GRUCell(self.width, code_dim)
        self.out = nn.Linear(code_dim, self.width)

    def forward(self, z, prefix=None):
        given = 0 if prefix is None else prefix.shape[2]
        state, row, rows = z, z.new_zeros(len(z), self.width), []
        for index in range(self.shape[1]):
            state = self.cell(row, state)
            logits = self.out(state)
            rows.append(logits)
            row = prefix[:, :, index].flatten(1) if index < given else torch.sigmoid(logits)
        return torch.stack(rows, 1).reshape(len(z), 1, self.shape[1], self.shape[0], self.shape[2]).transpose(2, 3)


class Rows(Backbone):
    kind: Literal["rows"] = "rows"

    def build(self, shape, code_dim, params_per_code, params_per_output):
        return MaskedEncoder(shape, code_dim), RowDecoder(shape, code_dim)


class HalfGiven(Objective):
    """Predicts the lower half of the picture, the upper half given as prefix, and the whole from the code alone."""

    kind: Literal["half_given"] = "half_given"

    def terms(self, model, batch, generator):
        z = model.encode(batch.corrupted, batch.visible).mean
        half = batch.clean.shape[2] // 2
        whole = model.likelihood.nll(model.decode(z), batch.clean).flatten(1).sum(1)
        continued = model.head(model.decoder(z, batch.clean[:, :, :half]))
        lower = model.likelihood.nll(continued, batch.clean)[:, :, half:].flatten(1).sum(1)
        return {"reconstruction": whole, "continuation": lower}


# --- two numbers per unit, otherwise than in the variational objective; projection after each step


class NoisyCode(Objective):
    """The code's second number is the logarithm of its noise; weights are kept to norm 1 after each step."""

    kind: Literal["noisy_code"] = "noisy_code"
    params_per_code: ClassVar[int] = 2

    def terms(self, model, batch, generator):
        code = model.encode(batch.corrupted, batch.visible)
        noise = torch.randn(code.mean.shape, generator=generator, device=code.mean.device)
        out = model.decode(code.mean + (code.log_variance / 2).exp() * noise)
        return {
            "reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1),
            "price": -code.log_variance.clamp(max=0).sum(1),
        }

    @torch.no_grad()
    def after_step(self, model):
        weight = model.decoder.layers[-1].weight
        weight.copy_(F.normalize(weight, dim=0))


# --- tests


def trained_on_digits(configure, store, **parts: Any) -> tuple[str, list[dict[str, Any]]]:
    """The run that `train` makes, and its history; its validation error has fallen."""
    parts = {"training": {"epochs": 3, "learning_rate": 5e-3}, **parts}
    run_id = train(configure(**parts), store)
    assert store.info(run_id).status.state == "finished", store.info(run_id).reason
    history = RunFolder(store.folder(run_id)).history()
    assert history[-1]["validation_sse"] < history[0]["validation_sse"]
    return run_id, history


def test_an_encoder_may_use_the_mask(configure, store):
    config = configure(backbone=UsesMask(), corruption={"kind": "masking", "level": 0.5}, training={"epochs": 3})
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    x = trainer.held_out[:5]
    hidden = torch.zeros(5, 1, 8, 8, dtype=torch.bool)
    encoder = trainer.model.encoder
    assert not torch.allclose(encoder(x), encoder(x, hidden))
    weight = encoder.layer.weight[:, 64:]
    assert float(weight.detach().abs().max()) > 0
    _, history = trained_on_digits(configure, store, backbone=UsesMask(), corruption={"kind": "masking", "level": 0.5})
    assert history[-1]["stage"] == "joint"


def test_the_mask_itself_carries_information(configure):
    """With it, the same network reaches a lower error from masked digits than without."""

    class Blind(Corruption):
        kind: Literal["blind"] = "blind"
        level: float = 0.5

        def field(self, shape, generator):
            return torch.rand((shape[0], 1, *shape[2:]), generator=generator)

        def apply(self, x, field, level):
            return x * (field >= level), None

    losses = []
    for corruption in ({"kind": "masking", "level": 0.5}, Blind()):
        training = {"epochs": 15, "learning_rate": 1e-2, "precision": "float32"}
        config = configure(backbone=UsesMask(), corruption=corruption, code_dim=30, training=training)
        trainer = Trainer(config, config.dataset.load())
        trainer.run()
        losses.append(trainer.best_loss)
    assert losses[0] < losses[1] - 0.3


def test_two_numbers_per_unit_and_a_projection_after_each_step(configure, store):
    config = configure(objective=NoisyCode(), training={"epochs": 3, "learning_rate": 1e-2})
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    code = trainer.model.encode(trainer.held_out[:4])
    assert code.params.shape == (4, 6, 2)
    norms = trainer.model.decoder.layers[-1].weight.norm(dim=0)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    trained_on_digits(configure, store, objective=NoisyCode(), training={"epochs": 4, "learning_rate": 1e-2})


def test_a_likelihood_may_take_several_numbers_per_pixel(configure, store):
    run_id, _ = trained_on_digits(configure, store, likelihood=GreyLevels())
    weights = (store.folder(run_id) / "weights.safetensors").stat().st_size
    assert weights > 4 * 64 * 32 * 4
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    out = torch.randn(3, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    p = out.softmax(1)
    level = (x * 3).round().long()
    expected = -p.movedim(1, -1).gather(-1, level[..., None])[..., 0].log()
    torch.testing.assert_close(GreyLevels().nll(out, x), expected)


def test_a_likelihood_may_learn_its_variance(configure, store):
    config = configure(
        likelihood=LearnedVariance(),
        backbone="linear",
        training={"epochs": 10, "batch_size": 32, "learning_rate": 3e-2},
    )
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    assert "head.log_variance" in trainer.model.state_dict()
    # At the optimum the variance is the mean squared error per pixel, on the training images.
    x = trainer.images.float() / 255
    with torch.no_grad():
        mse = (trainer.model.reconstruct(x) - x).square().mean().item()
    assert trainer.model.head.log_variance.exp().item() == pytest.approx(mse, rel=0.1)
    run_id, _ = trained_on_digits(configure, store, likelihood=LearnedVariance(), backbone="linear")
    assert store.info(run_id).status.parameters == sum(p.numel() for p in trainer.model.parameters())


def test_layers_may_be_trained_one_by_one_and_then_together(configure, store):
    backbone = {"kind": "mlp", "widths": [24], "activation": "tanh"}
    seen = []
    config = configure(backbone=backbone, procedure=Greedy())
    Trainer(config, config.dataset.load(), on_step=lambda p: seen.append((p.stage, p.fraction))).run()
    assert list(dict.fromkeys(stage for stage, _ in seen)) == ["layer 1", "layer 2", "joint"]
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    _, history = trained_on_digits(configure, store, backbone=backbone, procedure=Greedy())
    assert [row["epoch"] for row in history] == list(range(8))
    assert set(history[1]["train"]) == {"layer"}
    assert set(history[-1]["train"]) == {"reconstruction"}


def test_a_stage_changes_only_the_weights_it_was_given(configure):
    class FirstOnly(Procedure):
        kind: Literal["first_only"] = "first_only"

        def run(self, loop):
            loop.backprop("first", 1, list(loop.model.encoder.layers[0].parameters()))

    config = configure(procedure=FirstOnly(), training={"epochs": 1})
    trainer = Trainer(config, config.dataset.load())
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.run()
    changed = {name for name, value in trainer.model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"encoder.layers.0.weight", "encoder.layers.0.bias"}


def test_training_may_go_without_gradients(configure, store, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("no back-propagation here")

    monkeypatch.setattr(torch.Tensor, "backward", forbidden)
    training = {"epochs": 6, "learning_rate": 0.1, "schedule": "constant"}
    run_id, history = trained_on_digits(
        configure, store, procedure=Recirculation(), backbone="linear", likelihood="gaussian", training=training
    )
    assert history[-1]["validation_sse"] < 0.6 * history[0]["validation_sse"]
    assert history[-1]["stage"] == "recirculation"
    assert store.info(run_id).status.epochs == 6


def test_a_decoder_may_continue_a_given_beginning(configure, store):
    config = configure(backbone=Rows(), objective=HalfGiven(), training={"epochs": 3, "learning_rate": 1e-2})
    trainer = Trainer(config, config.dataset.load())
    trainer.run()
    x = trainer.held_out[:4]
    z = trainer.model.encode(x).mean
    free, given = trainer.model.decoder(z), trainer.model.decoder(z, x[:, :, :4])
    assert free.shape == given.shape == (4, 1, 1, 8, 8)
    torch.testing.assert_close(free[:, :, :, :1], given[:, :, :, :1])  # the first row has nothing before it
    assert not torch.allclose(free[:, :, :, 4:], given[:, :, :, 4:])
    _, history = trained_on_digits(
        configure, store, backbone=Rows(), objective=HalfGiven(), training={"epochs": 3, "learning_rate": 1e-2}
    )
    assert history[-1]["train"]["continuation"] < history[1]["train"]["continuation"]


def test_parts_that_cannot_work_together_say_so(configure):
    with pytest.raises(Exception, match="listed layers; use backbone=mlp"):
        configure(procedure=Greedy(), backbone="linear")
    with pytest.raises(Exception, match="one number per unit only"):
        configure(backbone=UsesMask(), objective="variational")


def test_a_run_of_a_part_that_is_not_installed_is_listed_as_damaged(configure, store):
    run_id, _ = trained_on_digits(configure, store, backbone=UsesMask())
    info = store.info(run_id)
    assert info.state == "damaged"
    assert "uses_mask" in info.reason
    assert "mlp" in info.reason
    with pytest.raises(Exception, match="uses_mask"):
        Session(store, run_id)


def test_objectives_see_float_images_between_0_and_1_and_the_mask(configure):
    seen: list[Batch] = []

    class Watch(Objective):
        kind: Literal["watch"] = "watch"

        def terms(self, model, batch, generator):
            seen.append(batch)
            out = model.decode(model.encode(batch.corrupted, batch.visible).mean)
            return {"reconstruction": model.likelihood.nll(out, batch.clean).flatten(1).sum(1)}

    config = configure(objective=Watch(), corruption="masking", training={"epochs": 1})
    Trainer(config, config.dataset.load()).run()
    for batch in seen:
        assert batch.clean.dtype == torch.float32
        assert 0 <= float(batch.clean.min()) <= float(batch.clean.max()) <= 1
        assert torch.equal(batch.corrupted, batch.clean * batch.visible)
    assert np.isclose(float(torch.cat([b.clean for b in seen]).max()), 1)


def test_parts_given_as_objects_pass_through_unchanged(configure):
    part = UsesMask()
    config = configure(backbone=part)
    assert config.backbone is part
    assert config.model_dump(mode="json")["backbone"] == {"kind": "uses_mask"}
    assert parse({**config.model_dump(), "backbone": part, "dataset": config.dataset}).backbone is part
