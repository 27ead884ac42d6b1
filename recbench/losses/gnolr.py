"""Generalised neural ordinal logistic regression."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pad

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.ordinal import OrdinalLoss, mean_at_level
from recbench.losses.building_blocks.per_task import means
from recbench.settings import NonNegative, OnlyWith, Positive

Pull = Annotated[NonNegative, OnlyWith("thresholds=pulled", lambda given: given["thresholds"] == "pulled")]


@LOSSES.add("gnolr")
class GNOLR(OrdinalLoss):
    """Ordinal regression on nested embeddings: P(level >= c) = sigmoid(sum over j <= c of scale * cos_j - a_c).

    GNOLR (KDD 2025), sections 3.1-3.4, https://arxiv.org/abs/2505.20900, summed over its T subtasks; `loss.scale` is
    the paper's gamma and a_c = log((1 - pi_c) / pi_c) comes from train rates. With one feedback it is BCE on
    `scale * cos - a`. Where z_c - z_{c+1} falls below `floor` (scale above the gap between thresholds) it is held
    there, so that the probability of level c stays positive; the released code yields NaN instead.
    `thresholds=learned` learns them in increasing order from a random start, `pulled` adds `pull` times their mean
    squared distance to the computed ones (Table 14). The released code also keeps a_1 above 0; here it is free.
    """

    def __init__(
        self,
        info: Info,
        *,
        floor: Positive = 1e-4,
        thresholds: Literal["rates", "learned", "pulled"] = "rates",
        pull: Pull = 1e-3,
    ) -> None:
        super().__init__(info, floor=floor)
        self.pull = pull if thresholds == "pulled" else 0.0
        self.learned = thresholds != "rates"
        if self.learned:
            self.rise = nn.Parameter(torch.randn(info.tasks))  # a_1, then the logarithms of the gaps

    def thresholds(self) -> Tensor:
        """Return the thresholds in use, [T], increasing."""
        return torch.cat([self.rise[:1], self.rise[1:].exp()]).cumsum(0) if self.learned else self.threshold

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of the levels, summed over the T nested subtasks."""
        log_above, log_exact = self.log_levels(self.score(towers.logit))
        zero = torch.zeros_like(log_above[..., :1])
        rest = torch.arange(log_exact.shape[-1], 0, -1, device=log_exact.device)  # subtasks that see level c as it is
        reached = torch.cat([zero, log_above.cumsum(-1)], -1)  # sum of log P(level >= c) over c <= level
        stopped = torch.cat([log_exact * rest, zero], -1)
        loss = -mean_at_level(reached + stopped, batch)
        return loss + self.pull * mse_loss(self.thresholds(), self.threshold) if self.pull else loss

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each subtask, whose top class is `at least level c`."""
        log_above, log_exact = self.log_levels(self.score(towers.logit))
        level = batch.level.unsqueeze(-1)
        exact = pad(log_exact, (0, 1)).gather(-1, level)
        reached = level > torch.arange(log_above.shape[-1], device=level.device)
        loss = -means(torch.where(reached, log_above, exact), batch)
        gap = (self.thresholds() - self.threshold).square()
        return loss + self.pull * gap / len(gap) if self.pull else loss
