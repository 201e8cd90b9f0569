import math
from typing import Any, ClassVar, Literal

from pydantic import Field as Setting

from aecore.parts.contracts import Backbone, Decoder, Encoder
from aecore.parts.data import Shape
from aecore.parts.networks import DenseDecoder, DenseEncoder, TiedDecoder


class Linear(Backbone):
    """One affine layer each for encoder and decoder: h = W x + b, o = V h + c; tied: V = Wᵀ.

    With squared error, the optimum spans the subspace of the first K principal components.
    Source: Baldi & Hornik, "Neural networks and principal component analysis", Neural Networks 2 (1989), fact 4.
    """

    title: ClassVar[str] = "Linear"
    kind: Literal["linear"] = "linear"
    tied: bool = Setting(False, title="Tied weights", description="The decoder uses the encoder's matrix transposed.")

    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        sizes = [math.prod(shape), code_dim]
        encoder = DenseEncoder(sizes, "identity", "identity", params_per_code)
        if self.tied:
            return encoder, TiedDecoder(encoder, "identity", shape)
        return encoder, DenseDecoder(sizes[::-1], "identity", shape, params_per_output)

    def dense_layers(self) -> tuple[str, ...]:
        return ("identity",)

    def refusal(self, config: Any) -> str | None:
        if self.tied and (config.objective.params_per_code > 1 or config.likelihood.params_per_output > 1):
            return "backbone.tied: tied weights need one number per code unit and per pixel; set backbone.tied=false"
        return None
