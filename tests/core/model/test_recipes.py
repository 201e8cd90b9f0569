"""Every kind that the program teaches trains, opens and can be explored; README's three lines work as written."""

import dataclasses

import numpy as np
import pytest

import aecore
from aecore.foundation.errors import BadSettings
from aecore.model.config import RunConfig, parse, with_settings
from aecore.model.recipes import RECIPES, Recipe, recipe, suggested_epochs
from aecore.parts.datasets import Digits
from aecore.parts.datasets.npz import save_npz
from aecore.parts.loading import load_data
from aecore.session.session import Session
from aecore.store.store import RunStore
from aecore.training.run import train

TINY = {"epochs": 2, "batch_size": 32, "code_dim": 5, "threads": 1}
"""For all recipes: code_dim where 1,000 units would take long."""


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """One short run of each recipe on 400 of the digits."""
    root = tmp_path_factory.mktemp("recipes")
    store, digits = RunStore(root, root / "none"), load_data(Digits())
    (root / "digits.npz").write_bytes(save_npz(digits.images[:400], digits.labels[:400]))
    dataset = {"kind": "npz", "path": str(root / "digits.npz")}
    return {name: Session(store, train(tiny(one, dataset), store)) for name, one in RECIPES.items()}


def tiny(one: Recipe, dataset: dict[str, str]) -> RunConfig:
    layers = {"procedure.layer_epochs": 1} if "layer_epochs" in type(one.config.procedure).model_fields else {}
    return with_settings(one.config, {"dataset": dataset, **TINY, **layers})


def test_the_recipes_of_the_issue_are_there():
    asked = {"undercomplete", "linear", "deep", "sparse", "denoising", "contractive", "variational"}
    assert asked <= set(RECIPES)
    assert aecore.recipes() == RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_explains_itself(name):
    one = recipe(name)
    assert one.name == name == one.config.recipe
    texts = [getattr(one, field.name) for field in dataclasses.fields(one) if field.name != "config"]
    assert all(texts)
    assert one.teaches.endswith(".")
    assert parse(one.config.model_dump(mode="json")) == one.config


def test_no_two_recipes_are_the_same():
    assert len({one.config.hash for one in RECIPES.values()}) == len(RECIPES)
    assert len({one.title for one in RECIPES.values()}) == len(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_other_data_gets_epochs_by_the_number_of_its_images(name):
    config = recipe(name).config
    assert suggested_epochs(config, config.dataset.kind, 5) == (config.training.epochs, config.procedure)
    total = [
        procedure.total_epochs(config.model_copy(update={"training": config.training.model_copy(update={"epochs": n})}))
        for n, procedure in (suggested_epochs(config, "other", images) for images in (100, 4_000, 40_000, 10**9))
    ]
    assert total == sorted(total, reverse=True)
    own = config.procedure.total_epochs(config) / config.training.epochs
    assert total == pytest.approx([n * own for n in (150, 100, 10, 10)], rel=0.1), "stages shrink as the whole does"


def test_an_unknown_recipe_is_answered_with_those_that_exist():
    with pytest.raises(BadSettings, match=r"no recipe 'magic'.*undercomplete.*variational"):
        recipe("magic")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_and_can_be_explored(explored, name):
    session = explored[name]
    assert session.info.state == "finished"
    history = session.history()
    assert [row["epoch"] for row in history] == list(range(session.status.epochs + 1))
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]
    images = session.gallery(6).images
    assert session.encode(images).shape == (6, 5)
    assert session.reconstruct(images).shape == (6, 1, 8, 8)
    shown = session.denoise(images, level=None, seed=1)
    assert shown.reconstruction.shape == shown.corrupted.shape == images.shape
    values, pictures = session.walk(session.encode(images)[0], int(session.units_by_effect()[0]), steps=5)
    assert len(values) == len(pictures) == 5
    codes, samples = session.sample(7)
    assert codes.shape == (7, 5)
    assert samples.shape == (7, 1, 8, 8)
    for array in (shown.reconstruction, pictures, samples):
        assert array.dtype == np.float32
        assert 0 <= array.min() <= array.max() <= 1
    figures = session.status.metrics
    assert figures["test_sse"] > 0
    assert ("denoised_sse" in figures) == (session.config.corruption.kind != "none")


def test_three_lines_train_and_explore_a_model():
    session = aecore.train("denoising", dataset="digits", epochs=1, threads=1)
    pictures = session.denoise(session.gallery(8).images, level=0.5)
    values, walk = session.walk(session.code_mean, unit=0)
    assert pictures.reconstruction.shape == (8, 1, 8, 8)
    assert len(values) == len(walk)
    assert [info.run_id for info in aecore.runs() if not info.builtin] == [session.run_id]
    assert np.array_equal(aecore.open(session.run_id).codes, session.codes)


def test_settings_in_python_are_the_fields_of_the_json():
    session = aecore.train("denoising", name="Mine", dataset="digits", epochs=1, corruption__level=0.2, threads=1)
    assert session.config.corruption.level == 0.2
    assert session.info.name == "Mine"
    with pytest.raises(BadSettings, match="colour"):
        aecore.train("denoising", colour="red")
    with pytest.raises(BadSettings, match="no recipe"):
        aecore.train("magic")


def test_a_failed_training_is_an_error_that_says_so_and_where_it_is_kept():
    with pytest.raises(aecore.AecoreError, match=r"diverged.*kept as run linear-digits") as error:
        aecore.train("linear", dataset="digits", epochs=3, learning_rate=10, threads=1)
    kept = [info for info in aecore.runs() if not info.builtin]
    assert [info.state for info in kept] == ["failed"]
    assert kept[0].run_id in str(error.value)
