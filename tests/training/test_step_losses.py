"""Losses that are read now and then: the mean does not depend on when, and what is not finite is named by its step."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import TrainingError
from recbench.training.epoch import BLOCK, StepLosses

CPU = torch.device("cpu")


@given(st.lists(st.floats(0, 10, width=32), min_size=1, max_size=350), st.sets(st.integers(0, 350)))
def test_the_mean_does_not_depend_on_when_losses_are_read(values: list[float], looks: set[int]) -> None:
    losses = StepLosses(1, CPU)
    for step, value in enumerate(values):
        losses.add(torch.tensor(value))
        if step in looks:
            losses.read()
            assert losses.mean == pytest.approx(math.fsum(values[: step + 1]) / (step + 1), rel=1e-12, abs=1e-12)
    blocks = [torch.tensor(values[start : start + BLOCK]).double().sum() for start in range(0, len(values), BLOCK)]
    assert losses.mean_of_epoch() == sum(float(block) for block in blocks) / len(values)


def test_nothing_is_shown_before_the_first_look() -> None:
    losses = StepLosses(1, CPU)
    losses.add(torch.tensor(1.0))
    assert losses.mean is None
    assert losses.mean_of_epoch() == 1


@pytest.mark.parametrize("looks", [(), (2,), (0, 1, 130), (130, 136)])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_first_step_that_is_not_finite_is_named(looks: tuple[int, ...], bad: float) -> None:
    losses = StepLosses(3, CPU)
    with pytest.raises(TrainingError, match=f"the loss became {bad} at step 138 of epoch 3"):
        for step in range(1, 201):
            losses.add(torch.tensor(bad if step >= 138 else 0.5))
            if step in looks:
                losses.read()
        losses.mean_of_epoch()
