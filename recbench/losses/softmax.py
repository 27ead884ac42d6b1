"""Sampled softmax."""

from dataclasses import replace
from typing import Annotated, Literal

from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Logit, Loss, Towers
from recbench.losses.building_blocks.rank import log_rank, mean_over_positives
from recbench.samplers import InBatch, Shared
from recbench.settings import Count, OnlyWith

PerPositive = Annotated[Count, OnlyWith("source=pool", lambda given: given["source"] == "pool")]


@LOSSES.add("softmax")
class Softmax(Loss):
    """Sampled softmax: -log(e^s_ui / (e^s_ui + sum of e^s_uj over sampled negatives j)) for each positive i.

    `source` says where negatives are from. `pool`: uniform items, `negatives` for each positive, that all positives of
    the batch share. Up to constants this is CROLoss (Tang et al., CIKM 2022, https://arxiv.org/abs/2208.02971) with
    kernel exp and alpha 1; its 10 negatives take several times the time and memory of 1. `batch`: the positives of the
    other users (in-batch negatives), which come in proportion to popularity. For that `correct` makes up: log(share of
    positive rows) is subtracted from each logit, the positive's too (Yi et al., RecSys 2019,
    https://doi.org/10.1145/3298689.3346996), on slates that say how likely a slot holds its item: those of `batch`
    and of the samplers `in-batch` and `mixed`.
    """

    needs = frozenset({"negatives"})
    cosine = True
    logit = Logit("fixed", scale=10.0)

    def __init__(
        self, info: Info, *, source: Literal["pool", "batch"] = "pool", negatives: PerPositive = 1, correct: bool = True
    ) -> None:
        super().__init__(info, InBatch() if source == "batch" else Shared(negatives=negatives))
        self.correct = correct

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over positives of -log softmax of the positive's logit among those that count."""
        if self.correct and "slot probabilities" in self.sampler.gives and batch.log_q is not None:
            towers = replace(towers, bias=towers.bias - batch.log_q.unsqueeze(-1))
        return mean_over_positives(lambda gaps: log_rank("exp", gaps, 0.0), towers, batch)
