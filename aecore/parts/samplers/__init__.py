"""Distributions of random codes. A member is one file and one line here."""

# isort: off
from aecore.parts.samplers.normal import Normal as Normal
from aecore.parts.samplers.empirical import Empirical as Empirical
from aecore.parts.samplers.gaussian import Gaussian as Gaussian
from aecore.parts.samplers.mixture import Mixture as Mixture
