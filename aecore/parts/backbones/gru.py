from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting
from torch import Tensor, nn

from aecore.foundation.errors import BadSettings
from aecore.parts.contracts import Backbone, CodeParams, Codes, Decoder, Encoder, Images, Outputs, Prefix, Visible
from aecore.parts.data import Shape


class GruCell(nn.Module):
    """s' = (1 − u) ⊙ n + u ⊙ s, with r, u = σ(W x + U s), n = tanh(W x + r ⊙ U s).

    Equals `torch.nn.GRUCell`, in operations that have per-sample derivatives and ONNX counterparts. The argument `read`
    is W x (the layer `read` of x), so that the products of all rows of a picture can be computed at once.
    """

    def __init__(self, n_in: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.read = nn.Linear(n_in, 3 * width)
        self.recall = nn.Linear(width, 3 * width)
        nn.init.xavier_uniform_(self.read.weight)
        for gate in self.recall.weight.chunk(3):
            nn.init.orthogonal_(gate)

    def forward(self, read: Tensor, state: Tensor) -> Tensor:
        # Constant sizes instead of those of tensors halve the number of operations in an exported graph.
        r, u, n = read.split(self.width, -1)
        recalled_r, recalled_u, recalled_n = self.recall(state).split(self.width, -1)
        reset, update = torch.sigmoid(r + recalled_r), torch.sigmoid(u + recalled_u)
        return (1 - update) * torch.tanh(n + reset * recalled_n) + update * state


class RowEncoder(Encoder):
    """Reads the rows from the top, C·W numbers per step; a dense layer on the last state gives the code.

    Hidden rows are skipped, so the code of the first rows does not depend on how many are hidden. Hidden pixels of
    other rows are read as 0.
    """

    def __init__(self, shape: Shape, width: int, code_dim: int, params_per_code: int) -> None:
        super().__init__()
        c, _, w = shape
        self.width, self.params_per_code = width, params_per_code
        self.cell = GruCell(c * w, width)
        self.code = nn.Linear(width, code_dim * params_per_code)

    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams:
        if visible is not None:
            x = torch.where(visible, x, 0.0)
        reads = self.cell.read(x.transpose(1, 2).flatten(2))
        state = reads.new_zeros(x.shape[0], self.width)
        for step in range(x.shape[2]):
            after = self.cell(reads[:, step], state)
            state = after if visible is None else torch.where(visible[:, 0, step].any(1, keepdim=True), after, state)
        return self.code(state).reshape(x.shape[0], -1, self.params_per_code)


class RowDecoder(Decoder):
    """Writes the rows from the top. Each step reads the code and the previous row: from the prefix, else its own mean.

    It reads its own rows in training too, as it does when it decodes a code; so the pixels are independent given h, as
    −log p(x | h) assumes.
    """

    takes_prefix: ClassVar[bool] = True

    def __init__(self, shape: Shape, width: int, code_dim: int, params_per_output: int) -> None:
        super().__init__()
        self.shape, self.params_per_output = shape, params_per_output
        c, _, w = shape
        self.start = nn.Linear(code_dim, width)
        self.condition = nn.Linear(code_dim, 3 * width, bias=False)
        self.cell = GruCell(c * w, width)
        self.write = nn.Linear(width, params_per_output * c * w)

    def forward(self, z: Codes, prefix: Prefix | None = None) -> Outputs:
        c, h, w = self.shape
        state, condition = torch.tanh(self.start(z)), self.condition(z)
        row, out = z.new_zeros(z.shape[0], c * w), list[Tensor]()
        rows = () if prefix is None else prefix.unbind(2)
        for step in range(h):
            state = self.cell(self.cell.read(row) + condition, state)
            out.append(self.write(state).reshape(-1, self.params_per_output, c, 1, w))
            row = self.mean(out[-1]).flatten(1)
            if step < len(rows):
                given = rows[step].flatten(1)
                row = torch.where(given.isnan(), row, given)
        return torch.cat(out, 3)


class Gru(Backbone):
    """A picture as a sequence of rows: one recurrent network encodes it, another writes it from the code.

    Encoder: s_t = GRU(row_t, s_{t−1}), h = W s_H + b. Decoder: s_0 = tanh(V h), s_t = GRU([row_{t−1}, h], s_{t−1}),
    o_t = O s_t; it can continue a picture from its first rows.
    Source: Cho et al., "Learning phrase representations using RNN encoder–decoder", EMNLP 2014, sections 2.2 and 2.3
    (gates, and the code at every step); Sutskever et al., "Sequence to sequence learning", NIPS 2014; pictures:
    Srivastava et al., "Unsupervised learning of video representations using LSTMs", ICML 2015, section 2.
    """

    title: ClassVar[str] = "Recurrent, row by row (GRU)"
    needs_images: ClassVar[bool] = True
    kind: Literal["gru"] = "gru"
    width: int = Setting(
        128, ge=1, le=1024, title="State", description="Units of the recurrent state.",
        json_schema_extra={"unit": "units"},
    )  # fmt: skip

    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        if shape[1] < 2:
            raise BadSettings(
                "backbone: gru reads pictures row by row, and these have one row only; "
                "choose another backbone (mlp, say) or data with more rows"
            )
        return (
            RowEncoder(shape, self.width, code_dim, params_per_code),
            RowDecoder(shape, self.width, code_dim, params_per_output),
        )
