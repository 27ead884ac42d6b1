"""Alignment and uniformity."""

from torch import Tensor

from recbench.losses import LOSSES, Batch, Info, Loss, Towers
from recbench.losses.building_blocks.uniformity import uniformity, unit_pairs
from recbench.samplers import Triplets
from recbench.settings import NonNegative


@LOSSES.add("directau")
class DirectAU(Loss):
    """Alignment and uniformity of unit vectors: mean |u - v|^2 over positives + gamma (U(users) + U(items)) / 2.

    Wang et al., KDD 2022, https://arxiv.org/abs/2206.12811. U is the log of the mean of
    exp(-2 |x - y|^2) over the pairs of a batch, the user or item that stands in it twice included. There are no
    negatives. gamma is 0.5 to 5 in the paper, by dataset. It is trained on the sphere and ranks by inner products, so
    that the norms, which no gradient moves alone, matter; `cosine=true` leaves them out.
    """

    reads_logits = False
    fixed_sampler = True
    needs = frozenset({"vectors", "positive first"})
    searched = ("gamma=0.2..10",)
    gamma: Tensor

    def __init__(self, info: Info, *, gamma: NonNegative = 1.0) -> None:
        super().__init__(info, Triplets(negatives=0))
        self.register_numbers(gamma=gamma)

    def forward(self, towers: Towers, batch: Batch) -> Tensor:
        """Return alignment plus gamma times the mean of both uniformities."""
        user, item, counts = unit_pairs(towers, batch)
        alignment = (counts * (2 - 2 * (user * item).sum(1))).sum() / counts.sum().clamp(min=1)
        return alignment + self.gamma * (uniformity(user, counts) + uniformity(item, counts)) / 2
