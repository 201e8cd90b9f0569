"""Exported graphs: plain onnxruntime gives the results of torch, for every run, backbone, likelihood and corruption."""

import itertools
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from aecore.foundation import metrics
from aecore.foundation.errors import AecoreError, BadInput
from aecore.model.autoencoder import build
from aecore.model.config import PACKAGES, parse
from aecore.model.recipes import RECIPES
from aecore.parts.contracts import Corruption
from aecore.parts.data import Shape
from aecore.parts.registry import members
from aecore.session import onnx_cache, onnx_model
from aecore.session.session import Session
from aecore.store.folder import RunFolder
from aecore.store.store import RunStore

BAR = 1e-4
"""Largest difference of a picture in [0, 1]; of other numbers where they are above 1, as a share of them."""
KINDS = list(members("corruptions", Corruption))
BACKBONES, LIKELIHOODS = (list(members(*PACKAGES[name])) for name in ("backbone", "likelihood"))
READY_MADE = sorted(info.run_id for info in RunStore().runs() if info.builtin)
SIZES = (1, 3, 8)
CASES = ((1, 0.3), (3, 0.0), (8, 0.5), (3, 1.0))
"""Numbers of images and levels; a graph in which one of them had become a constant would fail at the next."""


@pytest.fixture(scope="module", autouse=True)
def graphs_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all tests of this file, so that graphs are made once."""
    folder = tmp_path_factory.mktemp("graphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_cache, "folder", lambda: folder)
        yield folder


@pytest.fixture
def untrained(tmp_path: Path) -> Callable[..., Session]:
    """`untrained(settings, shape)`: a run as its seed begins it, but with weights and biases large enough to show."""

    def make(settings: dict[str, object], shape: Shape) -> Session:
        config = parse(settings)
        model = build(config, shape)
        generator = torch.Generator().manual_seed(0)
        weights = {
            name: value + 0.3 * value.std(correction=0).clamp(min=0.1) * torch.randn(value.shape, generator=generator)
            for name, value in model.state_dict().items()
        }
        folder = tmp_path / "store" / "runs" / f"run-{len(list(tmp_path.glob('store/runs/*')))}"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(config.json_text(), encoding="utf-8")
        (folder / "status.json").write_text(json.dumps({"state": "finished", "shape": shape, "epoch": 1}))
        RunFolder(folder).write_weights(weights)
        return Session(RunStore(tmp_path / "store", tmp_path / "none"), folder.name)

    return make


Play = Callable[..., dict[str, np.ndarray]]


def player(graph: onnx_cache.Graph) -> Play:
    """`player(graph)(input=…)`: its outputs by name, from plain onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.path, options)
    names = [output.name for output in session.get_outputs()]

    def play(**feeds: np.ndarray) -> dict[str, np.ndarray]:
        assert {value.name for value in session.get_inputs()} == set(feeds)
        return dict(zip(names, session.run(names, feeds), strict=True))

    return play


def check_same(found: np.ndarray, wanted: np.ndarray, what: str) -> None:
    assert found.dtype == np.float32, what
    assert found.shape == wanted.shape, what
    worst = (np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max()
    assert worst <= BAR, f"{what}: {worst}"


def some_images(session: Session, n: int) -> np.ndarray:
    """Half the model's own pictures, half noise."""
    noise = np.random.default_rng(n).random((n, *session.shape), dtype=np.float32)
    noise[::2] = session.decode(session.codes[np.arange(len(noise[::2])) % len(session.codes)])
    return noise


def check_decoder_and_encoder(session: Session) -> None:
    decode, encode = player(onnx_cache.decoder(session)), player(onnx_cache.encoder(session))
    for n in SIZES:
        codes = np.random.default_rng(n).normal(session.code_mean, session.code_std + 0.1, (n, session.code_dim))
        codes = codes.astype(np.float32)
        check_same(decode(code=codes)["picture"], session.decode(codes), f"picture of {n}")
        images = some_images(session, n)
        check_same(encode(images=images)["code"], session.encode(images), f"code of {n}")


def check_denoiser(session: Session, kind: str) -> None:
    repair = player(onnx_cache.denoiser(session, kind))
    for n, level in CASES:
        level = float(np.float32(level if kind != "none" else 0))
        images, field = some_images(session, n), onnx_cache.field(session, kind, n, seed=n)
        found = repair(images=images, field=field, level=np.array(level, np.float32))
        for name, wanted in denoised(session, images, kind, level, seed=n).items():
            check_same(found.pop(name), wanted, f"{name} of {n} at {level}")
        assert not found


def denoised(session: Session, images: np.ndarray, kind: str, level: float, seed: int) -> dict[str, np.ndarray]:
    """What a denoiser graph gives out, from the session itself."""
    done = session.denoise(images, kind, level, seed)
    visible = np.ones((len(images), 1, *session.shape[1:])) if done.visible is None else done.visible.astype(float)
    wanted = {
        "corrupted": done.corrupted, "visible": visible, "reconstruction": done.reconstruction,
        "sse_before": done.sse_before, "sse_after": done.sse_after,
    }  # fmt: skip
    if min(session.shape[1:]) >= 3:
        wanted["ssim_before"] = metrics.ssim(images, done.corrupted)
        wanted["ssim_after"] = metrics.ssim(images, done.reconstruction)
    return wanted


# --- parity


@pytest.mark.parametrize("run_id", READY_MADE)
def test_every_ready_made_run_decodes_and_encodes_as_torch_does(opened, run_id):
    check_decoder_and_encoder(opened(run_id))


def test_the_decoders_of_earlier_epochs_are_graphs_of_their_own(opened):
    session = opened("digits-variational")
    first, *_, last = session.snapshots
    codes = session.codes[:5]
    made = [onnx_cache.exported(session, "decoder", epoch=epoch) for epoch in (first, last, None)]
    for graph, epoch in zip(made, (first, last, None), strict=True):
        check_same(player(graph)(code=codes)["picture"], session.decode(codes, epoch), f"epoch {epoch}")
    assert len({graph.name for graph in made}) == 3
    assert onnx_cache.exported(session, "decoder", epoch=last) == made[1]
    with pytest.raises(BadInput, match="kept no weights"):
        onnx_cache.exported(session, "decoder", epoch=last + 1)


def noise_of(session: Session) -> str:
    """The run's own corruption; for runs without one, another kind from run to run."""
    own = session.config.corruption.kind
    return own if own != "none" else KINDS[READY_MADE.index(session.run_id) % len(KINDS)]


@pytest.mark.parametrize("run_id", READY_MADE)
def test_every_ready_made_run_repairs_as_torch_does(opened, run_id):
    """Under one corruption each: a corruption and a network know nothing of each other."""
    check_denoiser(opened(run_id), noise_of(opened(run_id)))


def test_ready_made_runs_show_every_recipe_and_every_noise(opened):
    made = [opened(run_id) for run_id in READY_MADE]
    assert {session.config.recipe for session in made} >= set(RECIPES)
    assert {noise_of(session) for session in made} == set(KINDS)


@pytest.mark.parametrize(("backbone", "likelihood"), list(zip(BACKBONES, itertools.cycle(LIKELIHOODS))))
def test_every_backbone_and_likelihood_in_colour_and_uneven_sizes(untrained, configure, backbone, likelihood):
    """In pairs: a likelihood knows of a backbone only the number of its outputs."""
    settings = configure(backbone=backbone, likelihood=likelihood).model_dump(mode="json")
    session = untrained(settings, (3, 12, 8))
    check_decoder_and_encoder(session)
    check_denoiser(session, "masking")


@pytest.mark.parametrize("kind", KINDS)
def test_the_level_is_compared_as_the_session_compares_it(session, kind):
    """Exactly on the edge of being hidden as well: every level in hundredths, every pixel."""
    repair, images = player(onnx_cache.denoiser(session, kind)), some_images(session, 2)
    field = onnx_cache.field(session, kind, 2, seed=5)
    for level in np.linspace(0, 1, 101, dtype=np.float32) if kind != "none" else [np.float32(0)]:
        found = repair(images=images, field=field, level=np.array(level))
        assert np.array_equal(found["corrupted"], session.denoise(images, kind, float(level), 5).corrupted), level


@pytest.mark.parametrize("shape", [(1, 2, 9), (1, 1, 1), (2, 3, 3)])
def test_pictures_too_small_for_ssim_have_none(untrained, configure, shape):
    settings = configure(backbone="linear", objective="variational").model_dump(mode="json")
    session = untrained(settings, shape)
    check_decoder_and_encoder(session)
    check_denoiser(session, "salt_and_pepper")


@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_ssim_keeps_its_digits_where_pictures_hardly_vary(brightness):
    generator = np.random.default_rng(0)
    x = np.clip(brightness + generator.normal(0, 0.01, (4, 3, 16, 11)), 0, 1).astype(np.float32)
    r = np.clip(x + generator.normal(0, 0.01, x.shape), 0, 1).astype(np.float32)
    found = onnx_model.similarity(torch.from_numpy(x), torch.from_numpy(r), metrics.ssim_window(16, 11))
    np.testing.assert_allclose(found.numpy(), metrics.ssim(x, r), atol=2e-5)


def test_a_field_is_what_the_session_draws(session):
    images = some_images(session, 5)
    for kind in KINDS:
        corruption = session.corruption(kind)
        field = torch.from_numpy(onnx_cache.field(session, kind, 5, seed=7))
        again, _ = corruption.apply(torch.from_numpy(images), field, corruption.level)
        assert np.array_equal(again.numpy(), session.denoise(images, kind, seed=7).corrupted)


@pytest.mark.parametrize(("kind", "n", "seed"), [("fog", 1, 0), ("masking", 0, 0), ("masking", 65, 0), ("none", 1, -1),
                                                 ("none", 1, 2**63)])  # fmt: skip
def test_impossible_fields_are_refused(session, kind, n, seed):
    with pytest.raises(BadInput):
        onnx_cache.field(session, kind, n, seed)


# --- the files


def weights_of(graph: onnx_cache.Graph) -> list[np.ndarray]:
    return [numpy_helper.to_array(array) for array in onnx.load(graph.path).graph.initializer]


def test_a_tied_matrix_is_stored_once_and_in_16_bits_where_that_loses_nothing(opened):
    session = opened("mnist-course-denoising")
    for graph in (onnx_cache.decoder(session), onnx_cache.encoder(session), onnx_cache.denoiser(session)):
        (matrix,) = [array for array in weights_of(graph) if array.size >= 784_000]
        assert matrix.dtype == np.float16
        assert graph.size < 2 * 784_000 + 40_000
        assert meta(graph)["weights"] == "float16"


def meta(graph: onnx_cache.Graph) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(graph.path).metadata_props}


def test_16_bits_are_taken_just_where_the_pictures_stay(untrained, configure):
    """Large weights move the logits of a bright picture too far, small ones do not."""
    settings = configure(backbone={"kind": "mlp", "widths": [64]}).model_dump(mode="json")
    session = untrained(settings, (1, 8, 8))
    assert meta(onnx_cache.decoder(session))["weights"] == "float32"
    with torch.no_grad():
        for parameter in session.model.parameters():
            parameter.mul_(0.02)
    network = onnx_model.Decoding(session.model, session.bounded)
    small = onnx_model.onnx_bytes(network, network.ports(*onnx_cache._examples(session)), {})
    assert "float16" in {entry.value for entry in onnx.load_from_string(small).metadata_props}
    assert len(small) < 0.6 * onnx_cache.decoder(session).size


def test_weights_beyond_what_16_bits_hold_stay_in_32(untrained, configure):
    session = untrained(configure(backbone="linear", code_dim=8).model_dump(mode="json"), (1, 8, 8))
    with torch.no_grad():
        session.model.encoder.layers[0].weight.mul_(1e6)
    network = onnx_model.Encoding(session.model, session.bounded)
    ports = network.ports(torch.ones(1, 1, 8, 8), torch.zeros(1, 8))
    assert not onnx_model.halves(network, ports, (network(torch.ones(1, 1, 8, 8)),))


def test_the_file_says_what_it_is(session):
    found = meta(onnx_cache.denoiser(session, "gaussian"))
    assert found.pop("weights") in ("float16", "float32")
    assert json.loads(found.pop("corruption")) == {"kind": "gaussian", "level": 0.3}
    assert found == {
        "part": "denoiser", "kind": "gaussian", "format": "1", "recipe": "variational", "shape": "[1, 8, 8]",
        "code_dim": "6",
    }  # fmt: skip
    model = onnx.load(onnx_cache.decoder(session).path)
    onnx.checker.check_model(model, full_check=True)
    sizes = {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
             for value in (*model.graph.input, *model.graph.output)}  # fmt: skip
    assert sizes == {"code": ["n", 6], "picture": ["n", 1, 8, 8]}


def test_no_path_of_this_machine_is_in_the_file(session):
    content = onnx_cache.denoiser(session).path.read_bytes()
    assert b"site-packages" not in content
    assert str(Path(onnx_cache.__file__).parent).encode() not in content


def test_an_operation_that_cannot_be_exported_is_said_in_one_line(session):
    class Odd(onnx_model.Decoding):
        def forward(self, code):
            return super().forward(torch.logaddexp(code, code))

    network = Odd(session.model, session.bounded)
    with pytest.raises(AecoreError, match=r"cannot be exported: .*logaddexp"):
        onnx_model.onnx_bytes(network, network.ports(*onnx_cache._examples(session)), {})


def test_only_the_exporter_s_own_deprecations_are_silenced(session):
    onnx_cache.content(session, "decoder")
    filters = len(warnings.filters)
    onnx_cache.content(session, "decoder")
    assert len(warnings.filters) == filters, "and no filter is added each time"
    for message, kind in (("an old function", DeprecationWarning), (onnx_model.NOTICES[0], UserWarning)):
        with pytest.raises(kind):
            warnings.warn(message, kind, stacklevel=1)
