"""From inner products to logits: the settings that every loss has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from recbench.batch import Towers
from recbench.errors import UsageError
from recbench.settings import Positive

LogitKind = Literal["bare", "fixed", "learned"]


@dataclass(frozen=True)
class Logit:
    """Defaults of `logit`, `scale` and `bias` for one loss (see Head)."""

    logit: LogitKind = "bare"
    scale: float = 1.0
    bias: float = 0.0


class Head(nn.Module):
    """Turns inner products into logits, `scale * inner + bias` per tower, with fixed or learned numbers, or bare.

    A bare cosine lies in [-1, 1], so its sigmoid cannot express a base rate of 2 %. Every loss has these settings, so
    that no loss is better than another by its parametrisation alone. A learned bias starts at `bias`, or, where that
    is 0, at the log-odds of the loss's base rates. Raises UsageError for a scale or bias with `logit=bare`.

    `rank_by=inner-products`: trained on cosines, ranked by the inner products of the same vectors as they are, so that
    items of long vectors come first, as in LightGCN runs of the released code of BSL (Wu et al., ICDE 2024).
    Probabilities, as of `logloss`, are then of these logits, which the loss never saw. Where pairs have scores of
    their own, as with neumf, it changes nothing.
    """

    log_scale: Tensor  # [K]
    bias: Tensor  # [K]

    def __init__(
        self,
        towers: int,
        *,
        cosine: bool = False,
        logit: LogitKind = "bare",
        scale: Positive = 1.0,
        bias: float = 0.0,
        rank_by: Literal["logits", "inner-products"] = "logits",
    ) -> None:
        super().__init__()
        if rank_by == "inner-products" and not cosine:
            raise UsageError("loss.rank_by=inner-products needs loss.cosine=true; without it, logits already rank so")
        if logit == "bare" and (scale, bias) != (1.0, 0.0):
            raise UsageError("loss.scale and loss.bias need loss.logit=fixed or loss.logit=learned")
        self.cosine = cosine
        self.cosine_ranking = cosine and rank_by == "logits"
        self.bare = logit == "bare"
        for name, value in (
            ("log_scale", torch.full((towers,), scale).log()),
            ("bias", torch.full((towers,), bias)),
        ):
            if logit == "learned":
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value, persistent=False)

    @property
    def unit_length(self) -> bool:
        """Whether vectors are scaled to unit length in the mode that it is in now, training or evaluation."""
        return self.cosine if self.training else self.cosine_ranking

    def forward(self, towers: Towers) -> Towers:
        """Return the towers with this scale and bias."""
        return towers if self.bare else towers.affine(self.log_scale.exp(), self.bias)

    def logits(self, inner: Tensor) -> Tensor:
        """Return logits of inner products [..., K]."""
        return inner if self.bare else inner * self.log_scale.exp() + self.bias
