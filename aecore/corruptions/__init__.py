"""How an input is corrupted before it is encoded: one file a member, one line here."""

# isort: off
from aecore.corruptions.none import NoCorruption as NoCorruption
from aecore.corruptions.masking import Masking as Masking
from aecore.corruptions.gaussian import GaussianNoise as GaussianNoise
from aecore.corruptions.salt_and_pepper import SaltAndPepper as SaltAndPepper
from aecore.corruptions.patches import Patches as Patches
from aecore.corruptions.rows import Rows as Rows
