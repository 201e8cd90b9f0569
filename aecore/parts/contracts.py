"""The contracts: what a dataset, corruption, backbone, likelihood, objective, procedure, embedding and sampler must do.

Shape legend, used in every signature: B images in a batch, C channels, H × W pixels, K units in a code,
P numbers per code unit (1 a value; 2 a mean and a log variance), Q numbers per output pixel (1 a mean; more for a
learned variance or a softmax). A code's parameters are (B, K, P); a decoder's output is (B, Q, C, H, W).

A part is a frozen settings object with methods. It builds, but never holds, learned or fitted state: weights live in
the `nn.Module`s that a part builds, and `fit` returns a fitted object.
"""

import abc
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field as Setting
from torch import Tensor, nn

from aecore.foundation.geometry import Points
from aecore.foundation.progress import OnProgress, ShouldStop
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
Coordinates = Float[np.ndarray, "n d"]


class Corruption(Part):
    """x → x̃. Randomness and strength are apart, so the same noise replays, sweeps over levels and exports."""

    random: ClassVar[bool] = True
    """False where the level alone decides what is changed, and no seed changes it."""
    black: ClassVar[float | None] = None
    white: ClassVar[float | None] = None
    """Values of the field that make a pixel 0 or 1 (hide it, where the kind hides pixels) at every level from 1e-6 on,
    so that somebody can corrupt single pixels by hand. None where the field is added, scaled by the level."""
    level: float

    @abc.abstractmethod
    def field(self, shape: tuple[int, int, int, int], generator: torch.Generator) -> Field:
        """Draws the random field for a batch of shape (B, C, H, W), on the generator's device."""

    @abc.abstractmethod
    def apply(self, x: Images, field: Field, level: Level) -> tuple[Images, Visible | None]:
        """The corrupted images and, where pixels are hidden, the mask of those still visible. Pure; level 0 changes
        nothing. In an exported graph the level is a tensor, on whose value nothing can branch.
        """

    def corrupt(self, x: Images, generator: torch.Generator) -> tuple[Images, Visible | None]:
        """Draws a field and applies it at this corruption's own level."""
        return self.apply(x, self.field((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), generator), self.level)


@dataclasses.dataclass(frozen=True)
class Code:
    """What an encoder says about each image: (B, K, P) numbers, the first of the P being the unit's value or mean."""

    params: CodeParams

    @functools.cached_property
    def _columns(self) -> tuple[Tensor, ...]:
        return self.params.unbind(-1)  # taken apart once, so that its gradient is put together once

    @property
    def mean(self) -> Codes:
        return self._columns[0]

    @property
    def log_variance(self) -> Codes:
        """log σ² per unit; only where P = 2."""
        return self._columns[1]

    def sample(self, generator: torch.Generator) -> Codes:
        """h = μ + σ ε, ε ~ N(0, I): one draw per image of p(h | x); where P = 1 the encoder has no other than the
        point itself.
        """
        if self.params.shape[-1] == 1:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator, device=self.mean.device)
        return self.mean + (0.5 * self.log_variance).exp() * noise


class Encoder(nn.Module, abc.ABC):
    """Images to code parameters. No layer mixes the samples of a batch, so per-sample Jacobians exist."""

    @abc.abstractmethod
    def forward(self, x: Images, visible: Visible | None = None) -> CodeParams: ...

    def templates(self) -> Float[Tensor, "k d"] | None:
        """What each unit looks for, where a single layer says it: its weights over the D = C·H·W inputs."""
        return None

    def jacobian_squared_norm(self, x: Images) -> PerImage:
        """Σ_k ‖∂h_k/∂x‖² per image, h the code's means; differentiable. Here by automatic differentiation, a unit at a
        time.
        """

        def one(image: Tensor) -> Tensor:
            return self.forward(image[None])[0, :, 0]

        jacobian = torch.func.vmap(torch.func.jacrev(one))(x)
        return jacobian.flatten(1).square().sum(1)


class Decoder(nn.Module, abc.ABC):
    """Codes to the parameters of p(x | h), (B, Q, C, H, W).

    Sequence decoders also take the first rows as a prefix, (B, C, n, W), NaN where a row is not given to an image.
    """

    takes_prefix: ClassVar[bool] = False

    @staticmethod
    def mean(out: Outputs) -> Images:
        """The picture an output stands for, where a decoder reads its own; a model puts its likelihood's mean here."""
        return out[:, 0]

    @abc.abstractmethod
    def forward(self, z: Codes, prefix: Prefix | None = None) -> Outputs: ...


class Backbone(Part):
    """The networks f (encoder) and g (decoder)."""

    supports_several_params: ClassVar[bool] = True
    needs_images: ClassVar[bool] = False
    """True where pixels must have neighbours (convolutions, rows, patches), so that a table's features will not do."""

    @abc.abstractmethod
    def build(
        self, shape: Shape, code_dim: int, params_per_code: int, params_per_output: int
    ) -> tuple[Encoder, Decoder]:
        """New modules, initialised from torch's global generator. Raises `BadSettings` when the shape does not fit."""

    def dense_layers(self) -> tuple[str, ...]:
        """The non-linearity of each of the encoder's layers where all are dense (`networks.DenseEncoder`), so
        that they can be trained one by one; none otherwise.
        """
        return ()

    def refusal(self, config: Any) -> str | None:
        """Why this backbone cannot work with the rest of a `RunConfig`, naming field and remedy; None when it can."""
        return None


class Likelihood(Part):
    """p(x | h): what the decoder's output means."""

    @property
    def params_per_output(self) -> int:
        """Q: numbers per pixel that the decoder itself gives, 1 unless the settings say more; `build` may append
        learned ones.
        """
        return 1

    @abc.abstractmethod
    def nll(self, out: Outputs, target: Images) -> Float[Tensor, "b c h w"]:
        """−log p(target | out) per element, in nats."""

    @abc.abstractmethod
    def mean(self, out: Outputs) -> Images:
        """The distribution's mean; pages show it clipped to [0, 1]."""

    @abc.abstractmethod
    def sample(self, out: Outputs, generator: torch.Generator) -> Images: ...

    def build(self, shape: Shape) -> nn.Module:
        """A module applied to the decoder's output; it may hold learned parameters (a variance) and append them
        as Q.
        """
        return nn.Identity()

    def refusal(self, config: Any) -> str | None:
        return None


class Model(nn.Module, abc.ABC):
    """What an objective sees of the model (`aecore.model.autoencoder.Autoencoder`)."""

    likelihood: Likelihood
    encoder: Encoder
    decoder: Decoder

    @abc.abstractmethod
    def encode(self, x: Images, visible: Visible | None = None) -> Code: ...

    @abc.abstractmethod
    def decode(self, z: Codes, prefix: Prefix | None = None) -> Outputs: ...


@dataclasses.dataclass(frozen=True)
class Batch:
    """`clean` is the target, `corrupted` the input; `visible` marks the pixels a mask left."""

    clean: Images
    corrupted: Images
    visible: Visible | None = None


class Objective(Part):
    """What is minimised: the sum of its terms, each in nats per image and already weighted."""

    params_per_code: ClassVar[int] = 1
    bounds_code: ClassVar[bool] = False
    """True where `code` itself bounds the units, so that the encoder's own numbers must not be bounded before."""

    def code(self, params: CodeParams) -> CodeParams:
        """The code's numbers from the encoder's: as they are, unless this objective makes codes sparse by their form.

        Everything that encodes goes through here, in training and afterwards.
        """
        return params

    @abc.abstractmethod
    def terms(self, model: Model, batch: Batch, generator: torch.Generator) -> dict[str, PerImage]:
        """{name: (B,)} in nats per image. The first is the reconstruction −log p(x | h). What belongs to the batch as a
        whole (a mean activity) is given to each of its images alike, so that the mean over the batch is right.

        On CUDA the operations of a step are captured once and replayed (`aecore.training.replay`), so they must not
        depend on values or on how often this was called. An objective that has to look at a value reads it
        (`float(…)`) and is then called for every step.
        """

    def log_prior(self, z: Codes) -> PerImage | None:
        """log p(h) in nats, where this objective bounds −log p(x) of the model p(h) p(x | h) by the encoder's q(h | x);
        None where it makes no such model.
        """
        return None

    def after_step(self, model: Model) -> None:
        """Called after each optimiser step (to project weights, for instance)."""

    def unit_report(self, code: Code) -> dict[str, Float[Tensor, "k"]]:
        """Figures per code unit worth keeping with the run (KL in nats), each a mean over the images; often empty."""
        return {}

    def active(self, code: Code) -> Bool[Tensor, "b k"] | None:
        """Which units are active for which image; None where all of them always take part."""
        return None

    def prior(self, code: Code) -> PerImage | None:
        """−log p(h) in nats per image, where the code's price is that of a prior; see `aecore.model.activity`."""
        return None

    def optimise(self, model: Model, x: Images) -> Codes | None:
        """The best codes for the weights as they are, where this objective defines them; None elsewhere."""
        return None

    def refusal(self, config: Any) -> str | None:
        return None


@runtime_checkable
class Loop(Protocol):
    """What a procedure may ask of the trainer (`aecore.training.trainer.Trainer`): the data, the clock and the history
    are its.
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
        """Epochs of minibatch back-propagation on `parameters`, a stage: the weights that are best on held-out images
        go on to the next. `loss` defaults to the objective on the whole model, `redraw` to its reconstruction.
        """
        ...

    def epochs(self, stage: str, epochs: int, step: "StepFunction") -> None:
        """Epochs in which `step` alone changes the weights (for training without gradients)."""
        ...


LossFunction = Callable[[Batch, torch.Generator], dict[str, Tensor]]
"""A batch to {term: (B,)} in nats per image."""
Redraw = Callable[[Images, "Visible | None"], Images]
"""Corrupted images, and what of them is visible, to pictures, on which a stage's error is measured."""
StepFunction = Callable[[Batch, Float[Tensor, ""]], dict[str, Tensor]]
"""A batch and the learning rate of this step to {term: (B,)}; changes the weights itself. The rate is a tensor, so that
a replayed step can be given another."""


class Procedure(Part):
    """The outer loop of training: stages, each one call of the loop."""

    several_stages: ClassVar[bool] = False
    """True where `run` calls the loop more than once; a killed training then resumes at the stage it was in."""

    @abc.abstractmethod
    def run(self, loop: Loop) -> None: ...

    def total_epochs(self, config: Any) -> int:
        """Epochs over all stages, for progress and time left."""
        return int(config.training.epochs)

    def scaled(self, share: float) -> "Procedure":
        """The same with `share` times its own epochs, at least 1; itself when it has none beside the training's."""
        return self

    def refusal(self, config: Any) -> str | None:
        return None


class FittedEmbedding(abc.ABC):
    """Coordinates of the fitted points, and a way to place new ones."""

    coordinates: Coordinates
    quality: dict[str, float]
    by_neighbours: ClassVar[bool] = False
    """True where the method cannot place new points: `transform` then puts each at the weighted mean of its nearest
    fitted ones, and whoever shows it says so."""

    @property
    def note(self) -> str:
        """What must be said beside the map, one sentence; empty when there is nothing."""
        return ""

    @abc.abstractmethod
    def transform(self, x: Float[np.ndarray, "n f"]) -> Coordinates: ...

    def inverse(self, coordinates: Coordinates) -> Float[np.ndarray, "n f"] | None:
        """The points of the space the map was fitted in for which places stand; None where there is no way back."""
        return None

    @abc.abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Plain arrays from which `Embedding.restore` makes this object again."""


class Embedding(Part):
    """A map of the data in two or three dimensions."""

    dimensions: Literal[2, 3] = Setting(
        2, title="Dimensions", description="Numbers that each point gets: 2 for a plane, 3 for a space to turn."
    )

    @property
    def uses_codes(self) -> bool:
        """True where `fit` wants a run's codes instead of the pixels."""
        return False

    @property
    def limit(self) -> int | None:
        """The most points that `fit` takes; None without a limit."""
        return None

    @abc.abstractmethod
    def fit(
        self, x: Points, progress: OnProgress | None = None, should_stop: ShouldStop | None = None
    ) -> FittedEmbedding:
        """Raises `BadInput` for what has no map, `Stopped` when `should_stop` said so."""

    @abc.abstractmethod
    def restore(self, state: dict[str, np.ndarray], x: Points) -> FittedEmbedding:
        """The fitted object again, from its `state` and the points it was fitted on."""


class Sampler(Part):
    """Where random codes come from."""

    @abc.abstractmethod
    def sample(self, codes: Float[np.ndarray, "n k"], n: int, seed: int) -> Float[np.ndarray, "m k"]:
        """`n` random codes like those of the data (`codes`), drawn with `seed`; float32."""
