"""The Fashion-MNIST database."""

from typing import ClassVar, Literal

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data
from aecore.parts.datasets._downloads import Downloaded, Fetched, from_openml, mnist_like
from aecore.pictures.arrays import Arrays

LABELS = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "trainer", "bag", "ankle boot")


class FashionMnist(Downloaded):
    """70,000 articles of clothing of 28 × 28 pixels.

    Read from the file that the environment variable `AECORE_FASHION_MNIST` names (`.npz` in the layout of Keras), else
    from `AECORE_HOME/datasets/fashion_mnist.npz`, downloaded from OpenML once. 55,000 for training, 5,000 of the
    official 60,000 for validation (stratified), the official 10,000 for test. Shape (70000, 1, 28, 28).
    Source: H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017.
    """

    kind: Literal["fashion_mnist"] = "fashion_mnist"
    title: ClassVar[str] = "Fashion-MNIST"
    variable: ClassVar[str] = "AECORE_FASHION_MNIST"
    contents: ClassVar[str] = "60,000 + 10,000 pictures of 28 × 28"

    def download(self, progress: OnProgress) -> Fetched:
        return from_openml("Fashion-MNIST", self.title, progress)

    def data(self, arrays: Arrays) -> Data | None:
        source = "H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv:1708.07747, 2017"
        return mnist_like(arrays, LABELS, self.title, source, licence="MIT")
