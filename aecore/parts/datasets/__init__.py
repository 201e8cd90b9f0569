"""Sources of pictures. A member is one file and one line here."""

from aecore.parts.datasets.digits import Digits as Digits
from aecore.parts.datasets.fashion_mnist import FashionMnist as FashionMnist
from aecore.parts.datasets.folder import Folder as Folder
from aecore.parts.datasets.mnist import Mnist as Mnist
from aecore.parts.datasets.npz import Npz as Npz
from aecore.parts.datasets.olivetti import Olivetti as Olivetti
from aecore.parts.datasets.patterns import Patterns as Patterns
from aecore.parts.datasets.shapes import Shapes as Shapes
