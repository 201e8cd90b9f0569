"""What the decoder's output means as a distribution: one file a member, one line here."""

from aecore.parts.likelihoods.bernoulli import Bernoulli as Bernoulli
from aecore.parts.likelihoods.categorical import Categorical as Categorical
from aecore.parts.likelihoods.gaussian import Gaussian as Gaussian
