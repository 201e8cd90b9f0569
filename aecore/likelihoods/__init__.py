"""What the decoder's output means as a distribution: one file a member, one line here."""

from aecore.likelihoods.bernoulli import Bernoulli as Bernoulli
from aecore.likelihoods.categorical import Categorical as Categorical
from aecore.likelihoods.gaussian import Gaussian as Gaussian
