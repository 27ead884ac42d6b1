"""Vectors of users without training rows, against the normal equations and plain means."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.backbones.building_blocks.fold_in import FoldIn, distinct_items, folded_in, items_of
from recbench.data.dataset import Log
from recbench.data.history import Histories

HAD = [[0, 3, 5], [], [2], [1, 2, 3, 4]]
ITEM = torch.randn(6, 2, 3, generator=torch.Generator().manual_seed(0))


def known() -> Histories:
    rows = [(user, item, 1) for user, own in enumerate(HAD) for item in own]
    rows += [(0, 3, 1), (2, 4, 0), (1, 6, 1)]  # twice the same, no feedback, an item unseen in training
    table = torch.tensor(rows, dtype=torch.int32)
    log = Log(table[:, 0].contiguous(), table[:, 1].contiguous(), table[:, 2:].to(torch.uint8))
    return distinct_items(log, users=5, items=7, seen=6)


def test_items_are_distinct_positives_of_training_items() -> None:
    item, start = items_of(known(), torch.tensor([3, 1, 0]))
    assert start.tolist() == [0, 4, 4, 7]
    assert item.tolist() == [1, 2, 3, 4, 0, 3, 5]


def by_normal_equations(weight: float, l2: float) -> Tensor:
    """(sum over all items of w y y' + l2 m I) x = sum over the known ones of w y, m the mean eigenvalue of Y'Y."""
    solved = np.zeros((4, 2, 3))
    for user, own in enumerate(HAD):
        for tower in range(2):
            vectors = ITEM[:, tower].double().numpy()
            weights = np.where(np.isin(np.arange(6), own), weight, 1.0)
            ridge = l2 * np.linalg.eigvalsh(vectors.T @ vectors).mean() * np.eye(3)
            left = (vectors.T * weights) @ vectors + ridge
            if own:
                solved[user, tower] = np.linalg.solve(left, weight * vectors[own].sum(0))
    return torch.from_numpy(solved).float()


@pytest.mark.parametrize("l2", [0.0, 0.3, 10.0])
@pytest.mark.parametrize("weight", [1.0, 10.0, 200.0])
def test_least_squares(weight: float, l2: float) -> None:
    found = folded_in(FoldIn("least-squares", weight, l2), known(), torch.arange(4), ITEM)
    torch.testing.assert_close(found, by_normal_equations(weight, l2), rtol=1e-3, atol=1e-4)


def test_a_large_l2_gives_the_direction_of_the_mean() -> None:
    both = [folded_in(how, known(), torch.arange(4), ITEM) for how in (FoldIn(l2=1e5), FoldIn("mean"))]
    torch.testing.assert_close(*(normalize(found, dim=-1) for found in both), rtol=0, atol=1e-3)


def test_the_scale_of_the_items_does_not_matter() -> None:
    found, longer = (folded_in(FoldIn(), known(), torch.arange(4), factor * ITEM) for factor in (1, 100))
    torch.testing.assert_close(found, 100 * longer, rtol=1e-3, atol=1e-5)


def test_mean() -> None:
    found = folded_in(FoldIn("mean"), known(), torch.tensor([3, 1, 0]), ITEM)
    expected = torch.stack([ITEM[[1, 2, 3, 4]].mean(0), torch.zeros(2, 3), ITEM[[0, 3, 5]].mean(0)])
    torch.testing.assert_close(found, expected)
