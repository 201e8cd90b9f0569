"""Choose the range and step of a slider for one unit, in round numbers."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Scale:
    """The values of one unit from `low` to `high`, both multiples of the round number `step`."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, low: float, high: float) -> "Scale":
        """Make a scale of 50 to 125 steps, and at most two more, because both ends are moved outwards to a step."""
        size = math.floor(math.log10((high - low) / 50))
        step = max(m * 10.0**size for m in (1, 2, 5) if m * 10.0**size <= (high - low) / 50 * (1 + 1e-9))
        return cls._of(step, math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9))

    @classmethod
    def _of(cls, step: float, below: int, above: int) -> "Scale":
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        return cls(round(below * step, places), round(above * step, places), step)

    def including(self, value: float) -> "Scale":
        """Return the scale with the same step, extended to `value` if that lies beyond an end."""
        below, above = math.floor(value / self.step + 1e-9), math.ceil(value / self.step - 1e-9)
        return self._of(self.step, min(below, round(self.low / self.step)), max(above, round(self.high / self.step)))

    @property
    def decimals(self) -> int:
        """Digits after the decimal point that show a difference of one step."""
        return max(0, -math.floor(math.log10(self.step) + 1e-9))

    def text(self, value: float) -> str:
        return f"{value:.{self.decimals}f}"

    def clipped(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def values(self, steps: int) -> Float[np.ndarray, "m"]:
        """Return `steps` even values from one end to the other, both included."""
        return np.linspace(self.low, self.high, steps)

    def share(self, value: float) -> float:
        """Map `low` to 0 and `high` to 1, linearly, and values beyond to 0 or 1."""
        return (self.clipped(value) - self.low) / (self.high - self.low)

    def same(self, a: float, b: float) -> bool:
        """True if two values are less than half a step apart."""
        return abs(a - b) < self.step / 2
