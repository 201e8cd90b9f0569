"""The kinds of autoencoders: each a named combination of parts, with its formula and source."""

import dataclasses
from typing import Any

from aecore.foundation.errors import BadSettings
from aecore.model.config import RunConfig, parse
from aecore.parts.contracts import Procedure


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A kind of autoencoder: its settings, what it teaches in one line, its formula and its source."""

    name: str
    title: str
    teaches: str
    formula: str
    source: str
    config: RunConfig


def _recipe(
    name: str, title: str, teaches: str, formula: str, source: str, *, corruption: Any = "none", backbone: Any = "mlp",
    likelihood: Any = "bernoulli", objective: Any = "reconstruction", procedure: Any = "joint", dataset: Any = "digits",
    code_dim: int = 16, **training: Any,
) -> Recipe:  # fmt: skip
    config = parse(
        {"recipe": name, "dataset": dataset, "corruption": corruption, "backbone": backbone, "likelihood": likelihood,
         "objective": objective, "procedure": procedure, "code_dim": code_dim, "training": training}
    )  # fmt: skip
    return Recipe(name, title, teaches, formula, source, config)


_DLB = 'Goodfellow, Bengio & Courville, "Deep Learning" (2016)'

_ALL = [
    _recipe(
        "undercomplete", "Undercomplete",
        "A code much smaller than the picture must keep what matters most and drop the rest.",
        "L = −log p(x | h = f(x)),  K ≪ C·H·W", f"{_DLB}, section 14.1",
        code_dim=8, epochs=80,
    ),
    _recipe(
        "linear", "Linear",
        "Without non-linearities and with squared error, the autoencoder finds the subspace of PCA.",
        "h = W x + b,  L ∝ ‖x − V h − c‖²", "Baldi & Hornik, Neural Networks 2 (1989)",
        backbone="linear", likelihood={"kind": "gaussian", "sigma": 1.0}, code_dim=16, epochs=150, batch_size=64,
        learning_rate=3e-2,
    ),
    _recipe(
        "overcomplete", "Overcomplete",
        "More units than pixels and nothing to restrict them: it learns to copy anything, even noise.",
        "h = W x + b,  L ∝ ‖x − Wᵀ h − c‖²,  K > C·H·W", f"{_DLB}, section 14.2",
        backbone={"kind": "linear", "tied": True}, likelihood={"kind": "gaussian", "sigma": 1.0}, code_dim=96,
        epochs=60, batch_size=64, learning_rate=1e-2,
    ),
    _recipe(
        "deep", "Deep",
        "Several layers bend the map: two numbers are enough to lay out all the classes.",
        "h = f_L(… f_1(x)),  K = 2", "Hinton & Salakhutdinov, Science 313:504 (2006)",
        backbone={"kind": "mlp", "widths": [512, 256, 64]}, code_dim=2, epochs=150, weight_decay=0.05,
    ),
    _recipe(
        "sparse", "Sparse",
        "More units than needed, but active ones cost: only a few are active for any one picture.",
        "L = −log p(x | h) + λ Σ |h_k|", f"{_DLB}, section 14.2.1",
        objective={"kind": "sparse_l1", "weight": 0.1},
        backbone={"kind": "mlp", "widths": [], "code_activation": "relu"}, code_dim=96, epochs=150, weight_decay=0.01,
    ),
    _recipe(
        "sparse_kl", "Sparse, by rate",
        "Each unit may be active for a tenth of the pictures, so each must specialise in a feature.",
        "h = σ(a),  L = −log p(x | h) + λ Σ KL(ρ ‖ mean h_k)", "Ng, CS294A lecture notes (2011), section 3",
        objective={"kind": "sparse_kl", "rate": 0.1}, backbone={"kind": "mlp", "widths": []}, code_dim=96, epochs=150,
        learning_rate=2e-2,
    ),
    _recipe(
        "top_k", "Sparse, the k largest",
        "Only the five strongest units stay, all others are 0: five features must describe a picture.",
        "h = supp_k(W x + b),  L = −log p(x | h)", "Makhzani & Frey, ICLR 2014",
        objective={"kind": "top_k", "k": 5}, backbone={"kind": "mlp", "widths": [], "tied": True}, code_dim=48,
        epochs=150, learning_rate=2e-2,
    ),
    _recipe(
        "predictive_sparse", "Predictive sparse decomposition",
        "Optimisation finds the best sparse codes, and an encoder learns to predict them in one step.",
        "L = min_z ‖x − D z‖²/2σ² + λ ‖z‖₁ + α ‖z − f(x)‖²,  ‖D_k‖ = 1",
        "Kavukcuoglu, Ranzato & LeCun, CBLL-TR-2008-12-01 (arXiv 1010.3467)",
        objective={"kind": "predictive_sparse", "weight": 8.0, "prediction": 10.0}, backbone="dictionary",
        likelihood={"kind": "gaussian", "sigma": 0.2}, code_dim=96, epochs=60, learning_rate=1e-2,
    ),
    _recipe(
        "denoising", "Denoising",
        "Given a damaged picture, it must return the whole one, so it has to learn what pictures look like.",
        "x̃ ~ C(x̃ | x),  L = −log p(x | h = f(x̃))", "Vincent et al., ICML 2008 and JMLR 11 (2010)",
        corruption={"kind": "masking", "level": 0.4}, backbone={"kind": "mlp", "widths": [512]}, code_dim=64,
        epochs=150,
        weight_decay=0.01,
    ),
    _recipe(
        "course_denoising", "Denoising, as in the course",
        "One hidden layer of 1,000 tied tanh units repairs digits with 40 % of their pixels replaced.",
        "h = tanh(W x̃ + b),  r = σ(Wᵀ h + c),  L = cross-entropy(x, r)", "Vincent et al., JMLR 11 (2010), section 3",
        corruption={"kind": "salt_and_pepper", "level": 0.4}, dataset="mnist", code_dim=1000, epochs=20,
        learning_rate=2e-3,
        backbone={"kind": "mlp", "widths": [], "code_activation": "tanh", "tied": True},
    ),
    _recipe(
        "stacked_denoising", "Stacked denoising",
        "Each layer first learns alone to denoise the layer below it; then all of them learn together.",
        "ã ~ C(ã | a = h_{l−1}),  L_l = −log p(a | h_l(ã));  then L = −log p(x | h = f(x̃))",
        "Vincent et al., JMLR 11 (2010); Bengio et al., NIPS 2006",
        corruption={"kind": "masking", "level": 0.3}, backbone={"kind": "mlp", "widths": [256, 128]},
        procedure={"kind": "greedy", "layer_epochs": 30, "levels": [0.1, 0.2, 0.3]}, code_dim=32, epochs=100,
        weight_decay=0.01,
    ),
    _recipe(
        "contractive", "Contractive",
        "The code is made to ignore small changes of the picture, except those along which the data varies.",
        "L = −log p(x | h) + λ ‖∂h/∂x‖²", "Rifai et al., ICML 2011",
        objective={"kind": "contractive", "weight": 0.1},
        backbone={"kind": "mlp", "widths": [], "code_activation": "sigmoid", "tied": True}, code_dim=96, epochs=150,
    ),
    _recipe(
        "variational", "Variational",
        "Each picture becomes a small cloud of codes; random codes then decode to new pictures.",
        "L = E_q[−log p(x | h)] + β KL(q(h | x) ‖ N(0, I))", "Kingma & Welling, ICLR 2014",
        objective="variational", backbone={"kind": "mlp", "widths": [256]}, code_dim=10, epochs=150,
    ),
    _recipe(
        "learned_variance", "Variational, learned σ",
        "The model learns the size of its own errors, which alone balances reconstruction against code.",
        "L = E_q[‖x − g(h)‖² / 2σ² + C·H·W log σ] + KL(q(h | x) ‖ N(0, I)),  best σ² = mean squared error",
        "Rybkin, Daniilidis & Levine, ICML 2021",
        objective="variational", likelihood={"kind": "gaussian", "learned": True},
        backbone={"kind": "mlp", "widths": [256]}, code_dim=10, epochs=150,
    ),
    _recipe(
        "grey_levels", "Softmax over grey levels",
        "Each pixel gets a probability for every grey, so pictures drawn from the model look like those of the data.",
        "p(x = k/(N−1) | h) = softmax(o)_k,  L = −log p(x | h),  N = 17 greys of the digits",
        f"{_DLB}, sections 6.2.2.3 and 14.4",
        likelihood={"kind": "categorical", "levels": 17}, backbone={"kind": "mlp", "widths": [128]}, code_dim=8,
        epochs=60, weight_decay=1.0,
    ),
    _recipe(
        "sequence", "Sequence to sequence",
        "It reads a picture row by row into a code and writes it from there; given the first rows, it writes the rest.",
        "s_t = GRU(x_t, s_{t−1}),  h = W s_H,  L = −log p(x | h) − log p(x_{>n} | h_n, x_{≤n})",
        "Cho et al., EMNLP 2014; Sutskever et al., NIPS 2014; Srivastava et al., ICML 2015",
        objective="continuation", backbone={"kind": "gru", "width": 128}, code_dim=24, epochs=60, batch_size=32,
        learning_rate=4e-3, precision="float32",
    ),
    _recipe(
        "masked_autoencoder", "Masked autoencoder",
        "The encoder sees a few patches of a picture and nothing of the others; the decoder fills them in.",
        "h = f(x_visible),  L = −log p(x_hidden | h) − λ log p(x_visible | h)", "He et al., CVPR 2022",
        corruption={"kind": "patches", "size": 2, "level": 0.6}, backbone={"kind": "transformer", "patch": 2},
        objective="masked_reconstruction", code_dim=24, epochs=60, batch_size=32, precision="float32",
    ),
    _recipe(
        "recirculation", "Recirculation",
        "No back-propagation: picture and reconstruction circulate; each weight learns from the units it joins.",
        "x₂ = λ x + (1 − λ) r,  ΔWᵀ = ε (x − x₂) h₁ᵀ,  ΔW = ε (h₁ − h₃) x₂ᵀ",
        "Hinton & McClelland, NIPS 1987 (1988)",
        procedure="recirculation", code_dim=32, epochs=60, learning_rate=0.1,
        backbone={"kind": "mlp", "widths": [], "code_activation": "sigmoid", "tied": True},
    ),
]  # fmt: skip

IMAGES_SEEN = 400_000
"""Images that `suggested_epochs` trains on, repetitions included: about a minute of one core for small networks."""


def suggested_epochs(config: RunConfig, kind: str, images: int) -> tuple[int, Procedure]:
    """Suggest epochs, and the procedure with its stages scaled alike, for another dataset than the recipe's own.

    About `IMAGES_SEEN` images in all, 10 to 150 epochs.
    """
    own = config.training.epochs
    if kind == config.dataset.kind:
        return own, config.procedure
    epochs = max(10, min(150, round(IMAGES_SEEN / max(images, 1))))
    return epochs, config.procedure.scaled(epochs / own)


RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _ALL}


def recipe(name: str) -> Recipe:
    """Return the recipe called `name`. Raises `BadSettings`, naming those that exist."""
    if name not in RECIPES:
        raise BadSettings(f"there is no recipe {name!r}; the recipes are: {', '.join(RECIPES)}")
    return RECIPES[name]
