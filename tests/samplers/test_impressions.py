"""Negatives that users were shown: their distribution, and where there are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recbench.data.dataset import Dataset, Log
from recbench.errors import TrainingError
from recbench.samplers.impressions import Impressions, ImpressionTriplets
from tests.samplers.proposals import ITEMS, chi_squared, data_of

HAD = [{0, 3}, {1}, {2, 5}]
SHOWN = [{3, 4, 6}, {7}, set[int]()]  # of user 0, item 3 was taken on another row


def data() -> Dataset:
    made = data_of(HAD)
    pairs = torch.tensor([(user, item) for user, own in enumerate(SHOWN) for item in own for _ in range(2)])
    train = Log(
        torch.cat([made.train.user, pairs[:, 0].int()]),
        torch.cat([made.train.item, pairs[:, 1].int()]),
        torch.cat([made.train.label, torch.zeros(len(pairs), 1, dtype=torch.uint8)]),
    )
    return replace(made, train=train)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("user", [0, 1, 2])
def test_the_distribution(user: int, share: float) -> None:
    generator = torch.Generator().manual_seed(user)
    item, valid, log_q = Impressions(share).on(data()).draw(torch.full((500,), user), 40, generator)
    shown, free = SHOWN[user] - HAD[user], set(range(ITEMS)) - HAD[user]
    part = share if shown else 0.0
    expected = [
        (part / len(shown) if one in shown else 0.0) + ((1 - part) / len(free) if one in free else 0.0)
        for one in range(ITEMS)
    ]
    assert valid.all()
    if sum(one > 0 for one in expected) > 1:
        assert chi_squared(item, expected) > 1e-3
    torch.testing.assert_close(log_q.exp(), torch.tensor(expected)[item], rtol=1e-5, atol=0)


def test_the_positive_is_first_and_negatives_have_no_label() -> None:
    for batch in ImpressionTriplets(negatives=3).batches(data(), 2, torch.Generator().manual_seed(0)):
        for user, slate, label in zip(batch.user.tolist(), batch.item.tolist(), batch.label.tolist(), strict=True):
            assert slate[0] in HAD[user] and label == [[1.0], [0.0], [0.0], [0.0]]
            assert set(slate[1:]) <= (SHOWN[user] or set(range(ITEMS))) - HAD[user]


def test_a_log_of_positives_alone_is_refused() -> None:
    with pytest.raises(TrainingError, match="every train row has feedback .* such as uniform"):
        next(ImpressionTriplets().batches(data_of(HAD), 2, torch.Generator()))
