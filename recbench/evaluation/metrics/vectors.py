"""Metrics of the vectors that a model ranks by: do they still tell users and items apart?"""

from __future__ import annotations

from types import MappingProxyType

from torch import Tensor

from recbench.evaluation.metric import METRICS, Counted, VectorMetric
from recbench.evaluation.predictions import InnerProductScores

# Of 55 runs on MovieLens-1M and KuaiRand-Pure, towers with a mean cosine up to 0.992 ranked as well as any, and those
# from 0.9995 on (mostly 1.0000, on both sides) by chance: AUC 0.48 to 0.53. Between the two there was none.
COLLAPSED = 0.999
ROWS = 65536  # in a block


@METRICS.add("anisotropy")
class Anisotropy(VectorMetric):
    """Mean cosine of pairs of item vectors: 0 where they point everywhere, 1 where they have collapsed into one.

    Ethayarajh, EMNLP 2019, https://arxiv.org/abs/1909.00512, of all pairs instead of drawn ones; the variant `users` is
    that of the user vectors. A healthy model may well have 0.9: what all items share does not change their order.
    """

    variants = MappingProxyType({"items": "pairs=items", "users": "pairs=users"})
    words = "zero vectors=left out"
    better = "low"

    def __init__(self, variant: str = "") -> None:
        super().__init__(variant)
        self.unit = "users" if self.variant == "users" else "items"

    def value(self, user: Tensor, item: Tensor) -> Counted:
        """Compute the mean cosine; NaN with fewer than two vectors that are not 0."""
        return mean_cosine(user if self.unit == "users" else item)


def mean_cosine(vectors: Tensor) -> Counted:
    """Return the mean cosine of all pairs of different rows of vectors [n, D], and how many rows are not 0.

    In O(n D): the cosines of all n^2 pairs add up to the squared length of the sum of the n unit vectors, and those of
    the n rows with themselves to n.
    """
    total, count = vectors.new_zeros(vectors.shape[1]).double(), 0
    for block in vectors.split(ROWS):
        length = block.double().norm(dim=1)
        nonzero = length > 0
        total += (block[nonzero].double() / length[nonzero, None]).sum(0)
        count += int(nonzero.sum())
    pairs = count * (count - 1)
    return Counted((float(total @ total) - count) / pairs if pairs else float("nan"), count)


def collapsed(vectors: InnerProductScores) -> dict[str, float]:
    """Return the mean cosine of the sides, users or items, that have collapsed."""
    cosine = {"users": mean_cosine(vectors.user).value, "items": mean_cosine(vectors.item).value}
    return {side: value for side, value in cosine.items() if value > COLLAPSED}
