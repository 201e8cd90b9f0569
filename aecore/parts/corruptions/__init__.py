"""Corruptions of the input before it is encoded. A member is one file and one line here."""

# isort: off
from aecore.parts.corruptions.none import NoCorruption as NoCorruption
from aecore.parts.corruptions.masking import Masking as Masking
from aecore.parts.corruptions.gaussian import GaussianNoise as GaussianNoise
from aecore.parts.corruptions.salt_and_pepper import SaltAndPepper as SaltAndPepper
from aecore.parts.corruptions.patches import Patches as Patches
from aecore.parts.corruptions.rows import Rows as Rows
