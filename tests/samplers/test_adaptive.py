"""Negatives of high rank in one factor of the model, by hand."""

from __future__ import annotations

import pytest
import torch

from recbench.samplers import AdaptiveRank
from tests.samplers.proposals import (
    chi_squared,
    data_of,
)


@pytest.mark.parametrize(
    ("taken", "probability"),
    [
        (set(), [0.1971930, 0.2462165, 0.1985034, 0.3580871]),
        ({3}, [0.30719588571849843, 0.38356678568095887, 0.3092373286005429, 0.0]),
    ],
)
def test_adaptive_ranks_by_hand(taken: set[int], probability: list[float]) -> None:
    data = data_of([taken, {0}], items=4)
    adaptive = AdaptiveRank(0.5)  # lambda 2
    adaptive.refresh(torch.tensor([[0.5, 1.0]] * 2), torch.tensor([[1.0, 0], [0, 1], [2, -1], [-1, 3]]))
    drawn, _, log_q = adaptive.on(data).draw(torch.tensor([0]), 40_000, torch.Generator().manual_seed(4))
    torch.testing.assert_close(log_q.exp(), torch.tensor(probability)[drawn], rtol=1e-6, atol=1e-7)
    assert chi_squared(drawn, probability) > 1e-3


def test_adaptive_ranks_of_a_negative_taste_are_turned_round() -> None:
    data, factors = data_of([set(), {0}], items=4), torch.tensor([[1.0, 0], [0, 1], [2, -1], [-1, 3]])
    found = []
    for sign in (1.0, -1.0):
        adaptive = AdaptiveRank(0.1)
        adaptive.refresh(sign * torch.tensor([[0.5, 1.0]] * 2), sign * factors)
        drawn, _, _ = adaptive.on(data).draw(torch.tensor([0]), 1000, torch.Generator().manual_seed(4))
        found.append(torch.bincount(drawn[0], minlength=4))
    assert found[0][[2, 3]].sum() > 900
    assert torch.equal(found[0], found[1])


def test_a_user_without_a_taste_has_all_factors_alike() -> None:
    adaptive = AdaptiveRank(0.5)
    item = torch.tensor([[1.0, 0], [0, 1], [2, -1], [-1, 3]])
    adaptive.refresh(torch.zeros(1, 2), item)
    _, _, log_q = adaptive.on(data_of([{0}], items=4)).draw(torch.tensor([0]), 100, torch.Generator().manual_seed(4))
    assert log_q.isfinite().all()


def test_the_last_rank_can_be_drawn_however_small_the_share() -> None:
    adaptive = AdaptiveRank(1e-4)
    adaptive.refresh(torch.ones(2, 1), torch.arange(50.0)[:, None])
    data = data_of([set(range(1, 50)), {0}], items=50)
    drawn, valid, log_q = adaptive.on(data).draw(torch.tensor([0]), 20, torch.Generator().manual_seed(4))
    assert valid.all()
    assert (drawn == 0).all()
    torch.testing.assert_close(log_q, torch.zeros(1, 20), rtol=0, atol=1e-3)
