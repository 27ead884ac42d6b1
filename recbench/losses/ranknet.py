"""RankNet."""

from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.lists import ListLength, pairs, split_by_label
from recbench.samplers import Lists


@LOSSES.add("ranknet")
class RankNet(Loss):
    """RankNet: -log sigmoid(s_i - s_j) over all pairs of a positive i and a negative j of a user's list.

    Burges et al., ICML 2005, https://doi.org/10.1145/1102351.1102363. The mean is over the pairs of the whole batch,
    so that long lists weigh more, as in GNOLR (KDD 2025, Table 3).
    """

    needs = frozenset({"lists"})
    cosine = True

    def __init__(self, info: Info, *, longest: ListLength = 500) -> None:
        super().__init__(info, Lists(longest=longest))

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over pairs; 0 if there is none."""
        pair = pairs(*split_by_label(batch))
        return pair.total(softplus(pair.differences(towers.logit[..., 0]))) / pair.count
