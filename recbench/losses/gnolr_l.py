"""GNOLR with a listwise term."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.lists import against, log_share, mean_of_lists, split
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from recbench.samplers import Lists, Sampler
from recbench.settings import at_least


@LOSSES.add("gnolr-l")
class GNOLRL(OrdinalLoss):
    """GNOLR of one feedback on a user's list, plus `list_weight` times -log of each positive's share of the softmax.

    GNOLR (KDD 2025), equations 8 and 9: both terms read the same scaled logit. The listwise term is summed over
    positives and divided by the number of lists, or of rows (`per=rows`, as the released code does); a positive's
    rivals are the whole list, as in ListNet and in that code, or its `negatives`.
    """

    multitask: ClassVar[bool] = False

    def __init__(
        self,
        info: Info,
        *,
        list_weight: float = 1.0,
        per: Literal["lists", "rows"] = "lists",
        rivals: Literal["list", "negatives"] = "list",
        longest: int = 500,
    ) -> None:
        super().__init__(info)
        at_least("loss.list_weight", list_weight, 0)
        at_least("loss.longest", longest, 2)
        self.list_weight, self.per, self.rivals = list_weight, per, rivals
        self.sampler: Sampler = Lists(longest)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the pointwise loss, plus the listwise term."""
        positive, negative = split(batch)
        logit, real = towers.logit[..., 0], positive | negative
        if self.rivals == "negatives":
            of_positive = against(logit, positive, negative)
        else:
            of_positive = -log_share(logit, real).masked_fill(~positive, 0)
        listwise = (
            mean_of_lists(of_positive, real) if self.per == "lists" else of_positive.sum() / real.sum().clamp(min=1)
        )
        return super().forward(towers, batch) + self.list_weight * listwise
