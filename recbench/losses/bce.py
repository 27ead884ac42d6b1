"""Binary cross-entropy."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Loss


@LOSSES.add("bce")
class BCE(Loss):
    """Binary cross-entropy of one feedback on logged rows; positives weigh `pos_weight`.

    On bare cosines, as the GNOLR paper (KDD 2025, section 4.1) runs it, probabilities stay within [0.27, 0.73];
    `logit=learned` removes that limit. The paper's BCE* has pos_weight 2 on MovieLens and 10 elsewhere.
    """

    cosine: ClassVar[bool] = True

    def __init__(self, info: Info, *, pos_weight: float = 1.0) -> None:
        super().__init__(info)
        if pos_weight <= 0:
            raise UsageError(f"loss.pos_weight={pos_weight}: expected a number above 0")
        self.pos_weight: Tensor
        self.register_buffer("pos_weight", torch.tensor(pos_weight), persistent=False)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of -[w y log p + (1 - y) log(1 - p)]."""
        label = batch.label[..., 0]
        loss = binary_cross_entropy_with_logits(
            towers.logit[..., 0], label, pos_weight=self.pos_weight, reduction="none"
        )
        return batch.mean(loss)

    def base_rates(self) -> Tensor:
        """Return the share of train rows with the feedback."""
        return torch.tensor(self.info.rates)

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return log sigmoid of the logit."""
        return logsigmoid(logit)
