"""Truncated cross-entropy."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.pairwise import mean
from recbench.losses.building_blocks.truncation import Truncated


@LOSSES.add("tce")
class TCE(Truncated):
    """Cross-entropy of positives and uniform non-positives that leaves out the positives with the largest losses.

    The T-CE loss of Wang et al., WSDM 2021, https://arxiv.org/abs/2006.04153. The share left out grows linearly to
    `drop` over `gradual` steps; the authors take 0.05 to 0.2 and 30000 (1000 on Adressa). It is a share of all rows of
    the batch, negatives included, as in their code (`share_of=rows`), or of the positives alone.
    """

    def __init__(
        self,
        info: Info,
        *,
        drop: float = 0.2,
        gradual: int = 30000,
        share_of: Literal["rows", "positives"] = "rows",
        negatives: int = 1,
    ) -> None:
        super().__init__(info, drop, gradual, negatives)
        self.share_of = share_of

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the slots that stay."""
        label = batch.label[..., 0]
        loss = binary_cross_entropy_with_logits(towers.logit[..., 0], label, reduction="none")
        counts = torch.ones_like(label, dtype=torch.bool) if batch.mask is None else batch.mask
        positive = counts & (label > 0)
        of = counts.sum() if self.share_of == "rows" else positive.sum()
        return mean(loss, self.kept(loss, positive, counts, of))
