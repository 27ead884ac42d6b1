"""Softmax over the whole catalogue."""

from torch import Tensor

from recbench.losses import LOSSES, Batch, Logit, Loss, Towers
from recbench.losses.building_blocks.catalogue import log_likelihood
from recbench.samplers import Catalogue


@LOSSES.add("full-softmax")
class FullSoftmax(Loss):
    """-log(e^s_ui / sum over all items j of e^s_uj) for each positive i: cross-entropy without sampling.

    Other positives of the user are in the sum too. Covington et al., RecSys 2016,
    https://doi.org/10.1145/2959100.2959190, before they sample. `softmax` is the same with sampled negatives. The sum
    is computed a block of items at a time, so that memory grows with users plus items, not with their product.
    """

    sampler = Catalogue()
    needs = frozenset({"catalogue", "vectors"})
    logit = Logit()

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of -log softmax; 0 if there are none."""
        total, count = log_likelihood(towers, batch)
        return -total.sum() / count.sum().clamp(min=1)
