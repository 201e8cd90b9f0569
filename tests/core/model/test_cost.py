"""The cost of a model, estimated without memory."""

import math

import pytest

from aecore.foundation.errors import BadSettings
from aecore.model.config import with_settings
from aecore.model.cost import LOOKED_AT, OPTIMISED, cost
from aecore.model.recipes import RECIPES, recipe
from aecore.parts.objectives.predictive_sparse import OPTIMAL_STEPS


def test_dense_layers_cost_what_can_be_counted() -> None:
    config = with_settings(recipe("undercomplete").config, {"backbone.widths": [300], "code_dim": 5})
    found = cost(config, (1, 8, 8))
    weights = 64 * 300 + 300 * 5
    assert found.parameters == 2 * weights + 300 + 5 + 300 + 64
    assert found.activations == 300
    assert found.filters == 5 * 64
    assert found.work == 2 * weights * (2 * LOOKED_AT + 2 * 5)


def test_weights_count_only_as_parameters() -> None:
    """Their transposes and normalised copies are intermediate results, but one for all images."""
    found = cost(with_settings(recipe("predictive_sparse").config, {"code_dim": 500}), (3, 32, 32))
    assert found.activations == 3 * 32 * 32
    assert found.work > OPTIMISED * OPTIMAL_STEPS * 2 * 500**2


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_a_cost(name: str) -> None:
    config = recipe(name).config
    found = cost(config, (1, 8, 8))
    assert found.parameters > 0
    assert found.activations >= max(64, config.code_dim)
    assert math.isfinite(found.work)
    assert found.work > 0


def test_absurd_settings_are_examined_without_memory() -> None:
    wide = with_settings(recipe("undercomplete").config, {"backbone.widths": [4096] * 8, "code_dim": 4096})
    assert cost(wide, (3, 1024, 1024)).parameters > 10**10
    with pytest.raises(BadSettings, match="far too many steps"):
        cost(recipe("sequence").config, (1, 300, 2))
    with pytest.raises(BadSettings, match="patch"):
        cost(recipe("masked_autoencoder").config, (1, 7, 7))
