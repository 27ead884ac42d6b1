"""Where positives and negatives stand on slates."""

from __future__ import annotations

import torch

from recbench.losses.building_blocks.slots import Slots
from tests.losses.by_hand import batch


def test_positives_negatives_and_slates_without_either() -> None:
    label = [[1.0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 1, 0], [1, 0, 0]]
    mask = [[True, True, False], [True] * 3, [True] * 3, [True, False, True], [True, False, False]]
    slots = Slots.of(batch(label, mask))
    assert slots.positive[:, 0].tolist()[:2] == [0, 1]
    assert slots.has_positive.tolist() == [True, True, False, False, True]
    assert slots.negative.tolist() == [
        [False, True, False],
        [True, False, False],
        [True, True, True],
        [True, False, True],
        [False, False, False],
    ]
    value = torch.arange(15.0).view(5, 3)
    assert slots.at_positive(value).tolist() == [0, 4, 6, 9, 12]
    assert slots.mean_at_negatives(value).tolist() == [1, 3, 7, 10, 0]
    assert float(slots.mean(torch.tensor([1.0, 2.0, 100.0, 100.0, 6.0]))) == 3
    assert float(Slots.of(batch([[0.0, 0.0]])).mean(torch.ones(1))) == 0


def test_values_that_all_slates_share() -> None:
    slots = Slots.of(batch([[0.0, 0, 1], [1, 0, 0]]))
    assert slots.at_positive(torch.tensor([[5, 6, 7]])).tolist() == [7, 5]
