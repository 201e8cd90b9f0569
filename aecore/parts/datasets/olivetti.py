"""The Olivetti faces, downloaded once when allowed."""

import io
from typing import Any, ClassVar, Literal

import numpy as np

from aecore.foundation.errors import BadInput
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset
from aecore.parts.datasets._downloads import Fetched, download, file_token, local_file, obtain
from aecore.parts.datasets._split import divide

VARIABLE = "AECORE_OLIVETTI"
# The file and hash of scikit-learn's fetch_olivetti_faces, which itself would keep and read back a pickle.
URL = "https://ndownloader.figshare.com/files/5976027"
SHA256 = "b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794"


class Olivetti(Dataset):
    """400 photographs of 40 faces, 64 × 64 grey pixels.

    Ten pictures of each person: six for training, two for validation, two for test. Read from the `.npz` file that
    the environment variable `AECORE_OLIVETTI` names, else fetched once and kept in `AECORE_HOME/datasets/olivetti.npz`.
    Shape (400, 1, 64, 64). Source: F. Samaria and A. Harter, Parameterisation of a stochastic model
    for human face identification, 1994; AT&T Laboratories Cambridge.
    """

    kind: Literal["olivetti"] = "olivetti"
    title: ClassVar[str] = "Olivetti faces"
    on_demand: ClassVar[bool] = True

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        path = local_file(self.kind, VARIABLE)
        arrays = obtain(path, self.title, VARIABLE, progress, _get if fetch else None)
        if arrays.images.shape != (400, 1, 64, 64) or arrays.labels is None:
            raise BadInput(
                f"{path.name} is not {self.title}: it must hold 400 pictures of 64 × 64; remove it and fetch again."
            )
        return Data(
            images=arrays.images,
            split=divide(arrays.labels, 80, 80),
            labels=arrays.labels,
            label_names=tuple(f"person {number}" for number in range(1, 41)),
            name=self.title,
            source="F. Samaria, A. Harter: Parameterisation of a stochastic model for human face identification. 1994",
            licence="AT&T Laboratories Cambridge: free for research, with this credit",
        )

    def cache_token(self) -> str:
        return file_token(local_file(self.kind, VARIABLE))

    def available(self) -> bool:
        return local_file(self.kind, VARIABLE).is_file()


def _get(progress: OnProgress) -> Fetched:
    from scipy.io import loadmat

    content: Any = loadmat(io.BytesIO(download(URL, SHA256, Olivetti.title, progress)))
    return faces(np.asarray(content["faces"]))


def faces(columns: np.ndarray) -> Fetched:
    """The file's matrix (4096, 400), one picture a column and stored column by column, as pictures and persons."""
    pictures = np.rint(columns.T.reshape(400, 64, 64).transpose(0, 2, 1)).astype(np.uint8)
    return {"images": pictures, "labels": np.arange(400) // 10}
