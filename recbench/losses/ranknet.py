"""RankNet."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.losses.base import LOSSES, Loss
from recbench.losses.building_blocks.lists import differences, pairs, split
from recbench.samplers import Lists, Sampler
from recbench.settings import at_least


@LOSSES.add("ranknet")
class RankNet(Loss):
    """RankNet: -log sigmoid(s_i - s_j) over all pairs of a positive i and a negative j of a user's list.

    Burges et al., ICML 2005, https://doi.org/10.1145/1102351.1102363. The mean is over the pairs of the whole batch,
    so that long lists weigh more, as in GNOLR (KDD 2025, Table 3).
    """

    cosine: ClassVar[bool] = True

    def __init__(self, info: Info, *, longest: int = 500) -> None:
        super().__init__(info)
        at_least("loss.longest", longest, 2)
        self.sampler: Sampler = Lists(longest)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over pairs; 0 if there is none."""
        pair = pairs(*split(batch))
        return softplus(differences(towers.logit[..., 0], pair)).sum() / max(len(pair[0]), 1)
