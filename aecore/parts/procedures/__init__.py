"""Training procedures. A member is one file and one line here."""

# isort: off
from aecore.parts.procedures.joint import Joint as Joint
from aecore.parts.procedures.greedy import Greedy as Greedy
from aecore.parts.procedures.recirculation import Recirculation as Recirculation
