"""The weight network, and how its weights are distributed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recbench.losses.building_blocks.importance import WeightNetwork, distribution, states
from tests.losses.by_hand import sigmoid, softplus


@pytest.mark.parametrize(("output", "expected"), [("sigmoid", sigmoid(1.0)), ("softplus", softplus(1.0))])
def test_weight_of_a_triplet(output: str, expected: float) -> None:
    user, interest = torch.tensor([[1.0, 0.5]]), torch.tensor([[0.5, 0.0]])
    state = states(user, interest, torch.tensor([[[0.2, 0.4], [-0.3, 0.1]]]))
    torch.testing.assert_close(state, torch.tensor([[0.3, 0.2, -0.45, 0.05]]))
    network = WeightNetwork(4, 2, output)  # type: ignore[arg-type]
    with torch.no_grad():
        network.first.weight.copy_(torch.tensor([[1.0, 0, -1, 0], [0, 1, 0, -1]]))
        network.first.bias.copy_(torch.tensor([0.1, -0.1]))
        network.last.weight.copy_(torch.tensor([[1.0, -1.0]]))
        network.last.bias.fill_(0.2)
    torch.testing.assert_close(network.first(state).relu(), torch.tensor([[0.85, 0.05]]))
    # 0.85 - 0.05 + 0.2 = 1
    assert network(state).tolist() == pytest.approx([expected], abs=1e-6)


def test_distribution_of_weights() -> None:
    generator = torch.Generator().manual_seed(1)
    weight, popularity = torch.rand(103, generator=generator), torch.randperm(103, generator=generator)
    found = distribution(weight, popularity)
    quarters = np.array_split(weight.numpy()[np.argsort(popularity.numpy())], 4)
    for row, part in zip(found, [weight.numpy(), *quarters], strict=True):
        quantiles = np.quantile(part, [0.05, 0.25, 0.5, 0.75, 0.95], method="closest_observation")
        assert row[:2].tolist() == pytest.approx([part.mean(), part.std()], abs=1e-6)
        assert np.abs(row[2:].numpy() - quantiles).max() <= np.diff(np.sort(part)).max() + 1e-6
