"""How training runs: one file a member, one line here."""

# isort: off
from aecore.procedures.joint import Joint as Joint
from aecore.procedures.greedy import Greedy as Greedy
from aecore.procedures.recirculation import Recirculation as Recirculation
