"""Arrays that a program hands over: in no registry, because no setting can name them."""

from typing import ClassVar, Literal

from aecore.foundation.errors import DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset


class Given(Dataset):
    """Rows or pictures that were handed to `fit`; the trainer gets them as `Data`, and nothing keeps them."""

    kind: Literal["given"] = "given"
    title: ClassVar[str] = "Given arrays"
    pictures: bool = False

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Pictures lie in [0, 1], features anywhere."""
        return (0.0, 1.0) if self.pictures else None

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        raise DataUnavailable("These arrays were given in Python and are not kept; give them to fit again.")
