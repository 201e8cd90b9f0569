"""The networks of encoder and decoder: one file a member, one line here."""

# isort: off
from aecore.backbones.linear import Linear as Linear
from aecore.backbones.mlp import Mlp as Mlp
from aecore.backbones.conv import Conv as Conv
from aecore.backbones.dictionary import Dictionary as Dictionary
from aecore.backbones.gru import Gru as Gru
from aecore.backbones.transformer import Transformer as Transformer
