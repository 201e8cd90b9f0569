"""The Fashion-MNIST database, downloaded once when allowed."""

import functools
from typing import ClassVar, Literal

import numpy as np

from aecore.foundation.errors import BadInput
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._downloads import file_token, from_openml, local_file, obtain
from aecore.parts.datasets._split import TEST, divide

VARIABLE = "AECORE_FASHION_MNIST"
NAMES = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "ankle boot")


class FashionMnist(Dataset):
    """70,000 articles of clothing of 28 × 28 pixels.

    Read from the file that the environment variable `AECORE_FASHION_MNIST` names (`.npz` in the layout of Keras), else
    from `AECORE_HOME/datasets/fashion_mnist.npz`, else fetched from OpenML once and kept there. 55,000 for training,
    5,000 of the official 60,000 for validation (stratified), the official 10,000 for test. Shape (70000, 1, 28, 28).
    Source: H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017.
    """

    kind: Literal["fashion_mnist"] = "fashion_mnist"
    title: ClassVar[str] = "Fashion-MNIST"
    on_demand: ClassVar[bool] = True

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        path = local_file(self.kind, VARIABLE)
        arrays = obtain(
            path,
            self.title,
            VARIABLE,
            progress,
            functools.partial(from_openml, "Fashion-MNIST", self.title) if fetch else None,
        )
        if arrays.images.shape != (70_000, 1, 28, 28) or arrays.labels is None or arrays.test != 10_000:
            raise BadInput(
                f"{path.name} is not {self.title}: it must hold 60,000 + 10,000 pictures of 28 × 28; name another file."
            )
        split = np.concatenate([divide(arrays.labels[:-10_000], 5000, 0), np.full(10_000, TEST, np.uint8)])
        return Data(
            images=arrays.images,
            split=split,
            labels=arrays.labels,
            label_names=NAMES,
            name=self.title,
            source="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017",
            licence="MIT",
        )

    def cache_token(self) -> str:
        return file_token(local_file(self.kind, VARIABLE))

    def available(self) -> bool:
        return local_file(self.kind, VARIABLE).is_file()
