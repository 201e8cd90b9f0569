"""The contracts of the parts that training combines: corruption, backbone, likelihood, objective, procedure.

Shape legend, used in every signature: B images in a batch, C channels, H × W pixels, K units in a code, P numbers
per code unit (1: a value; 2: a mean and a log variance), Q numbers per output pixel (1: a mean; more for a learned
variance or a softmax). Code parameters have the shape (B, K, P), decoder outputs (B, Q, C, H, W).

A part is a frozen settings object with methods. It never holds learned or fitted state: weights live in the
`nn.Module`s that a part builds, and `fit` returns a fitted object. Datasets have their contract in `data`, embeddings
and samplers in `looking`.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from aecore.parts.data import Part, Shape

Images = Float[Tensor, "b c h w"]
Outputs = Float[Tensor, "b q c h w"]
Prefix = Float[Tensor, "b c n w"]
CodeParams = Float[Tensor, "b k p"]
Codes = Float[Tensor, "b k"]
PerImage = Float[Tensor, "b"]
Visible = Bool[Tensor, "b 1 h w"]
Field = Float[Tensor, "b f h w"]
Level = float | Float[Tensor, ""]


class Corruption(Part):
    """x → x̃. The random field and the level are separate, so that the same noise can be replayed at other levels."""

    random: ClassVar[bool] = True
    """False if the result depends on the level only, not on a seed."""
    black: ClassVar[float | None] = None
    white: ClassVar[float | None] = None
    """Field values that set a pixel to 0 or 1 (or hide it) at every level from 1e-6 up: the brush that corrupts single
    pixels by hand writes them. None where the field is added, scaled by the level."""
    level: float

    @abc.abstractmethod
    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        """Draw the random field for a batch of shape (B, C, H, W), on the generator's device."""

    @abc.abstractmethod
    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        """Return the corrupted images and the mask of the visible pixels; None if this kind hides no pixels.

        A pure function; level 0 changes nothing. In an exported graph the level is a tensor, so the code must not
        branch on its value.
        """

    def corrupt(self, x: Images, generator: torch.Generator) -> tuple[Images, Visible | None]:
        """Draw a field and apply it at this corruption's own level."""
        return self.apply(x, self.field((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), generator), self.level)


@dataclasses.dataclass(frozen=True)
class Code:
    """The parameters of the code distribution q(h | x), (B, K, P). The first of the P is the unit's value or mean."""

    params: CodeParams

    @functools.cached_property
    def _columns(self) -> tuple[Tensor, ...]:
        return self.params.unbind(-1)  # one unbind for all columns: the backward pass then stacks only once

    @property
    def mean(self) -> Codes:
        return self._columns[0]

    @property
    def log_variance(self) -> Codes:
        """log σ² per unit; defined for P = 2 only."""
        return self._columns[1]

    def sample(self, generator: torch.Generator) -> Codes:
        """Draw one code per image, h = μ + σ ε with ε ~ N(0, I); for P = 1 return the values themselves."""
        if self.params.shape[-1] == 1:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return self.mean + (0.5 * self.log_variance).exp() * noise


class Encoder(nn.Module, abc.ABC):
    """Images to code parameters. No layer may mix the images of a batch, so that per-image Jacobians exist."""

    @abc.abstractmethod
    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams: ...

    def templates(self) -> Float[Tensor, "k d"] | None:
        """The weights of each unit over the D = C·H·W inputs if the encoder has one layer; None otherwise."""
        return None

    def jacobian_squared_norm(self, x: Images) -> PerImage:
        """Σ_k ‖∂h_k/∂x‖² per image, with h the code's means; differentiable.

        This default differentiates automatically, one unit at a time; encoders with a closed form override it.
        """

        def one(image: Tensor) -> Tensor:
            return self.forward(image[None])[0, :, 0]

        jacobian = torch.func.vmap(torch.func.jacrev(one))(x)
        return jacobian.flatten(1).square().sum(1)


class Decoder(nn.Module, abc.ABC):
    """Codes to the parameters of p(x | h), (B, Q, C, H, W).

    Sequence decoders also take the first n rows as a prefix (B, C, n, W), with NaN in the rows that an image lacks.
    """

    takes_prefix: ClassVar[bool] = False

    @staticmethod
    def mean(out: Outputs) -> Images:
        """The images of an output, for decoders that feed their output back; the model replaces this by its
        likelihood's mean.
        """
        return out[:, 0]

    @abc.abstractmethod
    def forward(self, z: Codes, prefix: Prefix | None = None) -> Outputs: ...


class Backbone(Part):
    """The networks f (encoder) and g (decoder)."""

    needs_images: ClassVar[bool] = False
    """True if the network uses the pixels' positions (convolutions, rows, patches), so that it cannot take a table."""

    @abc.abstractmethod
    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        """Build new modules, initialised from torch's global generator. Raises `BadSettings` if the shape does not
        fit.
        """

    def dense_layers(self) -> tuple[str, ...]:
        """The activations of the encoder's layers if all are dense (`networks.DenseEncoder`) and can be trained one
        by one; empty otherwise.
        """
        return ()

    def refusal(self, config: Any) -> str | None:
        """Why this part does not work with the rest of a `RunConfig`, naming field and remedy; None if it does."""
        return None


class Likelihood(Part):
    """p(x | h): the distribution that the decoder's output parameterises."""

    @property
    def params_per_output(self) -> int:
        """Numbers per pixel that the decoder outputs; `build` may append learned ones, which count towards Q too."""
        return 1

    @abc.abstractmethod
    def nll(self, out: Outputs, target: Images) -> Float[Tensor, "b c h w"]:
        """−log p(target | out) per element, in nats."""

    @abc.abstractmethod
    def mean(self, out: Outputs) -> Images:
        """The mean of the distribution, not clipped; pages clip it to [0, 1]."""

    @abc.abstractmethod
    def sample(self, out: Outputs, generator: torch.Generator) -> Images:
        """Draw one image from each distribution."""

    def build(self, shape: Shape) -> nn.Module:
        """Build the module that is applied to the decoder's output; it may append learned parameters (a variance)."""
        return nn.Identity()

    def refusal(self, config: Any) -> str | None:
        """As `Backbone.refusal`."""
        return None


class Model(nn.Module, abc.ABC):
    """The part of `aecore.model.autoencoder.Autoencoder` that objectives use."""

    likelihood: Likelihood
    encoder: Encoder
    decoder: Decoder

    @abc.abstractmethod
    def encode(self, x: Images, visible: Visible | None = None) -> Code: ...

    @abc.abstractmethod
    def decode(self, z: Codes, prefix: Prefix | None = None) -> Outputs: ...


@dataclasses.dataclass(frozen=True)
class Batch:
    """Targets (`clean`), inputs (`corrupted`) and the mask of visible inputs, None if no pixel is hidden."""

    clean: Images
    corrupted: Images
    visible: Visible | None = None


class Objective(Part):
    """The loss to minimise: the mean over the batch of the sum of its terms, in nats per image, weights included."""

    params_per_code: ClassVar[int] = 1
    bounds_code: ClassVar[bool] = False
    """True if `code` bounds the units, so that the encoder needs an unbounded code activation."""

    def code(self, params: CodeParams) -> CodeParams:
        """Transform the encoder's output into code parameters (a sigmoid, the k largest); the identity by default.

        Every encoding passes through here, in training and afterwards.
        """
        return params

    @abc.abstractmethod
    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        """Return {name: (B,)} in nats per image, the reconstruction −log p(x | h) first.

        A penalty on the batch as a whole (a mean activity) is the same number for each image, so that the mean over
        the batch is right. On CUDA the training step is captured as a graph (`training.replay`), so its operations
        must not depend on the values in tensors, nor on the number of calls.
        """

    def log_prior(self, z: Codes) -> PerImage | None:
        """log p(h) in nats if the objective is a bound on −log p(x) under p(h) p(x | h); None otherwise."""
        return None

    def after_step(self, model: Model) -> None:
        """Called after each optimiser step, for instance to project weights."""

    def unit_report(self, code: Code) -> dict[str, Float[Tensor, "k"]]:
        """{name: (K,)}: figures per code unit to store with the run, means over the images (KL in nats)."""
        return {}

    def active(self, code: Code) -> Bool[Tensor, "b k"] | None:
        """Which units are active for which image; None if the objective is not sparse."""
        return None

    def prior(self, code: Code) -> PerImage | None:
        """−log p(h) in nats per image if the penalty on the code stems from a prior (see `aecore.model.activity`)."""
        return None

    def optimise(self, model: Model, x: Images) -> Codes | None:
        """The codes that minimise the loss for fixed weights, if the objective defines them by that; else None."""
        return None

    def refusal(self, config: Any) -> str | None:
        """As `Backbone.refusal`."""
        return None


@runtime_checkable
class Loop(Protocol):
    """What a procedure may call on the trainer (`aecore.training.trainer.Trainer`), which draws the batches, sets the
    learning rate and writes the history.
    """

    model: Any
    config: Any

    def backprop(
        self,
        stage: str,
        epochs: int,
        parameters: list[nn.Parameter],
        loss: "LossFunction | None" = None,
        redraw: "Redraw | None" = None,
    ) -> None:
        """Train `parameters` by minibatch back-propagation. The stage ends with the weights of its best epoch on
        held-out images. `loss` defaults to the objective on the whole model, `redraw` to its reconstruction.
        """
        ...

    def epochs(self, stage: str, epochs: int, step: "StepFunction") -> None:
        """Train for `epochs` epochs with `step`, which changes the weights itself (training without gradients)."""
        ...


LossFunction = Callable[[Batch, torch.Generator], dict[str, Tensor]]
"""Batch → {term: (B,)} in nats per image."""
Redraw = Callable[[Images, "Visible | None"], Images]
"""Corrupted images and their mask → reconstructions, from which the error of a stage is computed."""
StepFunction = Callable[[Batch, Float[Tensor, ""]], dict[str, Tensor]]
"""Batch and learning rate → {term: (B,)} after changing the weights. The rate is a tensor, so that a captured step can
be replayed with another rate."""


class Procedure(Part):
    """The outer loop of training: one or more stages, each a call of `Loop.backprop` or `Loop.epochs`."""

    several_stages: ClassVar[bool] = False
    """True if `run` has more than one stage; a killed training then resumes at its stage."""

    @abc.abstractmethod
    def run(self, loop: Loop) -> None: ...

    def total_epochs(self, config: Any) -> int:
        """Epochs of all stages together, for progress and time left."""
        return int(config.training.epochs)

    def scaled(self, share: float) -> "Procedure":
        """A copy whose own epochs are multiplied by `share` (at least 1); itself if it has no epochs of its own."""
        return self

    def refusal(self, config: Any) -> str | None:
        """As `Backbone.refusal`."""
        return None
