"""The learning rate over a run, by its formulas."""

from __future__ import annotations

from math import cos, pi
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbench.errors import UsageError
from recbench.training.schedule import Schedule

Decay = Literal["none", "cosine", "linear"]


def factors(schedule: Schedule, steps: int) -> list[float]:
    """The factors of all steps of a run with so many steps of equal size in an epoch."""
    count = schedule.epochs * steps
    return [schedule.rate_factor(step / steps, (step + 1) / steps) for step in range(count)]


def test_a_rate_that_nothing_changes() -> None:
    assert Schedule().constant_rate
    assert factors(Schedule(epochs=3), 4) == [1.0] * 12


def test_warm_up_rises_by_equal_steps_and_ends_at_the_full_rate() -> None:
    schedule = Schedule(epochs=3, warmup=1.5)
    assert not schedule.constant_rate
    assert factors(schedule, 4) == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, *[1] * 6])


@pytest.mark.parametrize("warmup", [0, 1])
def test_decay_by_its_formula(warmup: int) -> None:
    steps, epochs = 5, 4
    rising = [(k + 1) / (warmup * steps) for k in range(warmup * steps)]
    rest = (epochs - warmup) * steps
    linear = factors(Schedule(epochs=epochs, warmup=warmup, decay="linear"), steps)
    assert linear == pytest.approx([*rising, *(1 - k / rest for k in range(rest))])
    cosine = factors(Schedule(epochs=epochs, warmup=warmup, decay="cosine"), steps)
    assert cosine == pytest.approx([*rising, *((1 + cos(pi * k / rest)) / 2 for k in range(rest))])


@given(st.integers(1, 9), st.floats(0, 0.99), st.sampled_from(["none", "cosine", "linear"]), st.integers(1, 7))
def test_a_rate_is_never_0_and_falls_after_warm_up(epochs: int, share: float, decay: Decay, steps: int) -> None:
    schedule = Schedule(epochs=epochs, warmup=share * epochs, decay=decay)
    values = factors(schedule, steps)
    assert all(0 < value <= 1 for value in values)
    first_full = next(k for k in range(len(values)) if (k + 1) / steps >= schedule.warmup)
    assert values[: first_full + 1] == sorted(values[: first_full + 1])
    assert values[first_full:] == sorted(values[first_full:], reverse=True)


@pytest.mark.parametrize("warmup", [3, 3.5])
def test_a_warm_up_that_never_ends_is_refused(warmup: float) -> None:
    with pytest.raises(UsageError, match=f"^train.warmup={warmup:g}: expected fewer epochs than train.epochs=3$"):
        Schedule(epochs=3, warmup=warmup)


@pytest.mark.parametrize("lr", [1e-320, 1e-13])
def test_a_rate_that_no_weight_feels_is_refused(lr: float) -> None:
    with pytest.raises(UsageError, match="too small to change any weight; expected at least 1e-12"):
        Schedule(lr=lr)
    assert Schedule(lr=1e-12).lr == 1e-12
