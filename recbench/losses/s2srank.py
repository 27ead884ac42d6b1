"""Set-to-set ranking."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.lists import ListLength, mean_of_lists, pairs, split_by_label
from recbench.samplers import Lists
from recbench.settings import NonNegative


@LOSSES.add("s2srank")
class S2SRank(Loss):
    """Set-to-set ranking: sum of l_j over the negatives j of a list, and -log sigmoid(spread - l_k) for one of them.

    Chen et al., SIGIR 2021, https://arxiv.org/abs/2105.07377. l_j is the mean of -log sigmoid(s_i - s_j) over the
    positives i, `spread` the mean of min(|s_i - s_i'|, `clip`) over their ordered pairs, itself included. These means
    are those of GNOLR (KDD 2025, Table 3); the original samples two positives and sums over them. k is the `hardest`
    negative (its l is the largest), as in the authors' code, or the `easiest`, as in GNOLR's.
    """

    needs = frozenset({"lists"})
    cosine = True
    searched = ("set_weight=0.1..10",)

    def __init__(
        self,
        info: Info,
        *,
        negative: Literal["hardest", "easiest"] = "hardest",
        set_weight: NonNegative = 1.0,
        clip: NonNegative = 0.5,
        longest: ListLength = 500,
    ) -> None:
        super().__init__(info, Lists(longest=longest))
        self.negative, self.set_weight, self.clip = negative, set_weight, clip

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over lists; lists of one class contribute 0."""
        positive, negative = split_by_label(batch)
        logit = towers.logit[..., 0]
        both = positive.any(-1, keepdim=True) & negative.any(-1, keepdim=True)
        count = positive.sum(-1, keepdim=True).clamp(min=1)
        rivals, friends = pairs(positive, negative), pairs(positive, positive)
        of_negative = rivals.sums(softplus(rivals.differences(logit)), "second") / count
        if self.negative == "hardest":
            chosen = of_negative.masked_fill(~negative, 0).amax(-1, keepdim=True)
        else:
            chosen = of_negative.masked_fill(~negative, torch.inf).amin(-1, keepdim=True).masked_fill(~both, 0)
        distance = friends.differences(logit).abs().clamp(max=self.clip)
        spread = friends.sums(distance, "first").sum(-1, keepdim=True) / count**2
        of_set = softplus(chosen - spread).masked_fill(~both, 0)
        items = of_negative.sum(-1, keepdim=True)
        return mean_of_lists(items + self.set_weight * of_set, positive | negative)
