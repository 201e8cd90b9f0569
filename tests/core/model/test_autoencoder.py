"""The model as a whole: identities that hold whatever the parts."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from aecore.model.autoencoder import build
from aecore.model.config import with_settings
from aecore.model.recipes import recipe
from aecore.parts.loading import load_data
from aecore.training.trainer import Trainer


def weights_of(config, shape=(1, 8, 8)):
    return build(config, shape).state_dict()


def test_a_model_follows_from_the_seed_alone(configure):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    one = weights_of(configure(training={"seed": 5}))
    assert torch.equal(torch.get_rng_state(), before), "torch's global generator is not touched"
    torch.manual_seed(7)
    two, other = weights_of(configure(training={"seed": 5})), weights_of(configure(training={"seed": 6}))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_reconstruction_is_the_mean_of_the_decoded_mean_code(configure):
    model = build(configure(objective="variational"), (1, 8, 8))
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = torch.sigmoid(model.decoder(model.encoder(x)[..., 0])[:, 0])
    torch.testing.assert_close(model.reconstruct(x), expected)


def test_tied_weights_are_saved_once(configure):
    tied = weights_of(configure(backbone={"kind": "mlp", "widths": [32], "tied": True}))
    matrices = [name for name, value in tied.items() if value.ndim == 2]
    assert matrices == ["encoder.layers.0.weight", "encoder.layers.1.weight"]
    untied = weights_of(configure())
    assert sum(v.numel() for v in tied.values()) == sum(v.numel() for v in untied.values()) - 64 * 32 - 32 * 6


@pytest.mark.parametrize("tied", [False, True])
def test_the_linear_recipe_spans_the_subspace_of_pca(tied):
    """Baldi & Hornik (1989). All principal angles of its 16 directions to 16 components of PCA on the same images;
    the 16th and 17th differ by 13 % in variance.
    """
    config = with_settings(recipe("linear").config, {"backbone.tied": tied, "precision": "float32", "threads": 1})
    trainer = Trainer(config, load_data(config.dataset))
    trainer.run()
    x = (trainer.images.float() / 255).flatten(1).numpy()
    pca = PCA(config.code_dim, svd_solver="full").fit(x)
    weight = trainer.model.encoder.layers[0].weight.detach().numpy()
    decoder = weight.T if tied else trainer.model.decoder.layers[0].weight.detach().numpy()
    assert decoder.shape == (64, 16)
    assert np.rad2deg(subspace_angles(decoder, pca.components_.T)).max() < 1.5
    with torch.no_grad():
        error = (trainer.model.reconstruct(torch.from_numpy(x).reshape(-1, 1, 8, 8)).flatten(1).numpy() - x) ** 2
    best = (pca.inverse_transform(pca.transform(x)) - x) ** 2
    assert best.sum(1).mean() <= error.sum(1).mean() < 1.002 * best.sum(1).mean()


def test_gaussian_noise_of_level_0_trains_as_none_does(configure):
    """Equal loss, step by step. The noise drawn is not used, and nothing else is drawn from that generator here."""
    results = []
    for corruption in ("none", {"kind": "gaussian", "level": 0.0}):
        config = configure(corruption=corruption)
        trainer = Trainer(config, config.dataset.load())
        trainer.run()
        results.append(trainer.model.state_dict())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_a_beta_of_0_leaves_the_variance_to_shrink(configure):
    """Without its KL term nothing pays for noise in the code, so training makes the code's noise small."""
    config = configure(objective={"kind": "variational", "beta": 0}, training={"epochs": 15, "learning_rate": 1e-2})
    data = config.dataset.load()
    log_variances = []
    for beta in (0, 1):
        trainer = Trainer(with_settings(config, {"objective.beta": beta}), data)
        trainer.run()
        with torch.no_grad():
            log_variances.append(trainer.model.encode(trainer.held_out).log_variance.mean().item())
    assert log_variances[0] < log_variances[1] - 1
