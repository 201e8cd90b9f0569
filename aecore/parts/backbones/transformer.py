import math
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field as Setting
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.foundation.errors import BadSettings
from aecore.parts.contracts import Backbone, CodeParams, Codes, Decoder, Encoder, Images, Outputs, Visible
from aecore.parts.data import Shape

Tokens = Float[Tensor, "b n d"]
Seen = Bool[Tensor, "b n"]
MAX_PATCHES = 256
"""The cost of attention grows with the square of the number of patches."""
HIDDEN_SCORE = -1e4
"""Attention score of a hidden patch: e^(−10,000) is exactly 0, but the softmax stays finite if all are hidden."""


def to_patches(x: Tensor, side: int) -> Tensor:
    """(B, C, H, W) → (B, N, C · side²), patches in reading order."""
    b, c, h, w = x.shape
    cut = x.reshape(b, c, h // side, side, w // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(b, (h // side) * (w // side), c * side * side)


class Block(nn.Module):
    """t ← t + attention(norm t), then t ← t + V gelu(U norm t); tokens that are not `seen` are not attended to."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.part = heads, width // heads  # constants in an exported graph, unlike sizes of tensors
        self.before_attention, self.before_dense = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, tokens: Tokens, seen: Seen | None = None) -> Tokens:
        b, n, d = tokens.shape
        asked = self.ask(self.before_attention(tokens)).reshape(b, n, 3, self.heads, self.part)
        query, key, value = asked.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.part)
        if seen is not None:
            scores = scores.masked_fill(~seen[:, None, None], HIDDEN_SCORE)
        tokens = tokens + self.answer((scores.softmax(-1) @ value).transpose(1, 2).reshape(b, n, d))
        return tokens + self.narrow(F.gelu(self.widen(self.before_dense(tokens))))


class PatchEncoder(Encoder):
    """The visible patches V attend to each other, and h = N/|V| Σ_{i ∈ V} W_i t_i + b.

    Hidden patches have weight 0 in attention and sum, so any number can be hidden without other tensor shapes. A partly
    hidden patch counts as visible, its hidden pixels as 0.
    """

    def __init__(
        self, shape: Shape, side: int, width: int, depth: int, heads: int, code_dim: int, params_per_code: int
    ) -> None:
        super().__init__()
        c, h, w = shape
        n = (h // side) * (w // side)
        self.side, self.params_per_code = side, params_per_code
        self.embed = nn.Linear(c * side * side, width)
        self.places = nn.Parameter(nn.init.uniform_(torch.empty(n, width), -0.035, 0.035))  # σ = 0.02
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.code = nn.Linear(n * width, code_dim * params_per_code)

    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams:
        seen = None
        if visible is not None:
            x = torch.where(visible, x, 0.0)
            seen = to_patches(visible, self.side).any(2)
        tokens = self.embed(to_patches(x, self.side)) + self.places
        for block in self.blocks:
            tokens = block(tokens, seen)
        tokens = self.norm(tokens)
        if seen is not None:
            share = seen.float().mean(1).clamp(min=1 / seen.shape[1])
            tokens = torch.where(seen[..., None], tokens, 0.0) / share[:, None, None]
        return self.code(tokens.flatten(1)).reshape(x.shape[0], -1, self.params_per_code)


class PatchDecoder(Decoder):
    """One mask token per patch, t_i = m_i + V_i h; the tokens attend to each other and become the patches."""

    def __init__(
        self, shape: Shape, side: int, width: int, depth: int, heads: int, code_dim: int, params_per_output: int
    ) -> None:
        super().__init__()
        c, h, w = shape
        self.shape, self.side, self.width, self.params_per_output = shape, side, width, params_per_output
        self.masks = nn.Linear(code_dim, (h // side) * (w // side) * width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.pixels = nn.Linear(width, params_per_output * c * side * side)

    def forward(self, z: Codes, prefix: Images | None = None) -> Outputs:
        (c, h, w), side, q = self.shape, self.side, self.params_per_output
        tokens = self.masks(z).reshape(z.shape[0], -1, self.width)
        for block in self.blocks:
            tokens = block(tokens)
        cut = self.pixels(self.norm(tokens)).reshape(z.shape[0], h // side, w // side, q, c, side, side)
        return cut.permute(0, 3, 4, 1, 5, 2, 6).reshape(z.shape[0], q, c, h, w)


class Transformer(Backbone):
    """A picture as a set of square patches that attend to each other; the encoder ignores hidden ones.

    With missing patches as corruption this is a masked autoencoder: the level is the masking ratio, and only the
    decoder has mask tokens. Unlike the paper's decoder, which also sees the visible tokens, this one sees only the
    code, so that codes can be walked, sampled and mapped. The corruption's patch size should be a multiple of this one.
    Source: He et al., "Masked autoencoders are scalable vision learners", CVPR 2022, section 3; blocks: Dosovitskiy et
    al., "An image is worth 16x16 words", ICLR 2021, section 3.1, with twice the width inside instead of four times.
    """

    title: ClassVar[str] = "Transformer over patches"
    needs_images: ClassVar[bool] = True
    kind: Literal["transformer"] = "transformer"
    patch: int = Setting(
        4, ge=1, le=64, title="Patch side", description="Must divide the picture's height and width.",
        json_schema_extra={"unit": "pixels"},
    )  # fmt: skip
    width: int = Setting(48, ge=1, le=512, title="Width", description="Numbers per token.")
    depth: int = Setting(3, ge=1, le=12, title="Encoder's depth", description="Blocks of the encoder.")
    decoder_depth: int = Setting(
        1,
        ge=1,
        le=12,
        title="Decoder's depth",
        description="Blocks of the decoder; few, so that the encoder learns.",
    )
    heads: int = Setting(4, ge=1, le=16, title="Heads", description="Attention heads; must divide the width.")

    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        self._check_fit(shape)
        return (
            PatchEncoder(shape, self.patch, self.width, self.depth, self.heads, code_dim, params_per_code),
            PatchDecoder(shape, self.patch, self.width, self.decoder_depth, self.heads, code_dim, params_per_output),
        )

    def _check_fit(self, shape: Shape) -> None:
        _, h, w = shape
        sides = [n for n in range(1, 65) if h % n == w % n == 0 and h * w <= MAX_PATCHES * n * n]
        if self.patch not in sides:
            why = "are too many to compare" if h % self.patch == w % self.patch == 0 else "do not fill it"
            use = f"use backbone.patch={sides[0]}" if sides else "use another backbone (conv, say)"
            raise BadSettings(
                f"backbone.patch: a picture of {h} × {w} pixels in patches of {self.patch} × {self.patch}: "
                f"they {why}; {use}"
            )

    def refusal(self, config: Any) -> str | None:
        if self.width % self.heads:
            fits = [n for n in range(1, self.heads) if self.width % n == 0][-1]
            return f"backbone.heads: {self.heads} heads cannot share {self.width} numbers evenly; use heads={fits}"
        return None
