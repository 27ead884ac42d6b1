"""GNOLR without nested embeddings and without subtasks."""

from recbench.losses import LOSSES
from recbench.losses.building_blocks.ordinal import OrdinalLoss


@LOSSES.add("gnolr-v0")
class GNOLRV0(OrdinalLoss):
    """Ordinal regression with one tower per feedback: P(level >= c) = sigmoid(scale * cos_c - a_c).

    GNOLR (KDD 2025), section 4.2.5 and Table 7, https://arxiv.org/abs/2505.20900. Nothing orders its probabilities
    unless twice the scale is below the gap between thresholds; elsewhere `floor` holds P(level = c) above 0.
    """

    nested = False
