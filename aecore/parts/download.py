"""Download a dataset in a background thread."""

import threading

from aecore.foundation.errors import AecoreError
from aecore.parts.data import Dataset
from aecore.parts.loading import load_data


class Download:
    """A running download, shared by all visitors. Its thread continues when a page is closed."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.fraction, self.words, self.error = 0.0, "Connecting", ""
        self._thread = threading.Thread(target=self._run, name=f"aecore-download-{dataset.kind}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            load_data(self.dataset, self._progress, fetch=True)
        except AecoreError as error:
            self.error = str(error)
        except Exception as error:  # shown on the page: a traceback in a thread would go unseen
            self.error = f"the download failed ({type(error).__name__}: {error}); try again later"

    def _progress(self, fraction: float, words: str) -> None:
        self.fraction, self.words = fraction, words
