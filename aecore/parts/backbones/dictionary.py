import math
from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.parts.contracts import Backbone, CodeParams, Codes, Decoder, Encoder, Images, Outputs, Visible
from aecore.parts.data import Shape
from aecore.parts.sparse_coding import shrink


class DictionaryEncoder(Encoder):
    """h = g ⊙ s(W x + b) with a gain g per unit; s is tanh, or shrinkage sign(a) max(|a| − θ, 0) with learned θ."""

    def __init__(self, inputs: int, code_dim: int, params_per_code: int, nonlinearity: str) -> None:
        super().__init__()
        self.params_per_code = params_per_code
        units = code_dim * params_per_code
        self.layer = nn.Linear(inputs, units)
        nn.init.xavier_uniform_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.gain = nn.Parameter(torch.ones(units))
        self.threshold = nn.Parameter(torch.full((units,), 0.1)) if nonlinearity == "shrink" else None

    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams:
        a = self.layer(x.flatten(1))
        s = torch.tanh(a) if self.threshold is None else shrink(a, self.threshold.clamp(min=0))
        return (self.gain * s).reshape(a.shape[0], -1, self.params_per_code)

    def templates(self) -> Tensor:
        return self.layer.weight[:: self.params_per_code]


class DictionaryDecoder(Decoder):
    """o = D h: a weighted sum of atoms, the columns of D, each of norm 1; no bias."""

    def __init__(self, code_dim: int, shape: Shape, params_per_output: int) -> None:
        super().__init__()
        self.shape, self.params_per_output = shape, params_per_output
        n = params_per_output * math.prod(shape)
        bound = math.sqrt(3 / n)  # columns of norm 1 on average
        self.atoms = nn.Parameter(nn.init.uniform_(torch.empty(n, code_dim), -bound, bound))

    def forward(self, z: Codes, prefix: Images | None = None) -> Outputs:
        # Normalised here instead of after each step, so that the norm is 1 with every objective.
        return F.linear(z, F.normalize(self.atoms, dim=0)).reshape(-1, self.params_per_output, *self.shape)


class Dictionary(Backbone):
    """A dictionary of unit-norm atoms as decoder, o = D h, and one layer as encoder, h = g ⊙ s(W x + b).

    Since the atoms have norm 1, the decoder cannot compensate for small codes, so a penalty on |h| is effective.
    Shrinkage gives exact zeros, like sparse coding.
    Source: Kavukcuoglu, Ranzato & LeCun, "Fast inference in sparse coding algorithms with applications to object
    recognition", CBLL-TR-2008-12-01 (arXiv 1010.3467), sections 2 and 3, with s = tanh; shrinkage as in Gregor & LeCun,
    "Learning fast approximations of sparse coding", ICML 2010, equation 4.
    """

    title: ClassVar[str] = "Dictionary"
    kind: Literal["dictionary"] = "dictionary"
    nonlinearity: Literal["shrink", "tanh"] = Setting(
        "shrink", title="Encoder's non-linearity", description="shrink gives exact zeros; tanh is the original of 2008."
    )

    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        return (
            DictionaryEncoder(math.prod(shape), code_dim, params_per_code, self.nonlinearity),
            DictionaryDecoder(code_dim, shape, params_per_output),
        )
