"""Backbones: shapes, gradients, independence of batch mates, closed-form Jacobians, tied weights."""

import pytest
import torch
from toolbox import BACKBONES, generator, images, part

from aecore.parts.backbones import Conv, Linear, Mlp
from aecore.parts.contracts import Encoder
from aecore.parts.networks import ACTIVATIONS

FITTING = {("transformer", (2, 7, 5)): {"patch": 1}}
"""Settings for shapes that the defaults refuse."""


def built(backbone, shape=(1, 8, 8), code_dim=5, p=1, q=1, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return backbone.build(shape, code_dim, p, q)


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize(("shape", "p", "q"), [((1, 8, 8), 2, 1), ((3, 32, 32), 1, 1), ((2, 7, 5), 1, 2)])
def test_backbone_gives_the_shapes_asked_for_and_learns_everywhere(kind, shape, p, q):
    encoder, decoder = built(part("backbones", kind, **FITTING.get((kind, shape), {})), shape, 5, p, q)
    params = encoder(images(3, shape))
    out = decoder(params[..., 0])
    assert params.shape == (3, 5, p)
    assert out.shape == (3, q, *shape)
    assert bool(params.isfinite().all() & out.isfinite().all())
    # Random weights on the outputs, so that nothing cancels by symmetry.
    loss = (params * torch.randn(params.shape, generator=generator(1))).sum() + out.square().sum()
    loss.backward()
    learned = [*encoder.parameters(), *decoder.parameters()]
    assert learned
    assert all(w.grad is not None and bool(w.grad.isfinite().all()) and float(w.grad.abs().max()) > 0 for w in learned)


@pytest.mark.parametrize("kind", BACKBONES)
def test_an_image_is_coded_the_same_whatever_its_batch_mates(kind):
    encoder, decoder = built(part("backbones", kind))
    encoder.train()
    decoder.train()
    x = images(6)
    mates = torch.cat([x[:1], 5 * images(5, seed=1)])
    code = encoder(x)
    torch.testing.assert_close(encoder(mates)[0], code[0])
    torch.testing.assert_close(decoder(encoder(mates)[..., 0])[0], decoder(code[..., 0])[0])


@pytest.mark.parametrize("kind", BACKBONES)
def test_equal_seeds_build_equal_networks(kind):
    one, two, other = (built(part("backbones", kind), seed=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


JACOBIANS = [
    Linear(), Conv(widths=(4,)), Conv(widths=(3, 5), activation="tanh"),
    *(Mlp(widths=(), code_activation=name) for name in ACTIVATIONS),
    *(Mlp(widths=(11,), activation=name) for name in ACTIVATIONS),
    Mlp(widths=(80, 3), activation="tanh", code_activation="sigmoid"),
    Mlp(widths=(7, 9, 6), activation="gelu", code_activation="gelu"),
]  # fmt: skip


@pytest.mark.parametrize("backbone", JACOBIANS, ids=str)
@pytest.mark.parametrize("p", [1, 2])
def test_closed_form_jacobian_equals_automatic_differentiation(backbone, p):
    encoder, _ = built(backbone, (2, 4, 4), p=p)
    encoder.double()
    x = images(3, (2, 4, 4)).double()
    expected = Encoder.jacobian_squared_norm(encoder, x)
    one = torch.func.jacrev(lambda image: encoder(image[None])[0, :, 0])(x[1])
    torch.testing.assert_close(expected[1], one.square().sum())
    found = encoder.jacobian_squared_norm(x)
    torch.testing.assert_close(found, expected)
    weights = list(encoder.parameters())
    # Where it does not depend on a weight, the gradient is absent in one way and zero in the other.
    pairs = zip(
        torch.autograd.grad(found.sum(), weights, allow_unused=True, materialize_grads=True),
        torch.autograd.grad(expected.sum(), weights, allow_unused=True, materialize_grads=True),
        strict=True,
    )
    for closed, automatic in pairs:
        torch.testing.assert_close(closed, automatic)


@pytest.mark.parametrize("backbone", [Linear(tied=True), Mlp(widths=(12, 7), activation="tanh", tied=True)], ids=str)
def test_a_tied_decoder_uses_the_transposed_weights_and_has_only_biases(backbone):
    encoder, decoder = built(backbone)
    assert all(parameter.ndim == 1 for parameter in decoder.parameters())
    z = torch.randn(3, 5, generator=generator())
    expected, matrices = z, [layer.weight for layer in encoder.layers]
    for index, weight in enumerate(reversed(matrices)):
        expected = expected @ weight
        if index < len(matrices) - 1:
            expected = torch.tanh(expected)
    torch.testing.assert_close(decoder(z).flatten(1), expected)
    with torch.no_grad():
        matrices[-1].mul_(2)
    assert not torch.allclose(decoder(z).flatten(1), expected), "the decoder follows the encoder"
