"""What every test shares: an environment that is not the user's, and the browser."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest

# Before numpy and torch are loaded: tiny models gain nothing from threads, and waiting for a busy processor costs much.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
# The browser tests start their server as the benchmarks do.
sys.path.append(str(Path(__file__).parent / "benchmarks"))

BROWSERS = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    """No test, and no process that a test starts, touches the home of whoever runs it."""
    home = tempfile.mkdtemp(prefix="aecore-tests-")
    os.environ["AECORE_HOME"] = home
    # Loops are compiled once for all homes of this process and not, as for users, once in each. Not for all of pytest's
    # processes: two that keep code of one function at once may mix it up.
    os.environ["NUMBA_CACHE_DIR"] = str(Path(home) / "numba")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's executable. Without one, browser tests are skipped, but never where `CI` is `true`."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        why = "there is no Chromium on this machine, so no page was looked at; install the package chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.fixture(scope="session", autouse=True)
def unchecked_while_traced() -> Iterator[None]:
    """Annotated shapes are not checked while torch traces a graph: sizes are then tensors, whose values it must not
    depend on.
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
