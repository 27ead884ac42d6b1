"""Naive shared bottom: one cross-entropy per feedback."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.losses import LOSSES, Batch, Towers
from recbench.losses.building_blocks.multitask import MultitaskLoss
from recbench.losses.building_blocks.per_task import means


@LOSSES.add("nsb")
class NSB(MultitaskLoss):
    """Naive shared bottom: the sum over feedback types of binary cross-entropies, one tower each.

    GNOLR (KDD 2025), section 4.1, https://arxiv.org/abs/2505.20900, and its Table 12 for `pos_weight`, one weight or
    one per feedback ("10,100").
    """

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the summed cross-entropies."""
        return batch.mean(self._entropies(towers, batch).sum(-1))

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of each feedback."""
        return means(self._entropies(towers, batch), batch)

    def _entropies(self, towers: Towers, batch: Batch) -> Tensor:
        weight = self.pos_weight
        return binary_cross_entropy_with_logits(towers.logit, batch.label, pos_weight=weight, reduction="none")
