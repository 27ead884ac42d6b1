"""Neural ordinal logistic regression."""

from recbench.losses import LOSSES, Info
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from recbench.settings import Positive


@LOSSES.add("neural-olr")
class NeuralOLR(OrdinalLoss):
    """Neural ordinal logistic regression: one tower for all feedback, P(level >= c) = sigmoid(scale * cos - a_c).

    GNOLR (KDD 2025), section 3.2.1, https://arxiv.org/abs/2505.20900, after Cheng et al., IJCNN 2008. Its scores differ
    by constants, so that every feedback is ranked alike. The paper gives it a wider tower, layers 256-128-64, to even
    out the parameters.
    """

    nested = False

    def __init__(self, info: Info, *, floor: Positive = 1e-4) -> None:
        super().__init__(info, towers=1, floor=floor)
