"""Binary cross-entropy."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.settings import Positive


@LOSSES.add("bce")
class BCE(Loss):
    """Binary cross-entropy of one feedback on logged rows: -[w y log p + (1 - y) log(1 - p)] with p = sigmoid(logit).

    w is `pos_weight`. On bare cosines (`logit=bare`), as the GNOLR paper (KDD 2025, section 4.1,
    https://arxiv.org/abs/2505.20900) runs it, p stays within [0.27, 0.73]; a learned scale and bias remove that limit.
    The paper's BCE* has pos_weight 2 on MovieLens and 10 elsewhere.
    """

    cosine = True
    searched = ("pos_weight=1..20",)
    pos_weight: Tensor

    def __init__(self, info: Info, *, pos_weight: Positive = 1.0) -> None:
        super().__init__(info)
        self.register_numbers(pos_weight=pos_weight)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows."""
        logit, label = towers.logit[..., 0], batch.label[..., 0]
        loss = binary_cross_entropy_with_logits(logit, label, pos_weight=self.pos_weight, reduction="none")
        return batch.mean(loss)

    def base_rates(self) -> Tensor:
        """Return the share of train rows with the feedback."""
        return torch.tensor(self.info.rates)

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return log sigmoid of the logit."""
        return logsigmoid(logit)
