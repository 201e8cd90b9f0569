"""Maps of the data in two or three dimensions. A member is one file and one line here."""

# isort: off
from aecore.parts.embeddings.pca import Pca as Pca
from aecore.parts.embeddings.mds import Mds as Mds
from aecore.parts.embeddings.code import CodeMap as CodeMap
from aecore.parts.embeddings.classical_mds import ClassicalMds as ClassicalMds
from aecore.parts.embeddings.mds_nonmetric import NonmetricMds as NonmetricMds
from aecore.parts.embeddings.tsne import Tsne as Tsne
from aecore.parts.embeddings.umap import Umap as Umap
