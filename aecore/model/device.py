"""Choose how a model is computed: device, number format, threads."""

import contextlib

import torch
from threadpoolctl import threadpool_limits


def device() -> torch.device:
    """CUDA or MPS (Apple) if present, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def native_bfloat16(where: torch.device) -> bool:
    """True if the hardware computes in bfloat16; emulated, it is slower than float32."""
    if where.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return where.type == "cpu" and torch.cpu._is_avx512_bf16_supported()  # pyright: ignore[reportPrivateUsage]


@contextlib.contextmanager
def threads(count: int):
    """Within it torch and numpy compute with `count` threads. The previous number is restored at the end, also for a
    server in the same process.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
