"""ListNet, top-one."""

from typing import Literal

import torch
from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.lists import ListLength, log_share, mean_of_lists, split_by_label
from recbench.samplers import Lists


@LOSSES.add("listnet")
class ListNet(Loss):
    """ListNet (top one): cross-entropy between the softmax of labels and the softmax of scores over a user's list.

    Cao et al., ICML 2007, https://doi.org/10.1145/1273496.1273513. `target=share` puts equal mass on
    the positives instead; `squash` applies a sigmoid to the scores first, as GNOLR's reference code does.
    """

    needs = frozenset({"lists"})
    cosine = True

    def __init__(
        self,
        info: Info,
        *,
        target: Literal["softmax", "share"] = "softmax",
        squash: bool = False,
        longest: ListLength = 500,
    ) -> None:
        super().__init__(info, Lists(longest=longest))
        self.target, self.squash = target, squash

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over lists; with `target=share`, lists without a positive contribute 0."""
        logit, label = towers.logit[..., 0], batch.label[..., 0]
        positive, negative = split_by_label(batch)
        real = positive | negative
        if self.target == "softmax":
            target = label.masked_fill(~real, -torch.inf).softmax(-1).masked_fill(~real, 0)
        else:
            target = label * positive
            target = target / target.sum(-1, keepdim=True).clamp(min=1)
        entropy = -(target * log_share(logit.sigmoid() if self.squash else logit, real)).sum(-1)
        return mean_of_lists(entropy, real)
