"""Distributions of the pixels given the decoder's output. A member is one file and one line here."""

from aecore.parts.likelihoods.bernoulli import Bernoulli as Bernoulli
from aecore.parts.likelihoods.categorical import Categorical as Categorical
from aecore.parts.likelihoods.gaussian import Gaussian as Gaussian
