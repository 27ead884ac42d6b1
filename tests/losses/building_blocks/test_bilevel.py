"""The derivative of an objective after a step by the weights within it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from recbench.losses.building_blocks.triplet_importance import slopes


def test_slope_of_one_number() -> None:
    theta, weight, rate = {"theta": torch.tensor([0.3], dtype=torch.float64)}, 0.6, 0.1
    slope = {"theta": -weight * torch.sigmoid(-theta["theta"])}
    assert float(theta["theta"] - rate * slope["theta"]) == pytest.approx(0.3255334, abs=1e-7)
    seen: list[float] = []

    def each(at: object) -> Tensor:
        return softplus(-at["theta"])  # type: ignore[index]

    def outer(at: object) -> Tensor:
        value = softplus(-at["theta"]).sum()  # type: ignore[index]
        seen.append(float(value.detach()))
        return value

    found = -rate * slopes(each, outer, theta, slope, rate)
    assert seen == pytest.approx([0.5435689], abs=1e-7)
    assert found.tolist() == pytest.approx([-0.0178448], abs=1e-7)
