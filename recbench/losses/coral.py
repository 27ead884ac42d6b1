"""Consistent rank logits."""

from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from recbench.losses.building_blocks.per_task import means
from recbench.settings import OnlyWith

Start = Annotated[
    Literal["even", "zero"],
    OnlyWith("thresholds=learned", lambda given: given["thresholds"] == "learned"),
]


@LOSSES.add("coral")
class CORAL(OrdinalLoss):
    """Consistent rank logits: one tower for all levels, P(level >= c) = sigmoid(logit + b_c), a cross-entropy for each.

    Cao et al., Pattern Recognition Letters 2020, https://arxiv.org/abs/1901.07884. The biases b are learned, from
    T/T, ..., 1/T on (`start=even`) or from 0; at the optimum they fall with c, before it not always. `thresholds=rates`
    holds them at the log-odds of the train rates, as in GNOLR: then it is `neural-olr` with another likelihood. All
    kinds of feedback rank the items alike. Logits are cosines, times 2 as in GNOLR; the paper has a linear layer.
    """

    nested = False

    def __init__(
        self,
        info: Info,
        *,
        thresholds: Literal["learned", "rates"] = "learned",
        start: Start = "even",
    ) -> None:
        super().__init__(info, towers=1)
        self.learned = thresholds == "learned"
        if self.learned:
            even = torch.arange(info.tasks, 0, -1) / info.tasks
            self.rank_bias = nn.Parameter(even if start == "even" else torch.zeros(info.tasks))

    def thresholds(self) -> Tensor:
        """Return the negative biases, [T]."""
        return -self.rank_bias if self.learned else self.threshold

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over rows of the summed cross-entropies of `at least level c`."""
        return batch.mean(self._entropies(towers, batch).sum(-1))

    def terms(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of each level."""
        return means(self._entropies(towers, batch), batch)

    def _entropies(self, towers: Towers, batch: Batch) -> Tensor:
        z = self.score(towers.logit)
        reached = batch.level.unsqueeze(-1) > torch.arange(z.shape[-1], device=z.device)
        return binary_cross_entropy_with_logits(z, reached.to(z), reduction="none")
