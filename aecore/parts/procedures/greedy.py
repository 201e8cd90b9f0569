from typing import Any, ClassVar, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor
from torch.nn import functional as F

from aecore.parts.contracts import Batch, Corruption, Images, Loop, LossFunction, Outputs, Procedure, Redraw, Visible
from aecore.parts.networks import ACTIVATIONS, DenseDecoder, DenseEncoder, TiedDecoder


class Stack:
    """The lowest layers of a dense encoder, with the corresponding ones of its decoder, as an autoencoder."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.encoder: DenseEncoder = model.encoder
        self.decoder: DenseDecoder | TiedDecoder = model.decoder
        self.depth = len(self.encoder.layers)

    def up(self, a: Tensor, depth: int) -> Tensor:
        """Encode with the lowest `depth` layers, (B, pixels) → (B, units of layer `depth`)."""
        for index in range(depth):
            a = self.encoder.layer(index, a)
        return self.means(a, depth)

    def means(self, a: Tensor, depth: int) -> Tensor:
        """Keep the first number of each code unit; hidden units have only one."""
        return a[:, :: self.encoder.params_per_code] if depth == self.depth else a

    def down(self, a: Tensor, depth: int) -> Outputs:
        """Decode from layer `depth`, (B, units) → the parameters of p(x | a)."""
        for index in range(self.depth - depth, self.depth - 1):
            a = self.activate(self.decoder.layer(index, a))
        return self.output(self.decoder.layer(self.depth - 1, a))

    def activate(self, a: Tensor) -> Tensor:
        return ACTIVATIONS[self.decoder.activation][0](a)

    def output(self, a: Tensor) -> Outputs:
        c, h, w = self.decoder.shape
        return self.model.head(a.reshape(len(a), -1, c, h, w))


class Greedy(Procedure):
    """Layer by layer, each as an autoencoder of the layer below, then all layers with the objective.

    Layer l is trained on a = h_{l−1}(x) with the layers below fixed and x clean: ã ~ C(ã | a), h = s(W_l ã + b_l), and
    the corresponding decoder layer returns r. The loss is −log p(a | r) in nats: the run's likelihood for pixels,
    cross-entropy for sigmoid units, ½ ‖a − r‖² for others. With noise this is a stacked denoising autoencoder. The
    error shown for a layer is the reconstruction error of the layers trained so far.
    Source: Hinton & Salakhutdinov, Science 313:504 (2006); Bengio et al., "Greedy layer-wise training of deep
    networks", NIPS 19 (2007), section 3; Vincent et al., JMLR 11 (2010), sections 3.1 and 3.4.
    """

    title: ClassVar[str] = "Greedy, layer by layer"
    kind: Literal["greedy"] = "greedy"
    several_stages: ClassVar[bool] = True
    layer_epochs: int = Setting(
        30,
        ge=1,
        le=1000,
        title="Epochs per layer",
        description="Epochs for each layer alone, before all are trained together.",
    )
    levels: tuple[float, ...] = Setting(
        (),
        max_length=9,
        title="Noise per layer",
        description="Level of the corruption for each layer alone, lowest layer first; empty for the run's level.",
    )

    def run(self, loop: Loop) -> None:
        config, stack = loop.config, Stack(loop.model)
        levels = self.levels or (config.corruption.level,) * stack.depth
        for index, level in enumerate(levels):
            decoder_layer = stack.depth - 1 - index
            learned = [*stack.encoder.layers[index].parameters(), *stack.decoder.learned(decoder_layer)]
            if not index:
                learned += list(loop.model.head.parameters())
            loss, redraw = layer_loss(stack, index, config.corruption, level), redrawing(stack, index + 1)
            loop.backprop(f"layer {index + 1}", self.layer_epochs, learned, loss, redraw)
        loop.backprop("joint", config.training.epochs, list(loop.model.parameters()))

    def total_epochs(self, config: Any) -> int:
        return self.layer_epochs * len(config.backbone.dense_layers()) + int(config.training.epochs)

    def scaled(self, share: float) -> Procedure:
        return self.model_copy(update={"layer_epochs": max(1, round(share * self.layer_epochs))})

    def refusal(self, config: Any) -> str | None:
        layers, noisy = config.backbone.dense_layers(), config.corruption.level > 0
        if not layers:
            return "procedure: greedy training needs dense layers to train one by one; set backbone=mlp"
        if self.levels and len(self.levels) != len(layers):
            return (
                f"procedure.levels: {len(self.levels)} given, but this network has {len(layers)} layers (the hidden "
                "ones and the code); give one level for each, or none"
            )
        if any(not 0 <= level <= 1 for level in self.levels):
            return "procedure.levels: each level must be from 0 to 1"
        if any(self.levels) and not noisy:
            return "procedure.levels: this run has no noise to raise; set corruption=masking, or leave the levels out"
        return None


def layer_loss(stack: Stack, index: int, corruption: Corruption, level: float) -> LossFunction:
    """The loss of layer `index` (0 is the lowest) while it is trained alone."""
    decoder_layer = stack.depth - 1 - index
    likelihood = stack.model.likelihood

    def corrupted(a: Tensor, generator: torch.Generator) -> Tensor:
        b, c, h, w = a.shape
        return corruption.apply(a, corruption.field((b, c, h, w), generator), level)[0].flatten(1)

    def code(a: Tensor) -> Tensor:
        return stack.means(stack.encoder.layer(index, a), index + 1)

    def pixels(batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        out = stack.output(stack.decoder.layer(decoder_layer, code(corrupted(batch.clean, generator))))
        return {"layer": likelihood.nll(out, batch.clean).flatten(1).sum(1)}

    def units(batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        with torch.no_grad():
            below = stack.up(batch.clean.flatten(1), index).float()
        # As pictures of one row, so that each unit is corrupted independently.
        out = stack.decoder.layer(decoder_layer, code(corrupted(below[:, None, None], generator))).float()
        if stack.decoder.activation == "sigmoid":
            return {"layer": F.binary_cross_entropy_with_logits(out, below, reduction="none").sum(1)}
        return {"layer": 0.5 * (stack.activate(out) - below).square().sum(1)}

    return units if index else pixels


def redrawing(stack: Stack, depth: int) -> Redraw:
    """Reconstruction through the lowest `depth` layers."""

    def redraw(x: Images, visible: Visible | None) -> Images:
        return stack.model.likelihood.mean(stack.down(stack.up(x.flatten(1), depth), depth))

    return redraw
