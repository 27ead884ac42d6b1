"""What the losses of several kinds of feedback share."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from recbench.data.dataset import Info
from recbench.losses.base import Loss, per_task


class MultitaskLoss(Loss):
    """A loss with one tower per feedback, on cosines, whose positives may be weighted.

    `pos_weight` is one number or one per feedback, from dense to sparse, as in GNOLR (KDD 2025), Table 12: "10,100".
    """

    multitask: ClassVar[bool] = True
    fewest: ClassVar[int] = 2
    cosine: ClassVar[bool] = True

    def __init__(self, info: Info, *, pos_weight: str = "1") -> None:
        super().__init__(info)
        self.pos_weight: Tensor  # [T]
        self.register_buffer("pos_weight", per_task(pos_weight, info.tasks, "loss.pos_weight"), persistent=False)
