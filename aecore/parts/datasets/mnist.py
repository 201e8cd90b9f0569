"""The MNIST database, downloaded once when allowed."""

import functools
from typing import ClassVar, Literal

import numpy as np

from aecore.foundation.errors import BadInput
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._downloads import file_token, from_openml, local_file, obtain
from aecore.parts.datasets._split import TEST, divide

VARIABLE = "AECORE_MNIST"


class Mnist(Dataset):
    """70,000 handwritten digits of 28 × 28 pixels.

    Read from the file that the environment variable `AECORE_MNIST` names (`.npz` in the layout of Keras), else
    from `AECORE_HOME/datasets/mnist.npz`, else fetched from OpenML once and kept there. 55,000 for training,
    5,000 of the official 60,000 for validation (stratified), the official 10,000 for test. Shape (70000, 1, 28, 28).
    Source: Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998.
    """

    kind: Literal["mnist"] = "mnist"
    title: ClassVar[str] = "MNIST"
    on_demand: ClassVar[bool] = True

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        path = local_file(self.kind, VARIABLE)
        arrays = obtain(
            path,
            self.title,
            VARIABLE,
            progress,
            functools.partial(from_openml, "mnist_784", self.title) if fetch else None,
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
            label_names=tuple("0123456789"),
            name=self.title,
            source="Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998",
            licence="CC BY-SA 3.0",
        )

    def cache_token(self) -> str:
        return file_token(local_file(self.kind, VARIABLE))

    def available(self) -> bool:
        return local_file(self.kind, VARIABLE).is_file()
