"""Joint optimisation of ranking and calibration."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.lists import entropy_against, log_share, mean_of_lists, split_by_label
from recbench.samplers import Lists
from recbench.settings import Count, Fraction, Positive


@LOSSES.add("jrc")
class JRC(Loss):
    """Joint ranking and calibration: cross-entropy of the difference of two logits, softmax of each over a list.

    Sheng et al., KDD 2023, https://arxiv.org/abs/2208.06164: `alpha` times cross-entropy plus (1 - alpha) times the
    generative term, a mean over rows, or over lists of their means (`per=lists`, as GNOLR, KDD 2025, Table 3, runs it).
    `rivals=other` leaves rows of the same label out of each softmax; `longest=1` trains on rows, where the term is 0.
    `pos_weight` weighs the positives of both; the cross-entropy is divided by the sum of its weights, as in GNOLR.
    """

    needs = frozenset({"lists"})
    cosine = True
    searched = ("pos_weight=1..20", "alpha=0.1,0.3,0.5,0.7,0.9")

    def __init__(
        self,
        info: Info,
        *,
        alpha: Fraction = 0.5,
        per: Literal["rows", "lists"] = "rows",
        rivals: Literal["list", "other"] = "list",
        pos_weight: Positive = 1.0,
        longest: Count = 500,
    ) -> None:
        super().__init__(info, Lists(longest=longest), towers=2)
        self.alpha, self.per, self.rivals, self.pos_weight = alpha, per, rivals, pos_weight

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the weighted mean cross-entropy and the generative term, mixed by `alpha`."""
        positive, negative = split_by_label(batch)
        real = positive | negative
        weight = real + (self.pos_weight - 1) * positive
        difference = self.score(towers.logit)[..., 0]
        entropy = softplus(torch.where(positive, -difference, difference))
        calibration = (weight * entropy).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
        ranking = weight * self._generative(towers.logit, positive, negative)
        if self.per == "lists":
            ranking = mean_of_lists(ranking / real.sum(-1, keepdim=True).clamp(min=1), real)
        else:
            ranking = ranking.sum() / real.sum().clamp(min=1)
        return self.alpha * calibration + (1 - self.alpha) * ranking

    def _generative(self, logit: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        """Return -log of the share of each row in the softmax of the logit of its label, [B, N]."""
        if self.rivals == "other":
            return entropy_against(logit[..., 1], positive, negative) + entropy_against(
                logit[..., 0], negative, positive
            )
        real = positive | negative
        return -torch.where(positive, log_share(logit[..., 1], real), log_share(logit[..., 0], real))

    def base_rates(self) -> Tensor:
        """Return the rates whose log-odds differ by those of the feedback."""
        half = torch.logit(torch.tensor(self.info.rates), eps=1e-6) / 2
        return torch.cat([(-half).sigmoid(), half.sigmoid()])

    def score(self, logit: Tensor) -> Tensor:
        """Return the difference of the logits, positive less negative."""
        return logit[..., 1:] - logit[..., :1]

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return log sigmoid of the difference."""
        return logsigmoid(self.score(logit))
