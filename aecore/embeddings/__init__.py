"""Maps of the data in two dimensions: one file a member, one line here."""

# isort: off
from aecore.embeddings.pca import Pca as Pca
from aecore.embeddings.mds import Mds as Mds
from aecore.embeddings.code import CodeMap as CodeMap
