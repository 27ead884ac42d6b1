"""Entire-space multi-task model."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from recbench.batch import Batch, Towers
from recbench.losses.base import LOSSES
from recbench.losses.multitask import MultitaskLoss
from recbench.numerics import log1mexp


@LOSSES.add("esmm")
class ESMM(MultitaskLoss):
    """Entire-space multi-task model: the c-th feedback has probability p_1 p_2 ... p_c, trained on all rows.

    Ma et al., SIGIR 2018, equation 3, https://arxiv.org/abs/1804.07931. As there, the c-th training label is 1
    where all of the first c feedback types are; `pos_weight` as in GNOLR (KDD 2025), Table 12.
    """

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the summed cross-entropies of the products."""
        log_p = self.score(towers.logit)
        label = batch.label.cumprod(-1)
        loss = self.pos_weight * label * log_p + (1 - label) * log1mexp(-log_p)
        return -batch.mean(loss.sum(-1))

    def base_rates(self) -> Tensor:
        """Return the share of train rows at each level or above, among those at the level before."""
        rates = torch.tensor(self.info.rates)
        return torch.cat([rates[:1], rates[1:] / rates[:-1]])

    def score(self, logit: Tensor) -> Tensor:
        """Return the log of the product of probabilities up to each feedback."""
        return logsigmoid(logit).cumsum(-1)

    def log_probability(self, logit: Tensor) -> Tensor:
        """Return the same logarithms."""
        return self.score(logit)
