"""Losses, in nats per image. A member is one file and one line here."""

# isort: off
from aecore.parts.objectives.reconstruction import Reconstruction as Reconstruction
from aecore.parts.objectives.sparse_l1 import SparseL1 as SparseL1
from aecore.parts.objectives.sparse_kl import SparseKL as SparseKL
from aecore.parts.objectives.top_k import TopK as TopK
from aecore.parts.objectives.predictive_sparse import PredictiveSparse as PredictiveSparse
from aecore.parts.objectives.contractive import Contractive as Contractive
from aecore.parts.objectives.variational import Variational as Variational
from aecore.parts.objectives.masked_reconstruction import MaskedReconstruction as MaskedReconstruction
from aecore.parts.objectives.continuation import Continuation as Continuation
