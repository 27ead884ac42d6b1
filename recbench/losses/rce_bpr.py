"""Reweighted Bayesian personalised ranking."""

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.pairwise import differences
from recbench.samplers import Triplets
from recbench.settings import Count, NonNegative


@LOSSES.add("rce-bpr")
class RCEBPR(Loss):
    """Bayesian personalised ranking, each triplet weighed by sigmoid(s_ui - s_uj)^beta, a constant of the gradient.

    The pairwise form of RCE (Wang et al., WSDM 2021) that TIL (CIKM 2022, section 5.3, https://arxiv.org/abs/2208.01709)
    compares with; neither says more of it.
    """

    needs = frozenset({"positive first", "negatives"})
    searched = ("beta=0.05..1",)

    def __init__(self, info: Info, *, beta: NonNegative = 0.2, negatives: Count = 1) -> None:
        super().__init__(info, Triplets(negatives))
        self.beta = beta

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of weight times loss over (positive, negative) pairs; slot 0 of a slate is the positive."""
        difference, counts = differences(towers, batch)
        loss = softplus(-difference)
        return batch.mean((-self.beta * loss.detach()).exp() * loss, counts)
