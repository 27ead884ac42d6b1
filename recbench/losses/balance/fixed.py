"""Fixed weights."""

from torch import Tensor

from recbench.losses.balance import BALANCES, Balance, Info, Points
from recbench.losses.building_blocks.per_task import per_task


@BALANCES.add("fixed")
class Fixed(Balance):
    """A weight for each kind of feedback, from dense to sparse, as in "1,5"; one number is for all.

    Also called linear scalarisation; Kurin et al., NeurIPS 2022, https://arxiv.org/abs/2201.04122, find it as good as
    strategies that adapt, if it is tuned as well.
    """

    weights: Tensor  # [T]

    def __init__(self, info: Info, *, weights: str = "1") -> None:
        super().__init__(info)
        self.register_buffer("weights", per_task(weights, info.tasks, "loss.balance.weights"), persistent=False)

    def forward(self, terms: Tensor, points: Points) -> Tensor:
        """Return the weighted sum."""
        return (self.weights * terms).sum()
