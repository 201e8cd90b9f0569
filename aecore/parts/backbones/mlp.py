import math
from typing import Any, ClassVar, Literal

from pydantic import Field as Setting

from aecore.parts.contracts import Backbone, Decoder, Encoder
from aecore.parts.data import Shape
from aecore.parts.networks import Activation, DenseDecoder, DenseEncoder, TiedDecoder


class Mlp(Backbone):
    """Dense layers of any widths; the decoder has them in reverse, and with tied weights the matrices transposed.

    Source: Hinton & Salakhutdinov, Science 313:504 (2006); tied weights: Vincent et al., JMLR 11 (2010), section 2.
    """

    title: ClassVar[str] = "Dense layers"
    kind: Literal["mlp"] = "mlp"
    widths: tuple[int, ...] = Setting(
        (256,),
        max_length=8,
        title="Hidden widths",
        description="Units of each hidden layer between input and code; empty for none.",
    )
    activation: Activation = Setting("gelu", title="Activation", description="Activation of the hidden layers.")
    code_activation: Activation = Setting(
        "identity",
        title="Code activation",
        description="Activation of the code units; identity leaves them unbounded.",
    )
    tied: bool = Setting(False, title="Tied weights", description="The decoder uses the encoder's matrices transposed.")

    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        sizes = [math.prod(shape), *self.widths, code_dim]
        encoder = DenseEncoder(sizes, self.activation, self.code_activation, params_per_code)
        if self.tied:
            return encoder, TiedDecoder(encoder, self.activation, shape)
        return encoder, DenseDecoder(sizes[::-1], self.activation, shape, params_per_output)

    def dense_layers(self) -> tuple[str, ...]:
        return (*[self.activation] * len(self.widths), self.code_activation)

    def refusal(self, config: Any) -> str | None:
        if any(not 1 <= width <= 4096 for width in self.widths):
            return "backbone.widths: each hidden layer needs 1 to 4096 units"
        if config.objective.params_per_code > 1 and self.code_activation != "identity":
            return "backbone.code_activation: this objective's code is a mean and a variance, unbounded; use identity"
        if config.objective.bounds_code and self.code_activation != "identity":
            return "backbone.code_activation: this objective bounds the code by a sigmoid of its own; use identity"
        if self.tied and (config.objective.params_per_code > 1 or config.likelihood.params_per_output > 1):
            return "backbone.tied: tied weights need one number per code unit and per pixel; set backbone.tied=false"
        return None
