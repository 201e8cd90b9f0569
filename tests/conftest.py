"""Fixtures of all tests: an environment apart from the user's, and the browser."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest

# Set before numpy and torch are loaded: tiny models gain nothing from threads, and threads that wait for each other on
# a busy processor cost much.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
# The browser tests start their server as the benchmarks do.
sys.path.append(str(Path(__file__).parent / "benchmarks"))
# The attacks read pages as the tests of pages do.
sys.path.append(str(Path(__file__).parent / "app"))

BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    """Points `AECORE_HOME` to a temporary folder, so that no test or child process touches the user's home."""
    home = tempfile.mkdtemp(prefix="aecore-tests-")
    os.environ["AECORE_HOME"] = home
    # Numba's cache is shared by all homes of this process, but not by all of pytest's processes: two that write the
    # code of one function at the same time may corrupt it.
    os.environ["NUMBA_CACHE_DIR"] = str(Path(home) / "numba")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's executable. Without one, browser tests are skipped; if `CI` is `true`, they fail."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        why = "the browser tests need Chromium; install the package chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.fixture(scope="session", autouse=True)
def unchecked_while_traced() -> Iterator[None]:
    """Switches the check of annotated shapes off while torch traces a graph, because sizes are then tensors whose
    values the graph must not depend on.
    """
    from aecore.session import onnx_model

    traced = onnx_model._traced

    def unchecked(network: onnx_model.Network, ports: onnx_model.Ports) -> bytes:
        jaxtyping.config.update("jaxtyping_disable", True)
        try:
            return traced(network, ports)
        finally:
            jaxtyping.config.update("jaxtyping_disable", False)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_model, "_traced", unchecked)
        yield
