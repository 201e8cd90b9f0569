"""What training minimises, in nats per image: one file a member, one line here."""

# isort: off
from aecore.objectives.reconstruction import Reconstruction as Reconstruction
from aecore.objectives.sparse_l1 import SparseL1 as SparseL1
from aecore.objectives.sparse_kl import SparseKL as SparseKL
from aecore.objectives.top_k import TopK as TopK
from aecore.objectives.predictive_sparse import PredictiveSparse as PredictiveSparse
from aecore.objectives.contractive import Contractive as Contractive
from aecore.objectives.variational import Variational as Variational
from aecore.objectives.masked_reconstruction import MaskedReconstruction as MaskedReconstruction
from aecore.objectives.continuation import Continuation as Continuation
