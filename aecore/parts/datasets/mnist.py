"""The MNIST database."""

from typing import ClassVar, Literal

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data
from aecore.parts.datasets._downloads import Downloaded, Fetched, from_openml, mnist_like
from aecore.pictures.arrays import Arrays


class Mnist(Downloaded):
    """70,000 handwritten digits of 28 × 28 pixels.

    Read from the file that the environment variable `AECORE_MNIST` names (`.npz` in the layout of Keras), else from
    `AECORE_HOME/datasets/mnist.npz`, downloaded from OpenML once. 55,000 for training, 5,000 of the official 60,000
    for validation (stratified), the official 10,000 for test. Shape (70000, 1, 28, 28).
    Source: Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998.
    """

    kind: Literal["mnist"] = "mnist"
    title: ClassVar[str] = "MNIST"
    variable: ClassVar[str] = "AECORE_MNIST"
    contents: ClassVar[str] = "60,000 + 10,000 pictures of 28 × 28"

    def download(self, progress: OnProgress) -> Fetched:
        return from_openml("mnist_784", self.title, progress)

    def data(self, arrays: Arrays) -> Data | None:
        source = "Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, 1998"
        return mnist_like(arrays, tuple("0123456789"), self.title, source, licence="CC BY-SA 3.0")
