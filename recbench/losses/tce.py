"""Truncated cross-entropy."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.truncation import TruncatedLoss
from recbench.settings import Count, Share


@LOSSES.add("tce")
class TCE(TruncatedLoss):
    """Cross-entropy of positives and uniform non-positives that leaves out the positives with the largest losses.

    The T-CE loss of Wang et al., WSDM 2021, https://arxiv.org/abs/2006.04153. The share left out grows linearly to
    `drop` over `gradual` steps; the authors take 0.05 to 0.2 and 30000 (1000 on Adressa). It is a share of all rows of
    the batch, negatives included, as in their code (`share_of=rows`), or of the positives alone.
    """

    def __init__(
        self,
        info: Info,
        *,
        drop: Share = 0.2,
        gradual: Count = 30000,
        share_of: Literal["rows", "positives"] = "rows",
        negatives: Count = 1,
    ) -> None:
        super().__init__(info, drop, gradual, negatives)
        self.share_of = share_of

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the slots that stay."""
        label = batch.label[..., 0]
        loss = binary_cross_entropy_with_logits(towers.logit[..., 0], label, reduction="none")
        counts = torch.ones_like(label, dtype=torch.bool) if batch.mask is None else batch.mask
        positive = counts & (label > 0)
        total = counts.sum() if self.share_of == "rows" else positive.sum()
        return batch.mean(loss, self.remaining(loss, positive, counts, total))
