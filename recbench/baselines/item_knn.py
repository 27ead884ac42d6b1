"""Nearest neighbours of items."""

from __future__ import annotations

from recbench.baselines.base import BASELINES, Baseline, FittedBaseline, Size
from recbench.baselines.building_blocks.item_weights import SparseItemWeights
from recbench.baselines.building_blocks.neighbours import (
    PER_NEIGHBOUR,
    degree_weighted,
    nearest_columns,
    normalise_rows,
)
from recbench.data.dataset import Positives
from recbench.settings import at_least


@BASELINES.add("item-knn")
class ItemKNN(Baseline):
    """Sum of the similarities of an item to what the user has had, of which each has `k` neighbours; others count 0.

    The similarity of i and j is the sum over the users u of both of n_u^-user_exponent, divided by
    ((n_i + shrink)(n_j + shrink))^item_exponent, where n counts positives; with `normalise`, those of an item's
    neighbours are divided by their sum. Exponents of 0 and 1/2 make it the cosine. Deshpande and Karypis, TOIS 2004,
    https://doi.org/10.1145/963770.963776; tuned as in Ferrari Dacrema
    et al., RecSys 2019, https://arxiv.org/abs/1907.06902. A user without positives scores 0 everywhere.
    """

    needs = ("implicit",)
    saving = "lower item-knn.k with --set"
    former = {"user_exponent": 0.0, "item_exponent": 0.5, "normalise": False, "shrink": 0.0}
    search = {
        "item_exponent": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        "user_exponent": (0.0, 0.5, 1.0, 1.5),
        "k": (50, 100, 200, 400, 800),
        "normalise": (False, True),
        "shrink": (0.0, 5.0, 20.0, 80.0),
    }

    def __init__(
        self,
        *,
        k: int = 200,
        user_exponent: float = 0.5,
        item_exponent: float = 0.4,
        normalise: bool = True,
        shrink: float = 0.0,
    ) -> None:
        at_least("item-knn.k", k, 1)
        at_least("item-knn.user_exponent", user_exponent, 0)
        at_least("item-knn.item_exponent", item_exponent, 0)
        at_least("item-knn.shrink", shrink, 0)
        self.k, self.normalise, self.shrink = k, normalise, shrink
        self.user_exponent, self.item_exponent = user_exponent, item_exponent

    def fit(self, train: Positives, items: int, seed: int) -> FittedBaseline:
        """Find the neighbours of each item."""
        weighted = degree_weighted(train, items, self.user_exponent, self.item_exponent, self.shrink)
        similarity = nearest_columns(weighted, self.k)
        if self.normalise:
            normalise_rows(similarity)
        return SparseItemWeights(similarity)

    def memory(self, size: Size) -> int:
        """Return about how many bytes it takes."""
        return PER_NEIGHBOUR * size.items * min(self.k + 1, size.items) + 32 * (size.pairs + size.users)

    def seconds(self, size: Size) -> float:
        """Return about how long fitting and scoring all users take on two cores."""
        return size.pairs_of_users / 3e7 + size.users * size.items / 1.5e8
