"""Entire-space multi-task model."""

from torch import Tensor

from recbench.losses import LOSSES, Batch, Towers
from recbench.losses.building_blocks.multitask import MultitaskLoss
from recbench.losses.building_blocks.per_task import means


@LOSSES.add("esmm")
class ESMM(MultitaskLoss):
    """Entire-space multi-task model: the c-th feedback has probability p_1 p_2 ... p_c, trained on all rows.

    Ma et al., SIGIR 2018, https://arxiv.org/abs/1804.07931. As there, the c-th training label is 1
    where all of the first c feedback types are; `pos_weight` as in GNOLR (KDD 2025), Table 12.
    """

    chain = True

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the summed cross-entropies of the products."""
        return batch.mean(self._entropies(towers, batch).sum(-1))

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of each product."""
        return means(self._entropies(towers, batch), batch)

    def _entropies(self, towers: Towers, batch: Batch) -> Tensor:
        return self.entire_space(self.score(towers.logit), batch.label.cumprod(-1))
