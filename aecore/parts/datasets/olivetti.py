"""The Olivetti faces."""

import io
from typing import Any, ClassVar, Literal

import numpy as np

from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data
from aecore.parts.datasets._downloads import Downloaded, Fetched, download_bytes
from aecore.parts.datasets._split import divide
from aecore.pictures.arrays import Arrays

# The file and hash of scikit-learn's fetch_olivetti_faces, which itself would store and read back a pickle.
URL = "https://ndownloader.figshare.com/files/5976027"
SHA256 = "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794"


class Olivetti(Downloaded):
    """400 photographs of 40 faces, 64 × 64 grey pixels.

    Ten pictures of each person: six for training, two for validation, two for test. Read from the `.npz` file that the
    environment variable `AECORE_OLIVETTI` names, else from `AECORE_HOME/datasets/olivetti.npz`, downloaded once.
    Shape (400, 1, 64, 64). Source: F. Samaria and A. Harter, Parameterisation of a stochastic model for human face
    identification, 1994; AT&T Laboratories Cambridge.
    """

    kind: Literal["olivetti"] = "olivetti"
    title: ClassVar[str] = "Olivetti faces"
    variable: ClassVar[str] = "AECORE_OLIVETTI"
    contents: ClassVar[str] = "400 pictures of 64 × 64"

    def download(self, progress: OnProgress) -> Fetched:
        from scipy.io import loadmat

        content: Any = loadmat(io.BytesIO(download_bytes(URL, SHA256, self.title, progress)))
        return faces(np.asarray(content["faces"]))

    def data(self, arrays: Arrays) -> Data | None:
        if arrays.images.shape != (400, 1, 64, 64) or arrays.labels is None:
            return None
        return Data(
            images=arrays.images,
            split=divide(arrays.labels, 80, 80),
            labels=arrays.labels,
            label_names=tuple(f"person {number}" for number in range(1, 41)),
            name=self.title,
            source="F. Samaria, A. Harter: Parameterisation of a stochastic model for human face identification. 1994",
            licence="AT&T Laboratories Cambridge: free for research, with this credit",
        )


def faces(columns: np.ndarray) -> Fetched:
    """Convert the file's matrix (4096, 400), a picture per column and transposed, to pictures and persons."""
    pictures = np.rint(columns.T.reshape(400, 64, 64).transpose(0, 2, 1)).astype(np.uint8)
    return {"images": pictures, "labels": np.arange(400) // 10}
