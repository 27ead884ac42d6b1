"""CROLoss: a customisable ranking loss for retrieval."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Logit, Loss
from recbench.samplers import Sampler, Shared
from recbench.settings import at_least

Kernel = Literal["hinge", "sigmoid", "exp", "softplus"]


@LOSSES.add("croloss")
class CROLoss(Loss):
    """Estimates the rank of each positive by a kernel of score differences and weighs ranks by x^-alpha.

    Tang et al., CIKM 2022, equations 10-24, https://arxiv.org/abs/2208.02971; `loss.scale` is the paper's tau.
    exp with alpha 1 is sampled softmax, hinge with alpha 0 the triplet loss, softplus with alpha 0 BPR.
    `weight_kernel` other than none gives the lambda form: weight(rank by that kernel), detached, times rank.
    """

    cosine: ClassVar[bool] = True
    logit: ClassVar[Logit] = Logit("fixed", scale=10.0)

    def __init__(
        self,
        info: Info,
        *,
        kernel: Kernel = "softplus",
        alpha: float = 1.0,
        weight_kernel: Literal["none", "hinge", "sigmoid", "exp", "softplus", "step"] = "none",
        margin: float = 5.0,
        negatives: int = 10,
    ) -> None:
        super().__init__(info)
        for name, value, least in (("alpha", alpha, 0.0), ("margin", margin, 0.0), ("negatives", negatives, 1)):
            at_least(f"loss.{name}", value, least)
        self.kernel, self.weight_kernel = kernel, weight_kernel
        self.alpha, self.margin = alpha, margin
        self.sampler: Sampler = Shared(negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of W_alpha(rank), or w_alpha(rank) * rank in the lambda form."""
        logit = towers.logit[..., 0]
        positive = batch.label[..., 0] > 0
        mask = torch.ones_like(positive) if batch.mask is None else batch.mask
        of_positive = logit.masked_fill(~(positive & mask), 0).sum(-1, keepdim=True)
        difference = logit - of_positive
        negative = mask & ~positive
        drawn = negative.sum(-1).clamp(min=1)
        factor = (self.info.items / drawn.to(logit)).log()  # equation 24 scales the sampled rank by |I| / |I'|
        log_rank = (self._log_rank(self.kernel, difference, negative) + factor).clamp(min=0)
        if self.weight_kernel == "none":
            return self._area(log_rank).mean()
        log_weighted = self._log_rank(self.weight_kernel, difference, negative) + factor
        log_weight = self._log_density(log_weighted.clamp(min=0).detach())
        return (log_weight + log_rank).exp().mean()

    def _log_rank(self, kernel: str, difference: Tensor, negative: Tensor) -> Tensor:
        """Return log(1 + sum of kernel(difference) over the negatives), [B]."""
        if kernel == "exp":
            log_value = difference
        elif kernel == "sigmoid":
            log_value = logsigmoid(difference)
        elif kernel == "step":
            log_value = torch.zeros_like(difference).masked_fill(difference <= 0, -torch.inf)
        else:
            value = softplus(difference) if kernel == "softplus" else (difference + self.margin).relu()
            return value.masked_fill(~negative, 0).sum(-1).log1p()
        log_value = log_value.masked_fill(~negative, -torch.inf)
        return torch.cat([torch.zeros_like(log_value[:, :1]), log_value], -1).logsumexp(-1)

    def _area(self, log_rank: Tensor) -> Tensor:
        """Return W_alpha(rank), the integral of the weight density from 1 to the rank."""
        whole = math.log(self.info.items + 1)
        power = 1 - self.alpha
        if abs(power) * whole < 1e-4:
            return log_rank / whole
        return torch.expm1(power * log_rank) / math.expm1(power * whole)

    def _log_density(self, log_rank: Tensor) -> Tensor:
        """Return log of x^-alpha normalised over [1, items + 1]."""
        whole = math.log(self.info.items + 1)
        power = 1 - self.alpha
        norm = whole if abs(power) * whole < 1e-4 else math.expm1(power * whole) / power
        return -self.alpha * log_rank - math.log(norm)
