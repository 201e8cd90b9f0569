"""Write decoder, encoder and denoiser as ONNX, with all arithmetic in the graph, by torch's exporter."""

import abc
import copy
import dataclasses
import io
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.foundation import metrics
from aecore.foundation.errors import AecoreError
from aecore.model.autoencoder import Autoencoder
from aecore.parts.contracts import Codes, Corruption, Field, Images, PerImage
from aecore.parts.data import Shape

OPSET = 18
MAX_CHANGE = 5e-5
"""Largest change of pictures in [0, 1] by 16-bit weights: half of the tolerance between a graph and torch."""
MIN_HALVED = 256
"""Arrays of fewer numbers stay in 32 bits: 16 would save next to nothing."""
NOTICES = ("You are using the legacy TorchScript-based ONNX export", "The feature will be removed")
"""How the exporter's deprecation warnings begin. The newer exporter fixes the number of images for some kinds."""


@dataclasses.dataclass(frozen=True)
class Ports:
    """The names of a graph's inputs, each with an example, and of its outputs; their first dimension is called `n`."""

    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


class Network(nn.Module, abc.ABC):
    """One function of a trained model, to be exported; `clip` if the data are pictures in [0, 1]."""

    part: ClassVar[str]

    def __init__(self, model: Autoencoder, clip: bool) -> None:
        super().__init__()
        self.model, self.clip = model, clip

    def picture(self, mean: Images) -> Images:
        return mean.clamp(0, 1) if self.clip else mean

    @abc.abstractmethod
    def ports(self, images: Images, codes: Float[Tensor, "m k"]) -> Ports:
        """Name inputs and outputs, with examples made from `images` and `codes`."""

    def about(self) -> dict[str, str]:
        """Describe this graph, different from all others of the same model."""
        return {"part": self.part}


class Decoding(Network):
    """code (n, K) → picture (n, C, H, W), the likelihood's mean."""

    part = "decoder"

    def ports(self, images: Images, codes: Float[Tensor, "m k"]) -> Ports:
        return Ports({"code": codes}, ("picture",))

    def forward(self, code: Codes) -> Images:
        return self.picture(self.model.likelihood.mean(self.model.decode(code)))


class Encoding(Network):
    """images (n, C, H, W) → code (n, K), the means where the encoder gives distributions."""

    part = "encoder"

    def ports(self, images: Images, codes: Float[Tensor, "m k"]) -> Ports:
        return Ports({"images": images}, ("code",))

    def forward(self, images: Images) -> Codes:
        return self.model.encode(images).mean


class Denoising(Network):
    """images, field, level → pictures and figures of `Session.denoise`; see `onnx_cache.denoiser`."""

    part = "denoiser"

    def __init__(self, model: Autoencoder, clip: bool, corruption: Corruption, shape: Shape) -> None:
        super().__init__(model, clip)
        self.corruption = corruption
        self.window = metrics.ssim_window(*shape[1:])

    def about(self) -> dict[str, str]:
        return {**super().about(), "kind": self.corruption.kind, "corruption": self.corruption.model_dump_json()}

    def ports(self, images: Images, codes: Float[Tensor, "m k"]) -> Ports:
        n, c, h, w = images.shape
        field = self.corruption.field((n, c, h, w), torch.Generator().manual_seed(0))
        inputs = {"images": images, "field": field, "level": torch.tensor(self.corruption.level)}
        ssim = ("ssim_before", "ssim_after") if self.window >= 3 else ()
        return Ports(inputs, ("corrupted", "visible", "reconstruction", "sse_before", "sse_after", *ssim))

    def forward(self, images: Images, field: Field, level: Float[Tensor, ""]) -> tuple[Tensor, ...]:
        corrupted, visible = self.corruption.apply(images, field, level)
        reconstruction = self.picture(self.model.reconstruct(corrupted, visible))
        mask = torch.ones_like(images[:, :1]) if visible is None else visible.to(images.dtype)
        pictures = (corrupted, reconstruction)
        found = [corrupted, mask, reconstruction, *(squared_error(images, picture) for picture in pictures)]
        if self.window >= 3:
            found += [similarity(images, picture, self.window) for picture in pictures]
        return tuple(found)


def squared_error(x: Images, r: Images) -> PerImage:
    """Compute `aecore.foundation.metrics.sse` in torch."""
    return (x - r).square().sum((1, 2, 3))


def similarity(x: Images, r: Images, side: int) -> PerImage:
    """Compute `aecore.foundation.metrics.ssim` in torch, in float32, over windows of `side` pixels."""

    def mean(a: Tensor) -> Tensor:
        return F.avg_pool2d(a, side, stride=1)

    # Variances are differences of large numbers; taken about the mean of the image they keep two more digits.
    centre = x.mean((1, 2, 3), keepdim=True)
    a, b, sample = x - centre, r - centre, side**2 / (side**2 - 1)
    mean_a, mean_b = mean(a), mean(b)
    variances = sample * (mean(a * a + b * b) - mean_a * mean_a - mean_b * mean_b)
    covariance = sample * (mean(a * b) - mean_a * mean_b)
    mean_x, mean_r, (c1, c2) = mean_a + centre, mean_b + centre, metrics.SSIM_CONSTANTS
    above = (2 * mean_x * mean_r + c1) * (2 * covariance + c2)
    return (above / ((mean_x * mean_x + mean_r * mean_r + c1) * (variances + c2))).mean((1, 2, 3))


# --- writing ---------------------------------------------------------------------------------------------------------


def onnx_bytes(network: Network, ports: Ports, about: Mapping[str, str]) -> bytes:
    """Write a network as an ONNX file, equal for equal weights; float32 inputs and outputs, any number of images.

    Weights are stored in 16 bits if no output changes by more than `MAX_CHANGE` (see `halves`). `about` is stored in
    the file's metadata. Not to be run in two threads: torch.onnx keeps its state in globals. Raises `AecoreError` for
    an operation that the exporter lacks.
    """
    import onnx

    network = copy.deepcopy(network).eval()  # the exporter changes the module it is given
    outputs = _outputs(network, ports)
    halved = halves(network, ports, outputs)
    model = onnx.load_from_string(_traced(network, ports))
    if halved:
        _store_in_16_bits(model)
    _declare(model.graph.input, ports.inputs)
    _declare(model.graph.output, dict(zip(ports.outputs, outputs, strict=True)))
    for node in model.graph.node:
        node.doc_string = ""
    about = {**about, "weights": "float16" if halved else "float32"}
    onnx.helper.set_model_props(model, dict(sorted(about.items())))
    return model.SerializeToString(deterministic=True)


def _traced(network: Network, ports: Ports) -> bytes:
    """Trace a network with two of the examples."""
    names = [*ports.inputs, *ports.outputs]
    free = {name: {0: "n"} for name in names if name not in ports.inputs or ports.inputs[name].ndim}
    two = tuple(value[:2] if value.ndim else value for value in ports.inputs.values())
    out = io.BytesIO()
    for notice in NOTICES:
        warnings.filterwarnings("ignore", notice, DeprecationWarning)
    try:
        torch.onnx.export(
            network, two, out,  # pyright: ignore[reportArgumentType] (a file will do as well)
            dynamo=False, opset_version=OPSET, dynamic_axes=free,
            input_names=list(ports.inputs), output_names=list(ports.outputs),
            do_constant_folding=False,  # it would store a tied matrix a second time, transposed
        )  # fmt: skip
    except torch.onnx.errors.UnsupportedOperatorError as error:
        raise AecoreError(f"this run cannot be exported: {str(error).splitlines()[0]}") from None
    return out.getvalue()


@torch.inference_mode()
def _outputs(network: Network, ports: Ports) -> tuple[Tensor, ...]:
    """Compute the outputs for the examples."""
    found = network(*ports.inputs.values())
    return found if isinstance(found, tuple) else (found,)


@torch.inference_mode()
def halves(network: Network, ports: Ports, outputs: tuple[Tensor, ...]) -> bool:
    """True if the weights may be stored as float16: for the examples, each output stays within `MAX_CHANGE` of
    `outputs`, times its largest number where that is above 1.
    """
    rounded = copy.deepcopy(network)
    for parameter in rounded.parameters():
        if parameter.numel() >= MIN_HALVED:
            parameter.copy_(parameter.half().float())
    return all(
        bool((a - b).abs().max() <= MAX_CHANGE * a.abs().max().clamp(min=1))
        for a, b in zip(outputs, _outputs(rounded, ports), strict=True)
    )


def _store_in_16_bits(model: Any) -> None:
    """Store every large array as float16 followed by a cast, which runtimes evaluate once, when they load the file."""
    import onnx
    from onnx import numpy_helper

    graph, casts = model.graph, list[Any]()
    for array in graph.initializer:
        values = numpy_helper.to_array(array)
        if array.data_type == onnx.TensorProto.FLOAT and values.size >= MIN_HALVED:
            half = f"{array.name}.half"
            casts.append(onnx.helper.make_node("Cast", [half], [array.name], to=onnx.TensorProto.FLOAT))
            array.CopyFrom(numpy_helper.from_array(values.astype("float16"), half))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _declare(values: Any, examples: Mapping[str, Tensor]) -> None:
    """Declare all inputs or outputs, by name and size.

    The exporter leaves out unused inputs (the field of a corruption without randomness) and most sizes of outputs.
    """
    import onnx

    del values[:]
    for name, example in examples.items():
        sizes = ["n", *example.shape[1:]] if example.ndim else []
        values.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes))
