"""Where pictures come from. Importing a class here registers it."""

from aecore.datasets.digits import Digits as Digits
from aecore.datasets.fashion_mnist import FashionMnist as FashionMnist
from aecore.datasets.folder import Folder as Folder
from aecore.datasets.mnist import Mnist as Mnist
from aecore.datasets.npz import Npz as Npz
from aecore.datasets.olivetti import Olivetti as Olivetti
from aecore.datasets.patterns import Patterns as Patterns
from aecore.datasets.shapes import Shapes as Shapes
