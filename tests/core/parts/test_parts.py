"""Every member of every registry keeps its contract; a new member is tested from its first line in `__init__`."""

import inspect
import json
import math
import re

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from aecore.foundation.errors import BadSettings
from aecore.model.autoencoder import build
from aecore.model.config import PACKAGES, TrainingSettings
from aecore.parts.backbones import Conv, Linear, Mlp
from aecore.parts.contracts import Batch, Encoder
from aecore.parts.corruptions import GaussianNoise, Masking, Patches, Rows, SaltAndPepper
from aecore.parts.data import Part
from aecore.parts.likelihoods import Bernoulli as BernoulliOutput
from aecore.parts.likelihoods import Categorical as CategoricalOutput
from aecore.parts.likelihoods import Gaussian as GaussianOutput
from aecore.parts.likelihoods.gaussian import MIN_VARIANCE
from aecore.parts.looking import Embedding, Sampler
from aecore.parts.networks import ACTIVATIONS
from aecore.parts.objectives import Contractive, SparseL1, Variational
from aecore.parts.registry import make, members

REGISTRIES = {**dict(PACKAGES.values()), "embeddings": Embedding, "samplers": Sampler}
PARTS = [(package, kind) for package, base in REGISTRIES.items() for kind in members(package, base)]
CORRUPTIONS = list(members("corruptions", PACKAGES["corruption"][1]))
BACKBONES = list(members("backbones", PACKAGES["backbone"][1]))
LIKELIHOODS = list(members("likelihoods", PACKAGES["likelihood"][1]))
OBJECTIVES = list(members("objectives", PACKAGES["objective"][1]))
SHAPES = [(1, 8, 8), (3, 32, 32), (2, 7, 5)]
FITTING = {("transformer", (2, 7, 5)): {"patch": 1}}
"""Settings for the shapes that a default refuses."""


def part(package: str, kind: str, **settings: object) -> Part:
    return make(package, REGISTRIES[package], {"kind": kind, **settings})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 4, shape: tuple[int, int, int] = (1, 8, 8), seed: int = 0) -> torch.Tensor:
    return torch.rand((n, *shape), generator=generator(seed))


# --- all parts


@pytest.mark.parametrize(("package", "kind"), PARTS)
def test_settings_survive_json_and_are_frozen(package, kind):
    one = part(package, kind)
    assert part(package, **json.loads(one.model_dump_json())) == one
    assert type(one).kind_name() == one.kind == kind
    with pytest.raises(ValueError, match="frozen"):
        one.kind = "other"
    with pytest.raises(ValueError, match="colour"):
        part(package, kind, colour="red")


@pytest.mark.parametrize(("package", "kind"), PARTS)
def test_every_part_explains_itself(package, kind):
    cls = members(package, REGISTRIES[package])[kind]
    assert cls.title
    assert cls.__doc__ is not None
    first = cls.__doc__.splitlines()[0]
    assert first.endswith("."), "the first line is the help beside the widget, a whole sentence"
    # Datasets name theirs in `Data.source`, held by their own tests.
    if package in ("corruptions", "backbones", "likelihoods", "objectives", "procedures"):
        assert "Source:" in cls.__doc__
    for name, field in cls.model_fields.items():
        if name != "kind":
            assert field.title, f"{kind}.{name} has no title"
            assert field.description, f"{kind}.{name} has no description"
            assert not field.is_required(), f"{kind}.{name} has no default"


def test_training_settings_explain_themselves():
    for name, field in TrainingSettings.model_fields.items():
        assert field.title, name
        assert field.description, name


@pytest.mark.parametrize("package", REGISTRIES)
def test_no_two_members_share_a_kind_and_all_are_final(package):
    base = REGISTRIES[package]
    found = list(members(package, base).values())
    assert len({cls.kind_name() for cls in found}) == len(found)
    above = [cls.__mro__[1] for cls in found]
    assert all(cls is base or inspect.isabstract(cls) for cls in above), "a concrete class is never subclassed"


def test_an_unknown_kind_is_answered_with_those_that_exist():
    with pytest.raises(ValueError, match=r"no_such.*none, masking, gaussian"):
        part("corruptions", "no_such")


# --- corruptions


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_corruption_is_seeded_pure_and_keeps_the_shape(kind, shape):
    corruption, x = part("corruptions", kind), images(shape=shape)
    before = x.clone()
    field = corruption.field(x.shape, generator(3))
    assert torch.equal(field, corruption.field(x.shape, generator(3)))
    kept = field.clone()
    first, visible = corruption.apply(x, field, corruption.level)
    again, _ = corruption.apply(x, field, corruption.level)
    assert torch.equal(first, again)
    assert first.shape == x.shape
    assert visible is None or visible.shape == (4, 1, *shape[1:])
    assert torch.equal(x, before)
    assert torch.equal(field, kept)
    corrupted, _ = corruption.corrupt(x, generator(3))
    assert torch.equal(corrupted, first)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_level_0_changes_nothing(kind):
    corruption, x = part("corruptions", kind), images()
    result, visible = corruption.apply(x, corruption.field(x.shape, generator()), 0.0)
    assert torch.equal(result, x)
    assert visible is None or bool(visible.all())


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if part("corruptions", kind).random])
def test_other_seeds_give_other_noise_to_every_image(kind):
    corruption, x = part("corruptions", kind), images(2, (1, 32, 32)) / 2 + 0.25
    x[1] = x[0]
    one, _ = corruption.corrupt(x, generator(1))
    two, _ = corruption.corrupt(x, generator(2))
    assert not torch.equal(one, two)
    assert not torch.equal(one[0], one[1])


@pytest.mark.parametrize("kind", [kind for kind in CORRUPTIONS if kind != "none"])
@pytest.mark.parametrize("level", [1e-6, 0.3, 1.0])
def test_single_pixels_can_be_corrupted_by_hand_at_any_level(kind, level):
    corruption, x = part("corruptions", kind), images(2) / 2 + 0.25
    field = corruption.field(x.shape, generator())
    for target, value in ((0.0, corruption.black), (1.0, corruption.white)):
        changed = field.clone()
        changed[:, :, 2, 3] = (target - x[:, :, 2, 3]) / level if value is None else value
        result, visible = corruption.apply(x, changed, level)
        if visible is None:
            torch.testing.assert_close(result[:, :, 2, 3], torch.full_like(result[:, :, 2, 3], target))
        else:
            assert not visible[:, :, 2, 3].any()
        untouched, _ = corruption.apply(x, field, level)
        result[:, :, 2, 3] = untouched[:, :, 2, 3]
        assert torch.equal(result, untouched), "no other pixel is changed"


@pytest.mark.parametrize("corruption", [Masking(), SaltAndPepper(), Patches(), Patches(size=3), Rows()])
def test_a_rising_level_only_adds_to_what_is_corrupted(corruption):
    x = torch.full((3, 2, 20, 20), 0.5)
    field = corruption.field(x.shape, generator())
    previous, earlier = torch.zeros_like(x, dtype=torch.bool), x
    for level in (0.1, 0.3, 0.5, 0.8, 1.0):
        result, _ = corruption.apply(x, field, level)
        changed = result != x
        assert bool((changed | ~previous).all())
        assert torch.equal(result[previous], earlier[previous]), "a corrupted pixel keeps its value"
        previous, earlier = changed, result
    assert bool(previous.all()), "level 1 leaves nothing"


@pytest.mark.parametrize("corruption", [Masking(), Patches(size=2), Rows()])
@pytest.mark.parametrize("level", [0.25, 0.5, 0.75])
def test_visible_marks_exactly_the_untouched_pixels(corruption, level):
    x = images(20, (3, 32, 32)) + 0.1
    result, visible = corruption.apply(x, corruption.field(x.shape, generator()), level)
    assert torch.equal((result == x).all(1, keepdim=True), visible)
    assert bool((result[(~visible).expand_as(x)] == 0).all())
    # 20 × 1024 pixels: 5 standard deviations of an independent choice are 0.018.
    assert float(visible.float().mean()) == pytest.approx(1 - level, abs=0.018)


def test_patches_hide_exactly_their_share_of_every_image():
    x = torch.ones(10, 1, 32, 32)
    for hidden in range(65):
        _, visible = Patches(size=4).apply(x, Patches(size=4).field(x.shape, generator()), hidden / 64)
        assert bool(((~visible).sum((1, 2, 3)) == hidden * 16).all())


def test_half_of_the_replaced_pixels_are_salt():
    x = torch.full((50, 1, 32, 32), 0.5)
    result, visible = SaltAndPepper().apply(x, SaltAndPepper().field(x.shape, generator()), 0.4)
    assert visible is None, "a replaced pixel cannot be told from a real black or white one"
    assert float((result == 1).float().mean()) == pytest.approx(0.2, abs=0.009)
    assert float((result == 0).float().mean()) == pytest.approx(0.2, abs=0.009)
    assert set(result.unique().tolist()) == {0.0, 0.5, 1.0}


def test_gaussian_noise_is_normal_with_sigma_the_level():
    x = torch.full((50, 3, 32, 32), 0.5)
    noise = GaussianNoise().apply(x, GaussianNoise().field(x.shape, generator()), 0.3)[0] - x
    standard = noise.flatten() / 0.3
    assert float(standard.mean()) == pytest.approx(0, abs=0.013)
    assert float(standard.square().mean()) == pytest.approx(1, abs=0.02)
    assert float(standard.pow(4).mean()) == pytest.approx(3, abs=0.13)


# --- backbones


def built(backbone, shape=(1, 8, 8), code_dim=5, p=1, q=1, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return backbone.build(shape, code_dim, p, q)


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("p", "q"), [(1, 1), (1, 2), (2, 1), (2, 2)])
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


# --- likelihoods


class Greys:
    """torch's `Categorical` over grey levels in [0, 1] instead of their indices."""

    def __init__(self, out):
        self.indices, self.greys = Categorical(logits=out.movedim(1, -1)), torch.linspace(0, 1, out.shape[1])
        self.mean = (self.indices.probs * self.greys).sum(-1)
        self.stddev = ((self.indices.probs * self.greys**2).sum(-1) - self.mean**2).sqrt()

    def sample(self):
        return self.greys[self.indices.sample()]

    def log_prob(self, x):
        return self.indices.log_prob((x * (len(self.greys) - 1)).round())


OUTPUTS = {
    "bernoulli": [(BernoulliOutput(), 1, lambda o: Bernoulli(logits=o[:, 0]))],
    "gaussian": [
        (GaussianOutput(sigma=0.3), 1, lambda o: Normal(o[:, 0], 0.3)),
        (GaussianOutput(learned=True), 2, lambda o: Normal(o[:, 0], (0.5 * o[:, 1]).exp())),
    ],
    "categorical": [
        (CategoricalOutput(levels=2), 2, Greys),
        (CategoricalOutput(levels=17), 17, Greys),
    ],
}
"""Each likelihood at some settings, the numbers a pixel that it reads, and torch's own distribution of them."""
CASES = [pytest.param(*case, id=str(case[0])) for kind in LIKELIHOODS for case in OUTPUTS.get(kind, ())]


def test_every_likelihood_has_its_distribution_here():
    assert set(OUTPUTS) == set(LIKELIHOODS)


@pytest.mark.parametrize(("likelihood", "q", "distribution"), CASES)
def test_nll_mean_and_sample_are_those_of_the_distribution(likelihood, q, distribution):
    out = torch.randn(2, q, 3, 4, 4, generator=generator())
    p = distribution(out)
    torch.manual_seed(0)
    target = p.sample()
    torch.testing.assert_close(likelihood.nll(out, target), -p.log_prob(target))
    torch.testing.assert_close(likelihood.mean(out), p.mean)
    assert torch.equal(likelihood.sample(out, generator(1)), likelihood.sample(out, generator(1)))
    many = likelihood.sample(out.repeat(4000, 1, 1, 1, 1), generator(2)).reshape(4000, 2, 3, 4, 4)
    # Five standard errors, over 96 pixels.
    assert bool(((many.mean(0) - p.mean).abs() <= 5 * p.stddev / math.sqrt(4000)).all())
    torch.testing.assert_close(many.std(0), p.stddev, rtol=0.15, atol=0.01)


@pytest.mark.parametrize(("likelihood", "q", "distribution"), CASES)
def test_the_decoder_gives_what_the_likelihood_reads(likelihood, q, distribution):
    """`params_per_output` numbers of the decoder and those that `build` appends are the q above."""
    decoded = torch.randn(2, likelihood.params_per_output, 3, 4, 4, generator=generator())
    assert likelihood.build((3, 4, 4))(decoded).shape == (2, q, 3, 4, 4)


@pytest.mark.parametrize(("likelihood", "q", "distribution"), CASES)
def test_nll_stays_finite_far_from_the_target(likelihood, q, distribution):
    # The decoder's own numbers: a learned variance is no output that could run off.
    decoded = torch.zeros(2, likelihood.params_per_output, 1, 1, 1)
    decoded[:, 0, 0, 0, 0] = torch.tensor([-1e4, 1e4])
    decoded.requires_grad_()
    nll = likelihood.nll(likelihood.build((1, 1, 1))(decoded), torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1))
    nll.sum().backward()
    assert bool(nll.isfinite().all() & decoded.grad.isfinite().all())


@pytest.mark.parametrize("levels", [2, 5, 16, 64])
def test_a_softmax_over_grey_levels_takes_the_nearest_and_returns_it(levels):
    likelihood = CategoricalOutput(levels=levels)
    x = torch.rand(2, 3, 4, 5, generator=generator())
    nearest = (x[:, None] - torch.linspace(0, 1, levels).reshape(-1, 1, 1, 1)).abs().argmin(1)
    out = 100 * torch.nn.functional.one_hot(nearest, levels).movedim(-1, 1).float()
    assert float(likelihood.nll(out, x).max()) < 1e-6
    assert float((likelihood.sample(out, generator()) - x).abs().max()) <= 0.5 / (levels - 1) + 1e-6
    torch.testing.assert_close(likelihood.mean(out), likelihood.sample(out, generator()))


def test_the_digits_are_on_the_grid_of_17_levels():
    """So nothing is lost by the softmax of the recipe for them."""
    x = part("datasets", "digits").load().floats(slice(0, 100))
    assert abs(x * 16 - (x * 16).round()).max() < 0.04


def test_a_learned_variance_is_the_mean_squared_error_of_each_channel_at_the_optimum():
    likelihood = GaussianOutput(sigma=0.5, learned=True)
    head = likelihood.build((3, 6, 6))
    decoded, scale = torch.zeros(200, 1, 3, 6, 6), torch.tensor([0.02, 0.2, 2.0]).reshape(3, 1, 1)
    target = scale * torch.randn(200, 3, 6, 6, generator=generator())
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = likelihood.nll(head(decoded), target).mean()
        value.backward()
        return value

    optimiser.step(loss)
    found = head(decoded)[0, 1, :, 0, 0].exp()
    torch.testing.assert_close(found, target.square().mean((0, 2, 3)), rtol=1e-3, atol=1e-6)


def test_a_learned_variance_has_a_floor_and_comes_back_from_it():
    """A channel copied exactly does not make the likelihood infinite, and an error later on lifts σ again."""
    likelihood = GaussianOutput(sigma=0.001, learned=True)
    head = likelihood.build((1, 2, 2))
    with torch.no_grad():
        head.log_excess.fill_(-1e4)
    out = head(torch.zeros(1, 1, 1, 2, 2))
    torch.testing.assert_close(out[0, 1].exp(), torch.full((1, 2, 2), MIN_VARIANCE))
    with torch.no_grad():
        head.log_excess.fill_(-15)
    nll = likelihood.nll(head(torch.zeros(1, 1, 1, 2, 2)), torch.ones(1, 1, 2, 2)).sum()
    nll.backward()
    assert bool(nll.isfinite())
    assert float(head.log_excess.grad) < -1


# --- objectives


SMALL = {
    "mlp": {"kind": "mlp", "widths": [16]}, "conv": {"kind": "conv", "widths": [8, 8]},
    "gru": {"kind": "gru", "width": 12}, "transformer": {"kind": "transformer", "width": 8, "depth": 1, "heads": 2},
}  # fmt: skip
"""Smaller than the default, where that would only take time."""


def refused(configure, **fields) -> bool:
    """Whether parts refuse to work together; they do so naming a field and its remedy."""
    words = ""
    try:
        configure(**fields)
    except BadSettings as refusal:
        words = str(refusal)
    assert not words or re.search(r"\b(\w+): .*use \1=\w+", words)
    return bool(words)


def model_for(configure, objective, **fields):
    return build(configure(objective=objective, **fields), (1, 8, 8))


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_objective_is_finite_per_image_and_falls(configure, kind, likelihood, backbone):
    objective = part("objectives", kind)
    if refused(configure, objective=objective, likelihood=likelihood, backbone=backbone):
        return
    model = model_for(configure, objective, likelihood=likelihood, backbone=SMALL.get(backbone, backbone))
    batch = Batch(images(16), images(16))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)

    def loss():
        terms = objective.terms(model, batch, generator(5))
        assert next(iter(terms)) == "reconstruction"
        assert all(term.shape == (16,) and bool(term.isfinite().all()) for term in terms.values())
        return torch.stack(list(terms.values())).sum(0).mean()

    before = loss()
    before.backward()
    assert all(w.grad is not None and float(w.grad.abs().max()) > 0 for w in model.parameters())
    for _ in range(12):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        objective.after_step(model)
    assert loss().item() < before.item()
    report = objective.unit_report(model.encode(batch.clean))
    assert all(figures.shape == (6,) and bool(figures.isfinite().all()) for figures in report.values())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_sum_of_terms_does_not_depend_on_batch_mates(configure, kind):
    """Per-image terms: those of an image are the same in a batch of one, given the same noise."""
    objective = part("objectives", kind)
    model, x = model_for(configure, objective), images(5)
    together = objective.terms(model, Batch(x, x), generator(2))
    alone = objective.terms(model, Batch(x[:1], x[:1]), generator(2))
    for name, term in alone.items():
        # A generator draws other noise for another batch size; a mean activity is the batch's own.
        if (kind, name) not in (("variational", "reconstruction"), ("sparse_kl", "sparsity")):
            torch.testing.assert_close(term[0], together[name][0])


def test_kl_equals_that_of_the_distributions(configure):
    model = model_for(configure, Variational())
    code = model.encode(images(7))
    expected = kl_divergence(Normal(code.mean, (0.5 * code.log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(Variational.kl(code), expected)
    terms = Variational(beta=3).terms(model, Batch(images(7), images(7)), generator())
    torch.testing.assert_close(terms["kl"], 3 * expected.sum(1))
    torch.testing.assert_close(Variational().unit_report(code)["kl"], expected.mean(0))


def test_the_variational_reconstruction_is_the_expectation_over_the_code(configure):
    """The mean over many draws of the code equals a direct Monte-Carlo estimate with torch's own distribution."""
    model, x = model_for(configure, Variational(), code_dim=2), images(1)
    with torch.no_grad():
        repeated = x.expand(4000, -1, -1, -1)
        found = Variational().terms(model, Batch(repeated, repeated), generator())["reconstruction"]
        code = model.encode(x)
        torch.manual_seed(1)
        z = Normal(code.mean[0], (0.5 * code.log_variance[0]).exp()).sample((4000,))
        direct = model.likelihood.nll(model.decode(z), repeated).flatten(1).sum(1)
    standard_error = float(torch.hypot(found.std(), direct.std())) / math.sqrt(4000)
    assert float(found.mean()) == pytest.approx(float(direct.mean()), abs=5 * standard_error)
    assert float(found.std()) > 0


def test_sparsity_and_contraction_are_weighted_sums_over_units(configure):
    x = images(3)
    model = model_for(configure, SparseL1())
    terms = SparseL1(weight=2.5).terms(model, Batch(x, x), generator())
    torch.testing.assert_close(terms["sparsity"], 2.5 * model.encode(x).mean.abs().sum(1))
    terms = Contractive(weight=0.5).terms(model, Batch(x, x), generator())
    torch.testing.assert_close(terms["contraction"], 0.5 * Encoder.jacobian_squared_norm(model.encoder, x))


@pytest.mark.parametrize("objective", [SparseL1(weight=0), Contractive(weight=0)], ids=str)
def test_a_weight_of_0_leaves_plain_reconstruction(configure, objective):
    model, x = model_for(configure, objective), images(3)
    terms = objective.terms(model, Batch(x, x), generator())
    plain = part("objectives", "reconstruction").terms(model, Batch(x, x), generator())
    torch.testing.assert_close(sum(terms.values()), plain["reconstruction"])
