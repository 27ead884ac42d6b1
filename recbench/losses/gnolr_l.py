"""GNOLR with a listwise term."""

from typing import Literal

from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.lists import ListLength, entropy_against, log_share, mean_of_lists, split_by_label
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from recbench.samplers import Lists
from recbench.settings import NonNegative


@LOSSES.add("gnolr-l")
class GNOLRL(OrdinalLoss):
    """GNOLR of one feedback on a user's list, plus `list_weight` times -log of each positive's share of the softmax.

    GNOLR (KDD 2025), equations 8 and 9, https://arxiv.org/abs/2505.20900: both terms read the same scaled logit. The
    listwise term is summed over positives and divided by the number of lists, or of rows (`per=rows`, as the released
    code does); a positive's rivals are the whole list, as in ListNet and in that code, or its `negatives`.
    """

    needs = frozenset({"lists"})
    multitask = False
    searched = ("list_weight=0.1..10",)

    def __init__(
        self,
        info: Info,
        *,
        list_weight: NonNegative = 1.0,
        per: Literal["lists", "rows"] = "lists",
        rivals: Literal["list", "negatives"] = "list",
        longest: ListLength = 500,
    ) -> None:
        super().__init__(info, sampler=Lists(longest=longest))
        self.list_weight, self.per, self.rivals = list_weight, per, rivals

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the pointwise loss, plus the listwise term."""
        positive, negative = split_by_label(batch)
        logit, real = towers.logit[..., 0], positive | negative
        if self.rivals == "negatives":
            surprise = entropy_against(logit, positive, negative)
        else:
            surprise = -log_share(logit, real).masked_fill(~positive, 0)
        listwise = mean_of_lists(surprise, real) if self.per == "lists" else surprise.sum() / real.sum().clamp(min=1)
        return super().forward(towers, batch) + self.list_weight * listwise
