"""The handwritten digits of scikit-learn."""

import importlib.util
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from aecore.foundation.errors import DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._split import divide_by_share


class Digits(Dataset):
    """1,797 real handwritten digits of 8 × 8 pixels.

    Each pixel is the number v of inked dots in a 4 × 4 block (0 to 16), stored as the byte v · 255 / 16. Shape
    (1797, 1, 8, 8). 15 % validation, 15 % test, stratified by digit. Source: E. Alpaydin and C. Kaynak, Optical
    Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998; the copy in scikit-learn.
    """

    kind: Literal["digits"] = "digits"
    title: ClassVar[str] = "Digits, 8 × 8"

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        # The file behind sklearn.datasets.load_digits: reading it takes 50 ms, importing that over a second.
        package = importlib.util.find_spec("sklearn")
        if package is None or package.origin is None:
            raise DataUnavailable("scikit-learn, which contains the digits, is not installed; install aecore again.")
        table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",", dtype=np.int64)
        labels = np.ascontiguousarray(table[:, -1])
        return Data(
            images=np.rint(table[:, :-1].reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8),
            split=divide_by_share(labels),
            labels=labels,
            label_names=tuple("0123456789"),
            name=self.title,
            source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI ML Repository, 1998",
            licence="CC BY 4.0",
        )
