"""Every recipe is a scikit-learn transformer, for tables and for pictures."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from aecore.estimator import AutoencoderTransformer
from aecore.model.config import PACKAGES
from aecore.model.recipes import RECIPES
from aecore.parts.contracts import Procedure
from aecore.parts.registry import members

TABULAR = [name for name, recipe in RECIPES.items() if not recipe.config.backbone.needs_images]
FOR_IMAGES = [kind for kind, cls in members(*PACKAGES["backbone"]).items() if cls.needs_images]
SHAPE = (1, 8, 8)
SHORT = 2  # epochs, where it does not matter what is learned


def estimator(recipe: str = "undercomplete", n_components: int = 3, **more: object) -> AutoencoderTransformer:
    return AutoencoderTransformer(recipe, n_components, **{"epochs": SHORT, "random_state": 0, **more})


def table(rows: int = 60, features: int = 5, seed: int = 0) -> np.ndarray:
    """Correlated features of different units."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 2)) @ rng.normal(size=(2, features)) * 10.0 ** np.arange(features) + 7


def pictures(rows: int | None = None) -> np.ndarray:
    return load_digits().data[:rows] / 16


SMALL = {"layer_epochs": 1, "k": 1, "steps": 3, "widths": 8, "width": 8, "depth": 1}
"""Values of settings, wherever a recipe has them, for quick training of a code with few units."""


def small(recipe: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("backbone", "objective", "procedure"):
        for field, value in getattr(RECIPES[recipe].config, name):
            if field in SMALL and value != ():
                found[f"{name}.{field}"] = (SMALL[field],) * len(value) if isinstance(value, tuple) else SMALL[field]
    return found


def quick(recipe: str) -> AutoencoderTransformer:
    return AutoencoderTransformer(recipe, 2, epochs=1, settings=small(recipe) or None)


# --- scikit-learn's contract

LEARNING = {
    (config.objective.kind, config.procedure.kind, config.corruption.kind == "none"): name
    for name in TABULAR
    if (config := RECIPES[name].config)
}
"""{(objective, procedure, whether there is noise): one of the recipes that learn in this way}."""


@parametrize_with_checks([quick("variational")])
def test_an_estimator_keeps_scikit_learns_contract(
    estimator: AutoencoderTransformer, check: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # one check skips itself without it
    check(estimator)


@pytest.mark.parametrize("recipe", LEARNING.values())
def test_every_way_to_learn_keeps_what_depends_on_it(recipe: str):
    """Repeatable, and each row independent of the others."""
    for name in ("fit_idempotent", "methods_subset_invariance"):
        getattr(estimator_checks, f"check_{name}")(recipe, quick(recipe))


def test_it_works_in_a_pipeline_and_a_grid_search():
    x, y = load_wine(return_X_y=True)
    pipeline = make_pipeline(estimator("linear", epochs=15), LogisticRegression())
    grid = {
        "autoencodertransformer__n_components": np.array([1, 4]),
        "autoencodertransformer__settings": [{"backbone.tied": True}],
    }
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(x, y)
    assert search.best_params_["autoencodertransformer__n_components"] == 4
    assert search.best_score_ > 0.9


def test_names_go_in_and_come_out():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table(), columns=list("abcde"))
    fitted = estimator().set_output(transform="pandas").fit(frame)
    assert list(fitted.feature_names_in_) == list("abcde")
    codes = fitted.transform(frame)
    assert list(codes.columns) == list(fitted.get_feature_names_out())
    assert list(codes.columns) == [f"autoencodertransformer{k}" for k in range(3)]
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(frame.rename(columns={"a": "z"}))


# --- tables


def test_the_linear_recipe_finds_the_subspace_of_pca():
    x = load_wine().data
    train, test = x[::2], x[1::2]
    fitted = estimator("linear", 2, epochs=60).fit(train)
    standard = StandardScaler().fit(train)
    pca = PCA(2).fit(standard.transform(train))
    decoder = fitted.autoencoder_.decoder.layers[0].weight.numpy()
    assert np.rad2deg(subspace_angles(decoder, pca.components_.T)).max() < 3
    z = standard.transform(test)
    best = r2_score(z, pca.inverse_transform(pca.transform(z)), multioutput="variance_weighted")
    assert fitted.score(test) == pytest.approx(best, abs=0.005)


def test_the_score_is_r2_over_all_standardised_features():
    train, test = table(seed=1), table(40, seed=2)
    fitted = estimator().fit(train)
    mean, deviation = train.mean(0), train.std(0)
    z = (test - mean) / deviation
    reconstruction = (fitted.inverse_transform(fitted.transform(test)) - mean) / deviation
    expected = 1 - np.square(z - reconstruction).sum() / np.square(z - z.mean(0)).sum()
    assert fitted.score(test) == pytest.approx(expected)


@pytest.mark.parametrize("recipe", ["linear", "denoising", "variational"])
def test_other_units_change_nothing_but_the_units(recipe):
    """Standardising inside: codes do not see a feature's unit and zero, reconstructions come back in them."""
    x, scale, shift = table(), np.array([3.0, 0.01, 1e6, 2.0, 50.0]), np.array([1.0, 0.0, -1e6, 5.0, 300.0])
    settings = small(recipe)
    one, other = (estimator(recipe, settings=settings).fit(rows) for rows in (x, x * scale + shift))
    codes = one.transform(x)
    # Rounding in float64 before, float32 steps after: not bit for bit.
    np.testing.assert_allclose(other.transform(x * scale + shift), codes, atol=1e-3 * np.abs(codes).max())
    back, expected = other.inverse_transform(codes), one.inverse_transform(codes) * scale + shift
    np.testing.assert_allclose((back - shift) / scale / x.std(0), (expected - shift) / scale / x.std(0), atol=1e-2)


def test_a_likelihood_for_pixels_becomes_gaussian_and_says_so():
    assert RECIPES["undercomplete"].config.likelihood.kind == "bernoulli"
    fitted = estimator().fit(table())
    assert (fitted.config_.likelihood.kind, fitted.config_.likelihood.sigma) == ("gaussian", 0.3)
    assert estimator(settings={"likelihood.sigma": 0.5}).fit(table()).config_.likelihood.sigma == 0.5
    assert estimator("linear").fit(table()).config_.likelihood == RECIPES["linear"].config.likelihood
    with pytest.raises(ValueError, match="use likelihood=gaussian for real-valued data"):
        estimator(settings={"likelihood": "bernoulli"}).fit(table())


@pytest.mark.parametrize("kind", FOR_IMAGES)
def test_a_backbone_for_pictures_refuses_tables(kind):
    with pytest.raises(ValueError, match=rf"backbone: {kind} works on pictures.*shape=.*backbone=mlp"):
        estimator(settings={"backbone": kind}).fit(table(features=64))


@pytest.mark.parametrize("rows", [2, 3, 199, 200])
def test_few_rows_are_all_trained_on(rows):
    fitted = estimator().fit(table(rows))
    assert np.isfinite(fitted.transform(table(rows))).all()
    assert fitted.config_.training.batch_size == (20 if rows == 200 else max(8, rows // 10))


# --- pictures


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_takes_pictures(recipe):
    x = pictures(20).astype(np.float32)
    fitted = estimator(recipe, settings=small(recipe), shape=SHAPE, epochs=1).fit(x)
    assert fitted.config_.likelihood == RECIPES[recipe].config.likelihood
    assert fitted.scaler_ is None
    codes = fitted.transform(x)
    assert codes.shape == (20, 3)
    np.testing.assert_allclose(fitted.transform(x[:1]), codes[:1], rtol=1e-6)
    back = fitted.inverse_transform(codes)
    assert back.shape == x.shape
    assert codes.dtype == back.dtype == np.float32
    assert np.isfinite(back).all()


def test_colours_and_rows_are_where_the_shape_says():
    """The network sees row i as X[i].reshape(shape): a code is that of the picture given to the module itself."""
    x = np.random.default_rng(0).random((30, 2 * 4 * 6))
    fitted = estimator(settings={"backbone": "conv"}, shape=(2, 4, 6)).fit(x)
    with torch.inference_mode():
        code = fitted.autoencoder_.encode(torch.tensor(x[:5]).reshape(5, 2, 4, 6)).mean
    np.testing.assert_allclose(fitted.transform(x[:5]), code.numpy(), rtol=1e-9)


def test_many_rows_are_worked_on_in_parts_that_leave_no_seam():
    fitted = estimator(shape=SHAPE).fit(pictures(50))
    x = pictures()
    assert len(x) > 1000
    codes = fitted.transform(x)
    np.testing.assert_allclose(codes[995:1005], fitted.transform(x[995:1005]), rtol=1e-9)
    np.testing.assert_allclose(fitted.inverse_transform(codes)[1000:], fitted.inverse_transform(codes[1000:]))


@pytest.mark.parametrize(
    ("settings", "x", "words"),
    [
        ({"recipe": "magic"}, table(), "no recipe 'magic'; the recipes are: undercomplete"),
        ({"n_components": 0}, table(), "code_dim.*greater than or equal to 1"),
        ({"settings": {"colour": "red"}}, table(), "colour: there is no such setting"),
        ({"settings": {"code_dim": 3}}, table(), "code_dim is decided by n_components"),
        ({"settings": {"training__seed": 3}}, table(), "seed is decided by random_state"),
        ({"settings": {"dataset.kind": "mnist"}}, table(), "dataset is decided by X"),
        ({"shape": (1, 3, 3)}, pictures(20), r"has 64 values, \(1, 3, 3\) is not their"),
        ({"shape": (8, 8)}, pictures(20), r"has 64 values, \(8, 8\) is not their \(channels, height, width\)"),
        ({"shape": SHAPE}, pictures(20) * 16, r"from 0 to 16; pictures lie in \[0, 1\]"),
        ({"recipe": "linear", "settings": {"learning_rate": 10}, "epochs": 20}, table(), "diverged.*learning rate 1"),
    ],
)
def test_what_cannot_work_is_a_value_error_with_the_remedy(settings, x, words):
    with pytest.raises(ValueError, match=words):
        estimator().set_params(**settings).fit(x)


def test_codes_of_another_size_are_refused():
    fitted = estimator().fit(table())
    with pytest.raises(ValueError, match="X has 2 columns, but the codes of this model have 3"):
        fitted.inverse_transform(np.zeros((4, 2)))


def test_a_failed_fit_leaves_nothing_behind():
    fitted = estimator().fit(table())
    with pytest.raises(ValueError, match="nothing to learn"):
        fitted.fit(np.ones((10, 4)))
    with pytest.raises(NotFittedError):
        fitted.transform(table())


# --- repeatable, without side effects


def test_equal_random_states_give_equal_codes_and_touch_nothing_global(own_home):
    x = table()
    state = torch.get_rng_state()
    one = estimator("denoising").fit(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert not own_home.exists(), "nothing is written"
    assert np.array_equal(clone(one).fit(x).transform(x), one.transform(x))
    other = estimator("denoising", random_state=np.random.RandomState(1)).fit(x)
    assert not np.allclose(other.transform(x), one.transform(x))


@pytest.mark.parametrize("settings", [{}, {"threads": 2}])
def test_it_trains_with_torchs_threads_or_those_of_the_settings_and_restores_them(settings):
    class Observed(Procedure):
        kind: Literal["observed"] = "observed"

        def run(self, loop):
            threads.append(torch.get_num_threads())
            loop.backprop("joint", 1, list(loop.model.parameters()))

    threads, before = [], torch.get_num_threads()
    estimator("linear", settings={"procedure": Observed(), **settings}).fit(table(8))
    assert threads == [settings.get("threads", before)]
    assert torch.get_num_threads() == before == 1


# --- batch by batch


def test_batches_teach_what_the_whole_teaches():
    x = np.random.default_rng(0).permutation(load_digits().data)
    train, test = x[:800], x[800:]
    whole = AutoencoderTransformer("undercomplete", 8, epochs=6, random_state=0).fit(train)
    scores, fitted = [], AutoencoderTransformer("undercomplete", 8, random_state=0)
    for epoch in range(6):
        for batch in np.split(train, 2):
            fitted.partial_fit(batch)
        scores += [fitted.score(test)] if epoch in (0, 5) else []
    assert scores[0] < scores[1]
    assert scores[1] > whole.score(test) - 0.05
    np.testing.assert_allclose(fitted.scaler_.mean_, train.mean(0))


def test_batches_are_repeatable_and_each_has_noise_of_its_own():
    x = table(300)
    one, two = estimator("denoising"), estimator("denoising")
    seeds = []
    for _ in range(3):
        seeds.append(one.partial_fit(x).config_.training.seed)
        two.partial_fit(x)
    assert np.array_equal(one.transform(x), two.transform(x))
    assert len(set(seeds)) == 3


def test_a_fitted_model_learns_on_from_where_it_is():
    x = pictures(400)
    fitted = estimator(shape=SHAPE, epochs=20).fit(x)
    before, config = fitted.score(x), fitted.config_
    fitted.partial_fit(x)
    assert fitted.score(x) > before - 0.02
    assert fitted.config_.backbone == config.backbone
    with pytest.raises(ValueError, match="X has 5 features, but AutoencoderTransformer is expecting 64"):
        fitted.partial_fit(table())


class TwoStages(Procedure):
    kind: Literal["two_stages"] = "two_stages"

    def run(self, loop):
        for stage in ("first", "second"):
            loop.backprop(stage, loop.config.training.epochs, list(loop.model.parameters()))

    def total_epochs(self, config):
        return 2 * config.training.epochs


def test_a_procedure_in_stages_has_no_batches():
    staged = estimator(settings={"procedure": TwoStages()})
    assert not hasattr(staged, "partial_fit")
    assert np.isfinite(staged.fit(table()).transform(table())).all()
