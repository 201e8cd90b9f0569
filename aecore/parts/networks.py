"""Building blocks of several backbones: activations with their derivatives, dense encoders and decoders."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.parts.contracts import CodeParams, Codes, Decoder, Encoder, Images, Outputs, PerImage, Visible
from aecore.parts.data import Shape

Activation = Literal["identity", "tanh", "sigmoid", "relu", "gelu"]


def _gelu_slope(a: Tensor) -> Tensor:
    """d/da a Φ(a) = Φ(a) + a φ(a)."""
    return 0.5 * (1 + torch.erf(a / math.sqrt(2))) + a * torch.exp(-0.5 * a.square()) / math.sqrt(2 * math.pi)


ACTIVATIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "identity": (lambda a: a, torch.ones_like),
    "tanh": (torch.tanh, lambda a: 1 - torch.tanh(a).square()),
    "sigmoid": (torch.sigmoid, lambda a: torch.sigmoid(a) * (1 - torch.sigmoid(a))),
    "relu": (F.relu, lambda a: (a > 0).to(a.dtype)),
    "gelu": (F.gelu, _gelu_slope),
}


def first_rows(x: Images, visible: Visible | None) -> Images | None:
    """The prefix for a sequence decoder: the rows above the first row with a hidden pixel; all other rows are NaN.

    Images without a hidden pixel have no prefix, since there is nothing to continue.
    """
    if visible is None:
        return None
    hidden = ~visible.all(3, keepdim=True)
    given = (hidden.long().cumsum(2) == 0) & hidden.any(2, keepdim=True)
    return torch.where(given, x, torch.nan)


def linear(n_in: int, n_out: int, activation: str) -> nn.Linear:
    """A dense layer initialised for the activation that follows: He for ReLU and GELU, Glorot otherwise; zero bias."""
    layer = nn.Linear(n_in, n_out)
    if activation in ("relu", "gelu"):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    else:
        nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class DenseEncoder(Encoder):
    """h = s(W_L … s(W_1 x + b_1) … + b_L), reshaped to (B, K, P)."""

    def __init__(self, sizes: list[int], activation: str, code_activation: str, params_per_code: int) -> None:
        super().__init__()
        self.names = [activation] * (len(sizes) - 2) + [code_activation]
        self.params_per_code = params_per_code
        outs = [*sizes[1:-1], sizes[-1] * params_per_code]
        pairs = zip(sizes[:-1], outs, self.names, strict=True)
        self.layers = nn.ModuleList(linear(n_in, n_out, name) for n_in, n_out, name in pairs)

    def layer(self, index: int, a: Tensor) -> Tensor:
        """Apply one layer and its activation, (B, n) → (B, m)."""
        return ACTIVATIONS[self.names[index]][0](self.layers[index](a))

    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams:
        a = x.flatten(1)
        for index in range(len(self.layers)):
            a = self.layer(index, a)
        return a.reshape(a.shape[0], -1, self.params_per_code)

    def templates(self) -> Tensor | None:
        first: Tensor = self.layers[0].weight  # pyright: ignore[reportAssignmentType]
        return first[:: self.params_per_code] if len(self.layers) == 1 else None

    def jacobian_squared_norm(self, x: Images) -> PerImage:
        """The closed form: with D_l = diag s'(a_l), J = D_L W_L … D_1 W_1 and ‖J‖² = Σ_k j_k (W_1 W_1ᵀ) j_kᵀ, where j_k
        are the rows of D_L W_L … D_1; the number of inputs matters only in the Gram matrix. For one layer
        Σ_k s'(a_k)² ‖W_k‖² (Rifai et al. 2011, equation 7).
        """
        a, slopes = x.flatten(1), list[Tensor]()
        for layer, name in zip(self.layers, self.names, strict=True):
            pre = layer(a)
            slopes.append(ACTIVATIONS[name][1](pre))
            a = ACTIVATIONS[name][0](pre)
        weights: list[Tensor] = [layer.weight for layer in self.layers]  # pyright: ignore[reportAssignmentType]
        if self.params_per_code > 1:
            weights[-1], slopes[-1] = weights[-1][:: self.params_per_code], slopes[-1][:, :: self.params_per_code]
        if len(weights) == 1:
            return slopes[0].square() @ weights[0].square().sum(1)
        rows = slopes[-1][:, :, None] * weights[-1]
        for weight, slope in zip(weights[-2:0:-1], slopes[-2:0:-1], strict=True):
            rows = (rows * slope[:, None, :]) @ weight
        rows = rows * slopes[0][:, None, :]
        return ((rows @ (weights[0] @ weights[0].T)) * rows).sum((1, 2))


class DenseDecoder(Decoder):
    """Dense layers with the encoder's widths in reverse; the last one is linear, the likelihood interprets it."""

    def __init__(self, sizes: list[int], activation: str, shape: Shape, params_per_output: int) -> None:
        super().__init__()
        self.shape, self.params_per_output, self.activation = shape, params_per_output, activation
        outs = [*sizes[1:-1], sizes[-1] * params_per_output]
        names = [activation] * (len(sizes) - 2) + ["identity"]
        self.layers = nn.ModuleList(linear(*layer) for layer in zip(sizes[:-1], outs, names, strict=True))

    def layer(self, index: int, z: Tensor) -> Tensor:
        """Apply one layer without its activation, (B, m) → (B, n)."""
        return self.layers[index](z)

    def learned(self, index: int) -> list[nn.Parameter]:
        """The parameters of this layer."""
        return list(self.layers[index].parameters())

    def forward(self, z: Codes, prefix: Images | None = None) -> Outputs:
        for index in range(len(self.layers) - 1):
            z = ACTIVATIONS[self.activation][0](self.layer(index, z))
        return self.layer(len(self.layers) - 1, z).reshape(-1, self.params_per_output, *self.shape)


class TiedDecoder(Decoder):
    """The encoder's matrices transposed, with separate biases: o = W_1ᵀ s(… W_Lᵀ h + c_L …) + c_1."""

    def __init__(self, encoder: DenseEncoder, activation: str, shape: Shape) -> None:
        super().__init__()
        # In a tuple, so that torch does not register the encoder's weights a second time.
        self.tied = (encoder,)
        self.shape, self.activation = shape, activation
        widths = [layer.weight.shape[1] for layer in encoder.layers][::-1]  # pyright: ignore[reportIndexIssue, reportArgumentType, reportCallIssue]
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(int(n))) for n in widths])

    def layer(self, index: int, z: Tensor) -> Tensor:
        """Apply one layer without its activation, (B, m) → (B, n)."""
        weight: Tensor = self.tied[0].layers[-1 - index].weight  # pyright: ignore[reportAssignmentType]
        # F.linear with the transpose would give a gradient with another memory layout than the encoder's.
        return torch.addmm(self.biases[index], z, weight)

    def learned(self, index: int) -> list[nn.Parameter]:
        """The parameters of this layer, without the encoder's matrix."""
        return [self.biases[index]]

    def forward(self, z: Codes, prefix: Images | None = None) -> Outputs:
        for index in range(len(self.biases) - 1):
            z = ACTIVATIONS[self.activation][0](self.layer(index, z))
        return self.layer(len(self.biases) - 1, z).reshape(-1, 1, *self.shape)
