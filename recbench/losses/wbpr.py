"""Bayesian personalised ranking with popular negatives."""

from torch import Tensor
from torch.nn.functional import softplus

from recbench.data.dataset import Dataset
from recbench.losses import LOSSES, Batch, Info, Towers
from recbench.losses.bpr import BPR
from recbench.losses.building_blocks.pairwise import differences
from recbench.samplers import Popularity, Triplets
from recbench.samplers.negatives import Exponent
from recbench.settings import Count


@LOSSES.add("wbpr")
class WBPR(BPR):
    """BPR whose negatives are drawn in proportion to popularity^beta, the number of users who have the item.

    Gantner et al., JMLR W&CP 18, 2012, https://proceedings.mlr.press/v18/gantner12a.html, where beta is 1; with beta
    0 it is BPR. `user_weight` weighs each positive row by 1 / the number of its user's, as the paper does, so that
    users count alike; the weights are scaled to 1 on average over an epoch.
    """

    fixed_sampler = True
    searched = ("beta=0.25..1.5",)
    weight: Tensor  # [users], set by `setup`

    def __init__(self, info: Info, *, negatives: Count = 1, beta: Exponent = 1.0, user_weight: bool = False) -> None:
        super().__init__(info, negatives=negatives)
        self.user_weight = user_weight
        self.sampler = Triplets(negatives, Popularity(beta))

    def setup(self, data: Dataset) -> None:
        """Count the positive rows of each user."""
        user = data.train.user[data.train.label.amax(1) > 0]
        count = user.bincount(minlength=len(data.users))
        self.weight = count.sum() / count.count_nonzero() / count.clamp(min=1)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return the mean over (positive, negative) pairs, weighed by user if so set."""
        difference, counts = differences(towers, batch)
        weight = self.weight[batch.user, None] if self.user_weight else 1
        return batch.mean(weight * softplus(-difference), counts)
