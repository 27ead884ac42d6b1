"""Bilateral softmax loss."""

from typing import Literal

import torch
from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Logit, Loss, Towers
from recbench.losses.building_blocks.sampled_softmax import Slates, Source, slates
from recbench.settings import Count, Positive


@LOSSES.add("bsl")
class BSL(Loss):
    """Bilateral softmax: -log E_i exp(s_ui / t1) + t2 / t1 log E_j exp(s_uj / t2), E the mean over i or j of a user.

    Wu et al., ICDE 2024, https://arxiv.org/abs/2312.12882, divided by t1; `ratio` is t1 / t2, and t2 is 1 /
    `loss.scale`. E_i is over the rows of the user in the batch: a user with one row has the softmax loss times t2 / t1,
    so that only users with several rows learn something else (`train.batch_size` decides how many). What the authors
    released is another loss, `form=released`: -s_ui / t + power * log sum_j exp(s_uj / t), a softmax whose negatives
    weigh more or less than the positive; `released-users` has it with both means in place of one positive and the sum.
    """

    needs = frozenset({"negatives"})
    cosine = True
    logit = Logit("fixed", scale=10.0)

    def __init__(
        self,
        info: Info,
        *,
        form: Literal["paper", "released", "released-users"] = "paper",
        ratio: Positive = 2.0,
        power: Positive = 1.1,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, slates(source, negatives, mask_positives))
        self.form, self.ratio, self.power = form, ratio, power

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives, those of one user in the batch having one value but for their negatives."""
        logit, candidates = towers.logit[..., 0], Slates.of(batch)
        positive = candidates.positive(logit)
        if self.form == "released":
            return candidates.mean(self.power * candidates.negatives(logit).logsumexp(1) - positive)
        ratio, power = (self.ratio, 1 / self.ratio) if self.form == "paper" else (1.0, self.power)
        together = (batch.user[:, None] == batch.user) & (candidates.counts | ~candidates.counts[:, None])
        rows = together.sum(1).to(logit.dtype)
        alike = (positive / ratio).expand(len(positive), -1).masked_fill(~together, -torch.inf)
        gain = alike.logsumexp(1) - rows.log()
        return candidates.mean(power * candidates.log_mean_exp(logit) - gain)
