"""GNOLR without subtasks."""

from recbench.losses import LOSSES
from recbench.losses.building_blocks.ordinal import OrdinalLoss


@LOSSES.add("gnolr-v1")
class GNOLRV1(OrdinalLoss):
    """Ordinal regression on nested embeddings, as GNOLR, but with the likelihood of the level alone as its loss.

    GNOLR (KDD 2025), section 4.2.5 and Table 7, https://arxiv.org/abs/2505.20900: Nested Category-specific Encoding
    without Nested OLR Optimization. The loss of a row is -log P(level).
    """
