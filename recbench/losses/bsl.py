"""Bilateral softmax loss."""

from typing import Annotated, Literal

import torch
from torch import Tensor

from recbench.gpu import add_at
from recbench.losses import LOSSES, Batch, Info, Logit, Towers
from recbench.losses.building_blocks.sampled_softmax import SampledSoftmaxLoss, Slates, Source
from recbench.settings import Count, OnlyWith, Positive

Ratio = Annotated[Positive, OnlyWith("form=paper", lambda given: given["form"] == "paper")]
Power = Annotated[Positive, OnlyWith("form=released or released-users", lambda given: given["form"] != "paper")]


@LOSSES.add("bsl")
class BSL(SampledSoftmaxLoss):
    """Bilateral softmax: -log E_i exp(s_ui / t1) + t2 / t1 log E_j exp(s_uj / t2), E the mean over i or j of a user.

    Wu et al., ICDE 2024, https://arxiv.org/abs/2312.12882, divided by t1; `ratio` is t1 / t2, and t2 is 1 /
    `loss.scale`. E_i is over the rows of the user in the batch, E_j over the negatives of one row: a user with one row
    has the softmax loss times t2 / t1, so that only users with several rows learn something else (`train.batch_size`
    decides how many). What the authors released is another loss, `form=released`: -s_ui / t + power * log sum_j
    exp(s_uj / t), a softmax whose negatives weigh more or less than the positive; `released-users` has it with both
    means in place of one positive and the sum.
    """

    cosine = True
    logit = Logit("fixed", scale=10.0)
    searched = ("ratio=0.5..5",)
    ratio: Tensor
    power: Tensor

    def __init__(
        self,
        info: Info,
        *,
        form: Literal["paper", "released", "released-users"] = "paper",
        ratio: Ratio = 2.0,
        power: Power = 1.1,
        source: Source = "pool",
        negatives: Count = 1024,
        mask_positives: bool = True,
    ) -> None:
        super().__init__(info, source, negatives, mask_positives)
        self.form, self.users = form, info.users
        self.register_numbers(ratio=ratio, power=power)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives, those of one user in the batch having one value but for their negatives."""
        candidates = Slates.of(batch)
        positive, negatives = candidates.logits(towers)
        log_sum = candidates.masked(negatives).logsumexp(1)
        if self.form == "released":
            return candidates.mean(self.power * log_sum - positive)
        log_mean = log_sum - candidates.number(log_sum).log()
        if self.form == "paper":
            gain = self._log_mean_exp_of_users(positive / self.ratio, batch, candidates.counts)
            return candidates.mean(log_mean / self.ratio - gain)
        gain = self._log_mean_exp_of_users(positive, batch, candidates.counts)
        return candidates.mean(self.power * log_mean - gain)

    def _log_mean_exp_of_users(self, value: Tensor, batch: Batch, counts: Tensor) -> Tensor:
        """Return the log [B] of the mean of exp(value) over the rows of a row's user that count, all [B]."""
        user = batch.user
        low, tiny = torch.finfo(value.dtype).min, torch.finfo(value.dtype).tiny
        none = value.new_zeros(self.users)
        with torch.no_grad():
            top = torch.full_like(none, low).scatter_reduce(0, user, value.masked_fill(~counts, low), "amax")[user]
            rows = add_at(none.clone(), user, batch.weighted(counts.to(value.dtype)))[user]
        each = (value - top).masked_fill(~counts, -torch.inf).exp()
        total = add_at(none.clone(), user, batch.weighted(each))[user]
        return top + total.clamp(min=tiny).log() - rows.clamp(min=tiny).log()
