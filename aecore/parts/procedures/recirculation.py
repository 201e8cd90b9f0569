from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor

from aecore.parts.contracts import Batch, Loop, Procedure
from aecore.parts.networks import DenseDecoder, DenseEncoder, TiedDecoder
from aecore.parts.optimiser import AdamW

ACTIVATIONS_ALLOWED = ("identity", "sigmoid")


class Recirculation(Procedure):
    """No back-propagation: activity circulates twice, and each weight change uses only the two units that it connects.

    First pass: h₁ = s(W x + b), r = s'(V h₁ + c). Second pass, on a mean of picture and reconstruction:
    x₂ = λ x + (1 − λ) r, h₃ = s(W x₂ + b). With the learning rate ε,
    ΔV = ε (x − x₂) h₁ᵀ and ΔW = ε (h₁ − h₃) x₂ᵀ, likewise for the biases:
    the activity before the weight times the change of the activity after it. The regression λ keeps the change small:
    for λ → 1 and V = Wᵀ, −Δ/(ε (1 − λ)) becomes the gradient of −log p(x | h). The changes are divided by 1 − λ, so
    that learning rates are comparable, and go through AdamW in place of gradients. Tied weights have V = Wᵀ exactly,
    and their matrix gets the sum of both changes.
    Source: Hinton & McClelland, "Learning representations by recirculation", NIPS 1987 (1988).
    """

    title: ClassVar[str] = "Recirculation"
    kind: Literal["recirculation"] = "recirculation"
    regression: float = Setting(
        0.75,
        ge=0,
        lt=1,
        title="Regression λ",
        description="Share of the picture in the input of the second pass; the rest is the reconstruction.",
    )

    def run(self, loop: Loop) -> None:
        optimiser = AdamW(list(loop.model.parameters()), loop.config.training.weight_decay)

        def step(batch: Batch, rate: Tensor) -> dict[str, Tensor]:
            changes, loss = self.changes(loop.model, batch)
            optimiser.step(changes, rate)
            return {"reconstruction": loss}

        loop.epochs("recirculation", loop.config.training.epochs, step)

    @torch.no_grad()
    def changes(self, model: Any, batch: Batch) -> tuple[list[Tensor], Tensor]:
        """Return −Δ / (ε (1 − λ)) for each parameter, in their order, and the loss per image in nats."""
        encoder: DenseEncoder = model.encoder
        decoder: DenseDecoder | TiedDecoder = model.decoder
        x = batch.clean.flatten(1)
        h1 = encoder.layer(0, x)
        out = model.decode(h1)
        x2 = self.regression * x + (1 - self.regression) * model.likelihood.mean(out).flatten(1)
        h3 = encoder.layer(0, x2)
        scale = 1 / (len(x) * (1 - self.regression))
        visible, hidden = (x2 - x) * scale, (h3 - h1) * scale
        up = hidden.T @ x2
        down = [visible.T @ h1] if len(decoder.learned(0)) == 2 else []
        if not down:
            up += h1.T @ visible
        loss = model.likelihood.nll(out, batch.clean).flatten(1).sum(1)
        return [up, hidden.sum(0), *down, visible.sum(0)], loss

    def refusal(self, config: Any) -> str | None:
        layers = config.backbone.dense_layers()
        if len(layers) != 1:
            return "procedure: recirculation trains a single layer, the code; set backbone=mlp with backbone.widths=[]"
        if layers[0] not in ACTIVATIONS_ALLOWED:
            return "backbone.code_activation: recirculation is for logistic or linear units; use sigmoid or identity"
        if config.objective.kind != "reconstruction":
            return "objective: recirculation lowers only the error of the reconstruction; set objective=reconstruction"
        if config.corruption.level > 0:
            return "corruption: recirculation compares a picture with its own reconstruction; set corruption=none"
        learns = next(config.likelihood.build((1, 1, 1)).parameters(), None) is not None
        if learns or config.likelihood.params_per_output > 1:
            return "likelihood: recirculation needs an output that learns only its mean; use bernoulli or gaussian"
        return None
