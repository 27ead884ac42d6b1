"""ListNet, top-one."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss
from recbench.samplers import Lists, Sampler
from recbench.settings import at_least


@LOSSES.add("listnet")
class ListNet(Loss):
    """ListNet (top one): cross-entropy between the softmax of labels and the softmax of scores over a user's list.

    Cao et al., ICML 2007, section 4.3, https://doi.org/10.1145/1273496.1273513. `target=share` puts equal mass on
    the positives instead; `squash` applies a sigmoid to the scores first, as GNOLR's reference code does.
    """

    cosine: ClassVar[bool] = True

    def __init__(
        self,
        info: Info,
        *,
        target: Literal["softmax", "share"] = "softmax",
        squash: bool = False,
        longest: int = 500,
    ) -> None:
        super().__init__(info)
        at_least("loss.longest", longest, 2)
        self.target = target
        self.squash = squash
        self.sampler: Sampler = Lists(longest)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over lists; with `target=share`, lists without a positive contribute 0."""
        logit, label = towers.logit[..., 0], batch.label[..., 0]
        mask = torch.ones_like(label, dtype=torch.bool) if batch.mask is None else batch.mask
        if self.squash:
            logit = logit.sigmoid()
        log_share = logit.masked_fill(~mask, -torch.inf).log_softmax(-1).masked_fill(~mask, 0)
        if self.target == "softmax":
            wanted = label.masked_fill(~mask, -torch.inf).softmax(-1)
        else:
            wanted = label * mask
            wanted = wanted / wanted.sum(-1, keepdim=True).clamp(min=1)
        return -(wanted * log_share).sum(-1).mean()
