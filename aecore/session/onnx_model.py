"""A run's model as ONNX: what decodes, encodes and repairs, with all arithmetic inside, as torch itself writes it."""

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
CLOSE = 5e-5
"""Largest change that 16-bit weights may make, of pictures in [0, 1]: half of what a graph may differ from torch."""
SMALL = 256
"""Arrays below so many numbers stay as they are: nothing is saved with them."""
NOTICES = ("You are using the legacy TorchScript-based ONNX export", "The feature will be removed")
"""How the exporter's own deprecations begin. The newer exporter fixes the number of images for some kinds."""


@dataclasses.dataclass(frozen=True)
class Ports:
    """The names of a graph's inputs, each with an example, and of its outputs; what has images counts them as `n`."""

    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]


class Network(nn.Module, abc.ABC):
    """What one graph does with a trained model; `clip` where the data are pictures in [0, 1]."""

    part: ClassVar[str]

    def __init__(self, model: Autoencoder, clip: bool) -> None:
        super().__init__()
        self.model, self.clip = model, clip

    def picture(self, mean: Images) -> Images:
        return mean.clamp(0, 1) if self.clip else mean

    @abc.abstractmethod
    def ports(self, images: Images, codes: Float[Tensor, "m k"]) -> Ports:
        """Names of inputs and outputs, with examples made of such images and codes."""

    def about(self) -> dict[str, str]:
        """What tells this graph of a model from its others."""
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
    """Maps images, field and level to what `Session.denoise` shows and measures; see `onnx_cache.denoiser`."""

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
        repaired = self.picture(self.model.reconstruct(corrupted, visible))
        seen = torch.ones_like(images[:, :1]) if visible is None else visible.to(images.dtype)
        found = [corrupted, seen, repaired, squared_error(images, corrupted), squared_error(images, repaired)]
        if self.window >= 3:
            found += [similarity(images, corrupted, self.window), similarity(images, repaired, self.window)]
        return tuple(found)


def squared_error(x: Images, r: Images) -> PerImage:
    """`aecore.foundation.metrics.sse` in torch."""
    return (x - r).square().sum((1, 2, 3))


def similarity(x: Images, r: Images, side: int) -> PerImage:
    """`aecore.foundation.metrics.ssim` in torch, in float32, over windows of `side` pixels."""

    def mean(a: Tensor) -> Tensor:
        return F.avg_pool2d(a, side, stride=1)

    # Variances are differences of large numbers; around the image's own mean they keep two more digits.
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
    """The ONNX file of a network, equal for equal weights; numbers in and out are float32, the number of images free.

    Weights are kept in 16 bits where no output then changes by more than `CLOSE` (see `halves`). `about` goes into the
    file's metadata. One at a time: torch.onnx keeps in globals what it is doing. Raises `AecoreError` where the
    exporter lacks an operation.
    """
    import onnx

    network = copy.deepcopy(network).eval()  # the exporter touches the module it is given
    shown = _shown(network, ports)
    halved = halves(network, ports, shown)
    model = onnx.load_from_string(_traced(network, ports))
    if halved:
        _store_in_16_bits(model)
    _declare(model.graph.input, ports.inputs)
    _declare(model.graph.output, dict(zip(ports.outputs, shown, strict=True)))
    for node in model.graph.node:
        node.doc_string = ""
    about = {**about, "weights": "float16" if halved else "float32"}
    onnx.helper.set_model_props(model, dict(sorted(about.items())))
    return model.SerializeToString(deterministic=True)


def _traced(network: Network, ports: Ports) -> bytes:
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
            do_constant_folding=False,  # which would store a tied matrix a second time, transposed
        )  # fmt: skip
    except torch.onnx.errors.UnsupportedOperatorError as error:
        raise AecoreError(f"this run cannot be exported: {str(error).splitlines()[0]}") from None
    return out.getvalue()


@torch.inference_mode()
def _shown(network: Network, ports: Ports) -> tuple[Tensor, ...]:
    """What comes out for the examples."""
    found = network(*ports.inputs.values())
    return found if isinstance(found, tuple) else (found,)


@torch.inference_mode()
def halves(network: Network, ports: Ports, shown: tuple[Tensor, ...]) -> bool:
    """Whether the weights may be kept as float16: for the examples each output stays within `CLOSE` of the `shown`,
    times its largest number where that is above 1.
    """
    rounded = copy.deepcopy(network)
    for parameter in rounded.parameters():
        if parameter.numel() >= SMALL:
            parameter.copy_(parameter.half().float())
    return all(
        bool((a - b).abs().max() <= CLOSE * a.abs().max().clamp(min=1))
        for a, b in zip(shown, _shown(rounded, ports), strict=True)
    )


def _store_in_16_bits(model: Any) -> None:
    """Every large array as float16 with a cast behind it, which runtimes work out once, when they load the file."""
    import onnx
    from onnx import numpy_helper

    graph, casts = model.graph, list[Any]()
    for array in graph.initializer:
        values = numpy_helper.to_array(array)
        if array.data_type == onnx.TensorProto.FLOAT and values.size >= SMALL:
            half = f"{array.name}.half"
            casts.append(onnx.helper.make_node("Cast", [half], [array.name], to=onnx.TensorProto.FLOAT))
            array.CopyFrom(numpy_helper.from_array(values.astype("float16"), half))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _declare(values: Any, examples: Mapping[str, Tensor]) -> None:
    """Names, sizes and float32 of all inputs or outputs: the exporter leaves out inputs that this kind does not read,
    the field where nothing is random, and most of the outputs' sizes.
    """
    import onnx

    del values[:]
    for name, example in examples.items():
        sizes = ["n", *example.shape[1:]] if example.ndim else []
        values.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes))
