"""The line of a finished epoch."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from recbench.training.training_display import TrainingDisplay


@pytest.mark.parametrize(("epoch", "end"), [(2, "1k rows/s  at most 1:00 left"), (3, "1k rows/s")])
def test_the_last_epoch_has_nothing_left(epoch: int, end: str) -> None:
    screen = io.StringIO()
    with TrainingDisplay(Console(file=screen), "bce", "auc", 3, 1000) as display:
        display.epoch(epoch, 0.5, 0.7, 1.0, 60.0, is_best=True)
    assert screen.getvalue().rstrip().endswith(end)


def test_a_slow_training_has_a_rate() -> None:
    screen = io.StringIO()
    with TrainingDisplay(Console(file=screen), "bce", "auc", 3, 1000) as display:
        display.epoch(3, 0.5, 0.7, 4.0, 60.0, is_best=True)
    assert screen.getvalue().rstrip().endswith(" 250 rows/s")
