"""Maps of the data in two or three dimensions: one file a member, one line here."""

# isort: off
from aecore.embeddings.pca import Pca as Pca
from aecore.embeddings.mds import Mds as Mds
from aecore.embeddings.code import CodeMap as CodeMap
from aecore.embeddings.classical_mds import ClassicalMds as ClassicalMds
from aecore.embeddings.mds_nonmetric import NonmetricMds as NonmetricMds
from aecore.embeddings.tsne import Tsne as Tsne
from aecore.embeddings.umap import Umap as Umap
