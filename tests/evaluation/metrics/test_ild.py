import math

import pytest
import torch
from hypothesis import given
from sklearn.metrics.pairwise import cosine_distances

from recbench.evaluation.metrics import ild
from tests.evaluation.helpers import catalogue_of, counted, lists_of_items, recommended

VECTORS = torch.tensor([[1.0, 0, 0], [0, 2, 0], [3, 3, 0], [-1, 0, 0], [0, 0, 0], [0.3, -0.7, 0.5]])
CATALOGUE = catalogue_of([0] * 6, vectors=VECTORS)


def test_by_hand() -> None:
    diversity = counted("ild@4", lists_of_items([[0, 1], [0, 3], [0, 4], [2], []], CATALOGUE))
    assert diversity.value == pytest.approx((1 + 2) / 2)  # at a right angle, and opposite
    assert diversity.count == 2  # item 4 has no vector, and one item is no pair


@given(recommended())
def test_the_distances_of_scikit_learn_agree(item: list[list[int]]) -> None:
    means = []
    for row in item:
        described = [one for one in row if one != 4]
        if len(described) > 1:
            pairs = len(described) * (len(described) - 1)
            means.append(cosine_distances(VECTORS[described].double()).sum() / pairs)
    value = counted("ild@4", lists_of_items(item, CATALOGUE)).value
    assert value == pytest.approx(sum(means) / len(means)) if means else math.isnan(value)


def test_blocks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = lists_of_items([[0, 1, 2], [5, 3], [1, 5, 2, 0]], CATALOGUE)
    whole = counted("ild@4", lists)
    monkeypatch.setattr(ild, "_GATHERED", 1)
    assert counted("ild@4", lists) == whole
