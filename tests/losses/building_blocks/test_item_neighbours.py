"""UltraGCN's item neighbours: published values, and dense products in blocks of any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.losses.building_blocks.item_neighbours import item_neighbours


def dense(pairs: Positives, items: int, diagonal: bool) -> Tensor:
    """The whole matrix omega by its formula."""
    rows = torch.zeros(len(pairs.start) - 1, items, dtype=torch.double)
    rows[pairs.user, pairs.item] = 1
    common = rows.T @ rows
    if not diagonal:
        common.fill_diagonal_(0)
    degree = common.sum(1)
    return ((degree + 1).sqrt() / degree.clamp(min=1))[:, None] * common / (degree + 1).sqrt()


def test_two_users_and_three_items() -> None:
    pairs = Positives.from_pairs(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 2]), 2, 3)
    near, weight = item_neighbours(pairs, 3, 3, diagonal=True)
    omega = torch.zeros(3, 3).scatter(1, near, weight)
    expected = [[0.5, 0.38729833462074165, 0.0], [0.32274861218395146, 0.5, 0.32274861218395146]]
    torch.testing.assert_close(omega, torch.tensor([*expected, expected[0][::-1]]))


@pytest.mark.parametrize("block", [1, 17, 1 << 23])
@given(
    edges=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), max_size=40),
    most=st.integers(1, 9),
    diagonal=st.booleans(),
)
def test_the_largest_weights_of_each_item(block: int, edges: list[tuple[int, int]], most: int, diagonal: bool) -> None:
    index = torch.tensor(edges, dtype=torch.long).reshape(-1, 2)
    pairs = Positives.from_pairs(index[:, 0], index[:, 1], 6, 8)
    omega = dense(pairs, 8, diagonal).float()
    near, weight = item_neighbours(pairs, 8, most, diagonal, block)
    torch.testing.assert_close(weight, omega.topk(min(most, 8), 1).values)
    torch.testing.assert_close(omega.gather(1, near), weight)
