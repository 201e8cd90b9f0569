"""Where random codes come from: one file a member, one line here."""

# isort: off
from aecore.samplers.normal import Normal as Normal
from aecore.samplers.empirical import Empirical as Empirical
from aecore.samplers.gaussian import Gaussian as Gaussian
from aecore.samplers.mixture import Mixture as Mixture
