"""Scores and vectors that are kept are read as they were written, or not at all."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch

from recbench.data.dataset import Log
from recbench.errors import DataError
from recbench.evaluation.predictions import Predictions, TowerVectors
from recbench.run import kept_predictions
from recbench.run.kept_predictions import SCORES, VECTORS

FEEDBACK = ("view", "buy")
ROWS, USERS, ITEMS = 40, 7, 9


def made() -> tuple[Log, Predictions]:
    draw = torch.Generator().manual_seed(0)
    user, item = torch.randint(USERS, (ROWS,), generator=draw), torch.randint(ITEMS, (ROWS,), generator=draw)
    score = torch.randn(ROWS, 2, generator=draw)
    towers = TowerVectors(
        torch.randn(USERS, 2, 3, generator=draw), torch.randn(ITEMS, 2, 3, generator=draw), torch.eye(2)
    )
    log = Log(user.int(), item.int(), torch.zeros(ROWS, 2, dtype=torch.uint8))
    return log, Predictions(score, towers.catalogue, torch.nn.functional.logsigmoid(score), towers)


def numbers(predictions: Predictions | None) -> list[torch.Tensor]:
    """All that a metric could see."""
    assert predictions is not None and predictions.log_probability is not None
    catalogue = [predictions.catalogue(column) for column in range(2)]
    vectors = [side for scores in catalogue for side in (scores.user, scores.item)]  # type: ignore[union-attr]
    return [predictions.score, predictions.log_probability, *vectors]


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    log, predictions = made()
    kept_predictions.save(tmp_path, FEEDBACK, log, predictions)
    read = numbers(kept_predictions.load(tmp_path, FEEDBACK, log, ranks=True))
    assert all(torch.equal(a, b) for a, b in zip(read, numbers(predictions), strict=True))
    (tmp_path / VECTORS).unlink()
    assert kept_predictions.load(tmp_path, FEEDBACK, log, ranks=True) is None
    assert kept_predictions.load(tmp_path, FEEDBACK, log, ranks=False) is not None


@pytest.mark.parametrize("name", [SCORES, VECTORS])
def test_no_flipped_bit_gives_other_numbers(tmp_path: Path, name: str) -> None:
    log, predictions = made()
    kept_predictions.save(tmp_path, FEEDBACK, log, predictions)
    whole, random, refused = (tmp_path / name).read_bytes(), Random(0), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        (tmp_path / name).write_bytes(damaged)
        try:
            read = numbers(kept_predictions.load(tmp_path, FEEDBACK, log, ranks=True))
        except DataError as error:
            refused += 1
            assert str(error).startswith(f"{tmp_path / name}: ") and "\n" not in str(error)
            assert "run `recbench eval`" in str(error)
        else:
            assert all(torch.equal(a, b) for a, b in zip(read, numbers(predictions), strict=True))
    assert refused > 100


def test_scores_of_other_rows_are_refused(tmp_path: Path) -> None:
    log, predictions = made()
    kept_predictions.save(tmp_path, FEEDBACK, log, predictions)
    with pytest.raises(DataError, match="not of these test rows; run `recbench eval`"):
        kept_predictions.load(tmp_path, FEEDBACK, log[1:], ranks=False)
    with pytest.raises(DataError, match="damaged .no column score/click"):
        kept_predictions.load(tmp_path, ("click",), log, ranks=False)
