"""Sampled softmax."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Logit, Loss
from recbench.losses.building_blocks.rank import Gaps, log_rank, mean_over_positives
from recbench.samplers import InBatch, Sampler, Shared
from recbench.settings import at_least


@LOSSES.add("softmax")
class Softmax(Loss):
    """Cross-entropy of the positive among itself and sampled negatives.

    `source` of the negatives: `pool`, `negatives` uniform items per positive that all positives of the batch share,
    which is CROLoss (Tang et al., CIKM 2022, https://arxiv.org/abs/2208.02971) with kernel exp and alpha 1 up to
    constants; or `batch`, the positives of the other users. The latter come in proportion to popularity, for which
    `correct` makes up: log(share of positive rows) is subtracted from each logit, the positive's included (Yi et al.,
    RecSys 2019, https://doi.org/10.1145/3298689.3346996). On a uniform pool that would change nothing.
    """

    cosine: ClassVar[bool] = True
    logit: ClassVar[Logit] = Logit("fixed", scale=10.0)

    def __init__(
        self, info: Info, *, source: Literal["pool", "batch"] = "pool", negatives: int = 10, correct: bool = True
    ) -> None:
        super().__init__(info)
        at_least("loss.negatives", negatives, 1)
        self.correct = correct and source == "batch"
        self.sampler: Sampler = InBatch() if source == "batch" else Shared(negatives)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of -log softmax of the positive's logit among those that count."""
        if self.correct and batch.log_q is not None:
            towers = replace(towers, bias=towers.bias - batch.log_q.unsqueeze(-1))
        return mean_over_positives(_cross_entropy, towers, batch)


def _cross_entropy(gaps: Gaps) -> Tensor:
    return log_rank("exp", gaps, 0.0)
