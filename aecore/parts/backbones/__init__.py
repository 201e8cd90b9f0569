"""Networks of encoder and decoder. A member is one file and one line here."""

# isort: off
from aecore.parts.backbones.linear import Linear as Linear
from aecore.parts.backbones.mlp import Mlp as Mlp
from aecore.parts.backbones.conv import Conv as Conv
from aecore.parts.backbones.dictionary import Dictionary as Dictionary
from aecore.parts.backbones.gru import Gru as Gru
from aecore.parts.backbones.transformer import Transformer as Transformer
