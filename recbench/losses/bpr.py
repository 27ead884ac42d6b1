"""Bayesian personalised ranking."""

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.pairwise import differences
from recbench.samplers import Triplets
from recbench.settings import Count


@LOSSES.add("bpr")
class BPR(Loss):
    """Bayesian personalised ranking: -log sigmoid(s_ui - s_uj) over a positive i and uniform non-positives j.

    Rendle et al., UAI 2009, https://arxiv.org/abs/1205.2618.
    """

    needs = frozenset({"positive first", "negatives"})

    def __init__(self, info: Info, *, negatives: Count = 1) -> None:
        super().__init__(info, Triplets(negatives))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over (positive, negative) pairs; slot 0 of each slate is the positive."""
        difference, counts = differences(towers, batch)
        return batch.mean(softplus(-difference), counts)
