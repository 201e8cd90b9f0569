"""Arrays passed in from Python. Not registered, because no setting can name them."""

from typing import ClassVar, Literal

from aecore.foundation.errors import DataUnavailable
from aecore.foundation.progress import OnProgress
from aecore.parts.data import Data, Dataset


class Given(Dataset):
    """Rows or pictures passed to `fit`, which hands them to the trainer as `Data`; they are not stored."""

    kind: Literal["given"] = "given"
    title: ClassVar[str] = "Given arrays"
    pictures: bool = False

    @property
    def value_range(self) -> tuple[float, float] | None:
        """[0, 1] for pictures; None, any real number, for the features of a table."""
        return (0.0, 1.0) if self.pictures else None

    def load(self, progress: OnProgress | None = None, fetch: bool = False) -> Data:
        raise DataUnavailable("These arrays were passed in from Python and are not stored; pass them to fit again.")
