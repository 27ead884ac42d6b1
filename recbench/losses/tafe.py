"""TAFE's loss of sequential dependence."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.multitask import MultitaskLoss
from recbench.losses.building_blocks.per_task import means
from recbench.settings import NonNegative


@LOSSES.add("tafe")
class TAFE(MultitaskLoss):
    """NSB plus `difference` times the squared errors of the differences between neighbouring feedback types.

    Tao et al., RecSys 2023, https://arxiv.org/abs/2301.02494, as far as GNOLR (KDD 2025, Table 4) has it: its loss of
    sequential dependence, ((p_c - p_{c+1}) - (y_c - y_{c+1}))^2, without its network. `difference=0` is NSB.
    """

    searched = ("pos_weight=1..20", "difference=0.1..10")

    def __init__(self, info: Info, *, pos_weight: str = "1", difference: NonNegative = 1.0) -> None:
        super().__init__(info, pos_weight=pos_weight)
        self.difference = difference

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the summed cross-entropies and squared errors."""
        entropy, error = self._errors(towers, batch)
        return batch.mean(entropy.sum(-1) + self.difference * error.sum(-1))

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean of each feedback's cross-entropy and of its error of difference from the one before."""
        entropy, error = self._errors(towers, batch)
        return means(entropy + self.difference * pad(error, (1, 0)), batch)

    def _errors(self, towers: Towers, batch: Batch) -> tuple[Tensor, Tensor]:
        logit, label = towers.logit, batch.label.to(towers.logit)
        entropy = binary_cross_entropy_with_logits(logit, label, pos_weight=self.pos_weight, reduction="none")
        return entropy, (logit.sigmoid() - label).diff(dim=-1).square()
