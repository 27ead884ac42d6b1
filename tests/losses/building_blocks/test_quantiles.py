"""The K-th largest score of each user, by a published value and against sorted sets."""

from __future__ import annotations

import pytest
import torch

from recbench.data.dataset import Dataset, Positives
from recbench.losses.building_blocks import quantiles
from recbench.losses.building_blocks.quantiles import kth_largest


def test_published_value() -> None:
    """Positives 0.9, 0.7 and 0.2 beside negatives 0.8, 0.6, 0.5 and 0.1: the third largest is 0.7."""
    item = torch.tensor([[0.9], [0.8], [0.7], [0.6], [0.5], [0.2], [0.1]])
    positives = Positives(torch.tensor([0, 3]), torch.tensor([0, 2, 5]))
    pool = torch.tensor([6, 1, 4, 3])
    assert kth_largest(3, torch.ones(1, 1), item, pool, positives).tolist() == pytest.approx([0.7])
    assert kth_largest(8, torch.ones(1, 1), item, pool, positives).tolist() == [-torch.inf]


@pytest.mark.parametrize("k", [1, 4, 12])
@pytest.mark.parametrize("size", [2, 15, 40])
def test_sets(k: int, size: int, toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantiles, "USERS", 7)
    generator = torch.Generator().manual_seed(k)
    user = torch.randn(len(toy.users), 4, generator=generator)
    item = torch.randn(len(toy.items), 4, generator=generator)
    pool = torch.randperm(len(toy.items), generator=generator)[:size]
    found = kth_largest(k, user, item, pool, toy.positives)
    for row, start, end in zip(range(len(user)), toy.positives.start, toy.positives.start[1:], strict=False):
        of_user = sorted({*pool.tolist(), *toy.positives.item[start:end].tolist()})
        scores = (item[of_user] @ user[row]).sort(descending=True).values
        assert float(found[row]) == pytest.approx(float(scores[k - 1]) if k <= len(scores) else -torch.inf, abs=1e-5)
