"""Recipes as scikit-learn transformers, for use alone, in a `Pipeline` or in a `GridSearchCV`.

    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from aecore.estimator import AutoencoderTransformer

    x, y = load_wine(return_X_y=True)
    model = make_pipeline(AutoencoderTransformer("denoising", n_components=8, random_state=0), LogisticRegression())
    accuracy = model.fit(x[::2], y[::2]).score(x[1::2], y[1::2])

Tables are standardised inside; backbones that need neighbouring pixels ask for `shape=(channels, height, width)`.
"""

import math
from collections.abc import Mapping
from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from aecore.foundation.errors import BadInput, BadSettings
from aecore.model.config import RunConfig, parse, with_settings
from aecore.model.device import threads
from aecore.model.recipes import recipe as recipe_called
from aecore.parts.data import SPLITS, Data, Shape
from aecore.parts.datasets._given import Given
from aecore.training.trainer import Diverged, Trainer

FLOATS = (np.float64, np.float32)
MIN_ROWS = 2
HELD_OUT_SHARE = 0.1
MIN_ROWS_HELD_OUT = 200
"""With fewer rows no share is held out: a tenth of them would be too few to estimate the loss."""
SIGMA = 0.3
"""Output σ, in standard deviations of a feature, if a table needs another likelihood than the recipe's."""
CHUNK_ROWS = 1000
"""Rows that are encoded or decoded at a time."""
PARAMETERS = {
    "recipe": "recipe",
    "code_dim": "n_components",
    "epochs": "epochs",
    "seed": "random_state",
    "dataset": "X",
}
"""{field of a run: parameter of the estimator that decides it}; `settings` must not contain these fields."""


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """An autoencoder as a transformer: `transform` returns the codes h = f(x), `inverse_transform` g(h).

    X has the shape (n_samples, n_features) and is one of two kinds:

    - **A table** of real numbers (`shape=None`). Each feature is standardised with the mean and standard deviation of
      the training rows, and `inverse_transform` undoes this. A likelihood for [0, 1] only (Bernoulli) is replaced by a
      Gaussian one with σ = 0.3, which is squared error. A variational code then keeps the directions with more than
      σ² = 0.09 of a feature's variance, since others collapse (Tipping & Bishop, JRSS B 61 (1999), section 3.2); with
      σ = 1 it would keep almost nothing. Corruptions act on standardised features: masking sets them to their mean,
      salt and pepper to their mean or one standard deviation above, and the σ of Gaussian noise is in standard
      deviations. Backbones that use the pixels' positions are refused.
    - **Pictures** (`shape=(C, H, W)`): each row is a picture, channels first, in [0, 1]. Nothing is rescaled or
      replaced, and every backbone can be used.

    Parameters: `recipe`, one of `aecore.recipes()`; `n_components`, the size of the code, None for the recipe's;
    `epochs`, None for the recipe's; `settings`, other fields of the run by their dotted names, as for `aecore.train`
    (`{"objective.beta": 4}`); `shape`, see above; `random_state`, which decides held-out rows, initial weights, order
    and noise.

    `fit` keeps the weights of the epoch with the lowest loss on held-out rows, a tenth of all. With fewer than 200 rows
    all rows are used for training and for this loss. The batch size is at most a tenth of the rows, but at least 8,
    because small tables need at least ten steps per epoch. Training runs in float32 with torch's current number of
    threads. `batch_size`, `precision` and `threads` in the settings change this. No file is written, and torch's global
    generator and number of threads stay as they were.

    Codes and reconstructions are computed in float64, so that a row's result does not depend on the other rows, and
    returned in the precision of X. Impossible settings, unusable data and diverged training raise `ValueError` with the
    reason and a remedy.

    Attributes after `fit`: `config_` (the `RunConfig`), `autoencoder_` (the torch module), `scaler_` (a
    `StandardScaler`; None for pictures), `n_components_`, `n_features_in_` and, for data frames, `feature_names_in_`.
    """

    @no_type_check  # scikit-learn's contract: parameters are stored unchecked, and `fit` checks them
    def __init__(
        self,
        recipe: str = "undercomplete",
        n_components: int | None = None,
        *,
        epochs: int | None = None,
        settings: Mapping[str, Any] | None = None,
        shape: tuple[int, int, int] | None = None,
        random_state: Any = None,
    ) -> None:
        self.recipe = recipe
        self.n_components = n_components
        self.epochs = epochs
        self.settings = settings
        self.shape = shape
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> "AutoencoderTransformer":
        """Train a new model on the rows of X; y is ignored."""
        rows = self._checked(X, min_rows=MIN_ROWS, reset=True)
        self._begin(*rows.shape)
        self._train(rows)
        return self

    def _in_one_stage(self) -> bool:
        try:
            config = self._config(rows=0, seed=0)
        except ValueError:  # `partial_fit` will raise it
            return True
        return config.procedure.total_epochs(config) == config.training.epochs

    @available_if(_in_one_stage)
    def partial_fit(self, X: Any, y: Any = None) -> "AutoencoderTransformer":
        """Train one more epoch on the rows of X, starting from the current weights; y is ignored.

        For data that come in batches of some hundred rows or more. Each call updates the scaling with its rows and
        restarts the optimiser and the learning-rate schedule (as in Loshchilov & Hutter, "SGDR: Stochastic gradient
        descent with warm restarts", ICLR 2017), with new noise. Not available for procedures with several stages,
        since each stage must end before the next begins.
        """
        begun = "autoencoder_" in vars(self)
        rows = self._checked(X, min_rows=MIN_ROWS, reset=not begun)
        if not begun:
            self._begin(*rows.shape)
        training = self.config_.training.model_copy(update={"epochs": 1})
        self.config_ = self.config_.model_copy(update={"training": training})
        self._train(rows, self.autoencoder_.state_dict() if begun else None)
        # The trainer uses this seed and the next two.
        later = training.model_copy(update={"seed": (training.seed + 3) % 2**31})
        self.config_ = self.config_.model_copy(update={"training": later})
        return self

    def transform(self, X: Any) -> Any:
        """Encode the rows of X, (n, n_components); the means if codes are distributions."""
        check_is_fitted(self, "autoencoder_")
        rows = self._checked(X)
        return self._encode(self._standard(rows)).astype(rows.dtype)

    def inverse_transform(self, X: Any) -> Any:
        """Decode the codes X (n, n_components) to rows (n, n_features) in the units of the data."""
        check_is_fitted(self, "autoencoder_")
        codes: Any = check_array(X, dtype=FLOATS, input_name="X")  # pyright: ignore[reportArgumentType]
        if codes.shape[1] != self.n_components_:
            raise ValueError(f"X has {codes.shape[1]} columns, but the codes of this model have {self.n_components_}.")
        rows = self._decode(codes)
        return (rows if self.scaler_ is None else self.scaler_.inverse_transform(rows)).astype(codes.dtype)

    def score(self, X: Any, y: Any = None) -> float:
        """R² = 1 − Σ ‖z − ẑ‖² / Σ ‖z − z̄‖² of the reconstruction, without unit; 1 is perfect, 0 as good as the mean.

        The sums run over rows and features; z are the standardised features of X, so that all count equally (or the
        pixels of pictures), ẑ their reconstruction without corruption and z̄ their mean: scikit-learn's `r2_score` with
        `multioutput="variance_weighted"`. Unlike likelihoods it is comparable between recipes; y is ignored.
        """
        check_is_fitted(self, "autoencoder_")
        z = self._standard(self._checked(X))
        return float(r2_score(z, self._decode(self._encode(z)), multioutput="variance_weighted"))

    @property
    def n_components_(self) -> int:
        return self.config_.code_dim

    @property
    def _n_features_out(self) -> int:
        return self.n_components_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    # --- settings and data

    def _config(self, rows: int, seed: int) -> RunConfig:
        """The recipe with the settings, for a table or pictures. Raises `ValueError`."""
        settings = dict(self.settings or {})
        for field, parameter in PARAMETERS.items():
            if any(name.replace("__", ".").removeprefix("training.").split(".")[0] == field for name in settings):
                raise ValueError(f"settings: {field} is decided by {parameter}; take it out of the settings.")
        parameters = {"code_dim": self.n_components, "epochs": self.epochs}
        given = Given(pictures=self.shape is not None)
        try:
            config = recipe_called(self.recipe).config
            batch_size = min(config.training.batch_size, max(8, rows // 10))
            config = with_settings(config, {"precision": "float32", "batch_size": batch_size, "seed": seed})
            if self.shape is None:  # the columns of a table have no order
                config = with_settings(config, {"shift": 0})
            if config.likelihood.refusal(config.model_copy(update={"dataset": given})) is not None:
                config = with_settings(config, {"likelihood": {"kind": "gaussian", "sigma": SIGMA}})
            settings |= {name: value for name, value in parameters.items() if value is not None}
            config = parse({**dict(with_settings(config, settings)), "dataset": given})
        except BadSettings as error:
            raise ValueError(str(error)) from error
        if self.shape is None and config.backbone.needs_images:
            raise ValueError(
                f"backbone: {config.backbone.kind} works on pictures, but X is a table; "
                "give the pictures' shape=(channels, height, width), or a recipe or settings with backbone=mlp."
            )
        return config

    def _begin(self, rows: int, features: int) -> None:
        """Discard the trained model and set up configuration and scaler."""
        vars(self).pop("autoencoder_", None)
        if self.shape is not None and (len(self.shape) != 3 or math.prod(self.shape) != features):
            raise ValueError(
                f"shape: a row of X has {features} values, {self.shape} is not their (channels, height, width)."
            )
        self.config_ = self._config(rows, seed=int(check_random_state(self.random_state).randint(2**31 - 1)))
        self.scaler_ = StandardScaler() if self.shape is None else None

    def _checked(self, X: Any, min_rows: int = 1, reset: bool = False) -> Any:
        rows: Any = validate_data(self, X, dtype=FLOATS, ensure_min_samples=min_rows, reset=reset)
        if self.shape is not None and (rows.min() < 0 or rows.max() > 1):
            raise ValueError(
                f"X reaches from {rows.min():g} to {rows.max():g}; pictures lie in [0, 1]: divide bytes by 255."
            )
        return rows

    def _standard(self, rows: Any) -> Any:
        return rows if self.scaler_ is None else self.scaler_.transform(rows)

    def _train(self, rows: Any, weights: Mapping[str, Tensor] | None = None) -> None:
        if self.scaler_ is not None:
            self.scaler_.partial_fit(rows)
        config = self.config_
        images = self._standard(rows).astype(np.float32).reshape(-1, *self._shape)
        data = Data(*_divided(images, config.training.seed), value_range=config.dataset.value_range, name="X")
        try:
            with threads(config.training.threads or torch.get_num_threads()):
                trainer = Trainer(config, data)
                if weights is not None:
                    trainer.model.load_state_dict(weights)
                trainer.run()
        except (BadInput, BadSettings, Diverged) as error:
            raise ValueError(str(error)) from error
        self.autoencoder_ = trainer.model.to("cpu", torch.float64).eval().requires_grad_(False)

    # --- the model, on standardised rows

    @property
    def _shape(self) -> Shape:
        """The shape of a row as a picture. A row of a table is one line, so that corruptions act on single features."""
        return (1, 1, int(vars(self)["n_features_in_"])) if self.shape is None else self.shape

    @torch.inference_mode()
    def _encode(self, z: Any) -> Float[np.ndarray, "n k"]:
        pictures = torch.tensor(z, dtype=torch.float64).reshape(-1, *self._shape)
        return torch.cat([self.autoencoder_.encode(part).mean for part in pictures.split(CHUNK_ROWS)]).numpy()

    @torch.inference_mode()
    def _decode(self, codes: Any) -> Float[np.ndarray, "n f"]:
        model = self.autoencoder_
        parts = torch.tensor(codes, dtype=torch.float64).split(CHUNK_ROWS)
        return torch.cat([model.likelihood.mean(model.decode(part)).flatten(1) for part in parts]).numpy()


def _divided(
    images: Float32[np.ndarray, "n c h w"], seed: int
) -> tuple[Float32[np.ndarray, "m c h w"], UInt8[np.ndarray, "m"]]:
    """Return the images and their split; if they are few, each occurs in training and in validation."""
    train, validation = (SPLITS.index(name) for name in ("train", "validation"))
    if len(images) < MIN_ROWS_HELD_OUT:
        return np.concatenate([images, images]), np.repeat([train, validation], len(images)).astype(np.uint8)
    split = np.full(len(images), train, np.uint8)
    split[np.random.default_rng(seed).permutation(len(images))[: round(HELD_OUT_SHARE * len(images))]] = validation
    return images, split
