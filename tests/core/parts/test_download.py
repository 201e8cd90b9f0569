"""Downloads in a thread: progress and errors reach whoever looks."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from aecore.foundation.errors import DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.download import Download


class _Far(Dataset):
    """A dataset that has to be downloaded; the download may fail."""

    kind: Literal["far"] = "far"
    title: ClassVar[str] = "Far"
    fails: bool = False

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        assert fetch
        assert progress is not None
        progress(0.5, "Half of it")
        if self.fails:
            raise DataUnavailable("the network is away; try again")
        return Data(np.zeros((3, 1, 4, 4), np.uint8), np.arange(3, dtype=np.uint8))


@pytest.mark.parametrize(("fails", "error"), [(False, ""), (True, "the network is away; try again")])
def test_a_download_reports_and_ends(fails: bool, error: str) -> None:
    download = Download(_Far(fails=fails))
    download.start()
    download._thread.join()
    assert not download.running
    assert (download.error, download.fraction, download.words) == (error, 0.5, "Half of it")
