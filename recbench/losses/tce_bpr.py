"""Truncated Bayesian personalised ranking."""

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.pairwise import differences
from recbench.losses.building_blocks.truncation import TruncatedLoss
from recbench.settings import Count, Share


@LOSSES.add("tce-bpr")
class TCEBPR(TruncatedLoss):
    """Bayesian personalised ranking that leaves out the triplets with the largest losses.

    The pairwise form of TCE (Wang et al., WSDM 2021) that TIL (CIKM 2022, section 5.3, https://arxiv.org/abs/2208.01709)
    compares with; neither says more of it. The share left out grows linearly to `drop` over `gradual` steps.
    """

    needs = frozenset({"positive first", "negatives"})

    def __init__(self, info: Info, *, drop: Share = 0.2, gradual: Count = 30000, negatives: Count = 1) -> None:
        super().__init__(info, drop, gradual, negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over the (positive, negative) pairs that stay; slot 0 of each slate is the positive."""
        difference, counts = differences(towers, batch)
        loss = softplus(-difference)
        return batch.mean(loss, self.remaining(loss, counts, counts, counts.sum()))
