"""Random walks of three steps."""

from __future__ import annotations

import torch

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size
from recbench.baselines.building_blocks.item_weights import SparseItemWeights
from recbench.baselines.building_blocks.neighbours import (
    PER_NEIGHBOUR,
    degree_weighted,
    nearest_columns,
    normalise_rows,
    scale_rows,
)
from recbench.data.dataset import Positives
from recbench.settings import at_least


@BASELINES.add("rp3beta")
class RP3Beta(Baseline):
    """Random walk from a user to an item, to another user of it, and to that user's item; popular items are held down.

    A step's probability 1 / n is taken to the power `alpha`, and the end of the walk divided by its number of users to
    the power `beta`; of each first item, the `k` best ends are kept and, with `normalise`, divided by their sum.
    Paudel et al., TiiS 2017, https://doi.org/10.1145/2955101; settings as in Ferrari Dacrema et al., RecSys 2019,
    https://arxiv.org/abs/1907.06902. With `normalise` it is item-knn with these exponents of users and items. A user
    without positives scores 0 everywhere.
    """

    needs = ("implicit",)
    saving = "lower rp3beta.k with --set"
    search = {
        "beta": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8),
        "alpha": (0.4, 0.6, 0.8, 1.0, 1.2, 1.5),
        "k": (50, 100, 200, 400, 800),
        "normalise": (False, True),
    }

    def __init__(self, *, k: int = 200, alpha: float = 0.6, beta: float = 0.4, normalise: bool = True) -> None:
        at_least("rp3beta.k", k, 1)
        at_least("rp3beta.alpha", alpha, 0)
        at_least("rp3beta.beta", beta, 0)
        self.k, self.alpha, self.beta, self.normalise = k, alpha, beta, normalise

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Keep the likeliest walks from each item."""
        walks = nearest_columns(degree_weighted(train, items, self.alpha, self.beta), self.k)
        if self.normalise:
            normalise_rows(walks)
        else:  # divided by n^beta at both ends, where the first step asks for n^alpha
            scale_rows(walks, torch.bincount(train.item, minlength=items).clamp(min=1).pow(self.beta - self.alpha))
        return SparseItemWeights(walks)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes."""
        return PER_NEIGHBOUR * size.items * min(self.k + 1, size.items) + 32 * (size.pairs + size.users)
