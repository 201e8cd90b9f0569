"""Build an autoencoder: encoder, decoder, and the likelihood that gives the decoder's output its meaning."""

import torch

from aecore.model.config import RunConfig
from aecore.parts.contracts import Code, Codes, Images, Model, Outputs, Prefix, Visible
from aecore.parts.data import Shape
from aecore.parts.networks import first_rows


class Autoencoder(Model):
    """h = f(x), p(x | h) = g(h). `decode` gives the likelihood's parameters (B, Q, C, H, W), not a picture."""

    def __init__(self, config: RunConfig, shape: Shape) -> None:
        super().__init__()
        self.likelihood, self.objective = config.likelihood, config.objective
        self.encoder, self.decoder = config.backbone.build(
            shape, config.code_dim, config.objective.params_per_code, config.likelihood.params_per_output
        )
        self.decoder.mean = config.likelihood.mean
        self.head = config.likelihood.build(shape)

    def encode(self, x: Images, visible: Visible | None = None) -> Code:
        return Code(self.objective.code(self.encoder(x, visible)))

    def decode(self, z: Codes, prefix: Prefix | None = None) -> Outputs:
        return self.head(self.decoder(z, prefix))

    def reconstruct(self, x: Images, visible: Visible | None = None) -> Images:
        """Return r = E[p(x | h)] at the mean h of the code, (B, C, H, W).

        A sequence decoder copies the rows above the first hidden one, and continues from there.
        """
        prefix = first_rows(x, visible) if self.decoder.takes_prefix else None
        mean = self.likelihood.mean(self.decode(self.encode(x, visible).mean, prefix))
        return mean if prefix is None else torch.where(prefix.isnan(), mean, prefix)


def build(config: RunConfig, shape: Shape) -> Autoencoder:
    """Make a new model for images of `shape` (C, H, W), initialised by the config's seed. Torch's global generator is
    left unchanged.

    Raises `BadSettings` when the backbone cannot take this shape.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed)
        return Autoencoder(config, shape)
