"""Conditional ordinal regression."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.multitask import MultitaskLoss


@LOSSES.add("corn")
class CORN(MultitaskLoss):
    """Conditional ordinal regression: tower c learns P(level >= c | level >= c - 1) on the rows that reached c - 1.

    Shi et al., Pattern Analysis and Applications 2023, https://arxiv.org/abs/2111.08851: P(level >= c) is the product
    of the first c, so that levels are in order; the sum of all cross-entropies is divided by their number, over all
    steps together. With one feedback it is BCE. Where ESMM fits the products on all rows, here each step sees its own.
    """

    chain = True
    min_tasks = 1
    searched = ()

    def __init__(self, info: Info) -> None:
        super().__init__(info)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy over the steps that rows have reached."""
        return self.terms(towers, batch).sum()

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the part of each step."""
        level, step = batch.level.unsqueeze(-1), torch.arange(self.info.tasks, device=towers.logit.device)
        used = level >= step
        if batch.mask is not None:
            used = used & batch.mask.unsqueeze(-1)
        entropy = binary_cross_entropy_with_logits(towers.logit, (level > step).to(towers.logit), reduction="none")
        return batch.weighted(entropy.masked_fill(~used, 0)).sum((0, 1)) / batch.number(used)
