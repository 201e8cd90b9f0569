from typing import Any, ClassVar, Literal

from pydantic import Field as Setting
from torch import nn

from aecore.parts.contracts import Backbone, CodeParams, Codes, Decoder, Encoder, Images, Outputs, Visible
from aecore.parts.data import Shape
from aecore.parts.networks import ACTIVATIONS, Activation, linear


class ConvEncoder(Encoder):
    """Convolutions of stride 2, which halve the picture, then a dense layer for the code."""

    def __init__(
        self, shape: Shape, widths: tuple[int, ...], activation: str, code_dim: int, params_per_code: int
    ) -> None:
        super().__init__()
        c, h, w = shape
        self.activation, self.params_per_code = activation, params_per_code
        self.layers = nn.ModuleList()
        for width in widths:
            self.layers.append(nn.Conv2d(c, width, 3, stride=2, padding=1))
            c, h, w = width, -(-h // 2), -(-w // 2)
        self.code = linear(c * h * w, code_dim * params_per_code, "identity")

    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams:
        a = x
        for layer in self.layers:
            a = ACTIVATIONS[self.activation][0](layer(a))
        return self.code(a.flatten(1)).reshape(x.shape[0], -1, self.params_per_code)


class ConvDecoder(Decoder):
    """A dense layer, then transposed convolutions, which double the picture; the result is cut to its size.

    With kernel 4 and stride 2 all output pixels have equally many inputs, which avoids checkerboard patterns.
    """

    def __init__(
        self, shape: Shape, widths: tuple[int, ...], activation: str, code_dim: int, params_per_output: int
    ) -> None:
        super().__init__()
        c, h, w = shape
        self.shape, self.activation, self.params_per_output = shape, activation, params_per_output
        for _ in widths:
            h, w = -(-h // 2), -(-w // 2)
        self.start = (widths[-1], h, w)
        self.code = linear(code_dim, widths[-1] * h * w, activation)
        outs = [*widths[-2::-1], c * params_per_output]
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in zip(widths[::-1], outs, strict=True)
        )

    def forward(self, z: Codes, prefix: Images | None = None) -> Outputs:
        c, h, w = self.shape
        a = self.code(z).reshape(-1, *self.start)
        for layer in self.layers:
            a = layer(ACTIVATIONS[self.activation][0](a))
        return a[:, :, :h, :w].reshape(-1, self.params_per_output, c, h, w)


class Conv(Backbone):
    """Convolutional encoder and decoder, without batch normalisation.

    Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285, sections 2 and 4.
    """

    title: ClassVar[str] = "Convolutional"
    kind: Literal["conv"] = "conv"
    needs_images: ClassVar[bool] = True
    widths: tuple[int, ...] = Setting(
        (32, 64, 128),
        min_length=1,
        max_length=5,
        title="Channels",
        description="Channels of each layer; each layer halves height and width.",
    )
    activation: Activation = Setting("gelu", title="Activation", description="Activation of the hidden layers.")

    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        return (
            ConvEncoder(shape, self.widths, self.activation, code_dim, params_per_code),
            ConvDecoder(shape, self.widths, self.activation, code_dim, params_per_output),
        )

    def refusal(self, config: Any) -> str | None:
        if any(not 1 <= width <= 512 for width in self.widths):
            return "backbone.widths: each convolutional layer needs 1 to 512 channels"
        return None
