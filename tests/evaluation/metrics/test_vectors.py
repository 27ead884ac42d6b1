"""Whether vectors still tell things apart: the mean cosine, and the note on a model that has collapsed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from recbench.data.dataset import Log, Positives
from recbench.errors import UsageError
from recbench.evaluation.evaluate import ScoredLog, Value, evaluate
from recbench.evaluation.metrics.vectors import COLLAPSED, collapsed, mean_cosine
from recbench.evaluation.predictions import BlockScores, InnerProductScores, Predictions
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol
from recbench.results.record import RunKey
from recbench.training.scorer import collapse_note, notes_once

PROTOCOL = Protocol("shop/global@0", "test", "train+valid")


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def key_of(*feedback: str) -> RunKey:
    return RunKey("shop", "global", "0", feedback, "nsb", "twintower", 0, "cpu", {})


@pytest.mark.parametrize("shift", [0, 1, 10])
def test_the_mean_cosine_is_that_of_all_pairs(shift: float) -> None:
    vectors = drawn(200, 7) + shift
    pairs = cosine_similarity(vectors.numpy())[~torch.eye(200, dtype=torch.bool).numpy()]
    found = mean_cosine(vectors)
    assert (found.value, found.count) == (pytest.approx(pairs.mean(), abs=1e-6), 200)


@pytest.mark.parametrize(
    ("vectors", "value", "count"),
    [
        ([[1.0, 0.0], [0.0, 5.0]], 0, 2),
        ([[1.0, 0.0], [-2.0, 0.0]], -1, 2),
        ([[1.0, 1.0], [3.0, 3.0], [0.1, 0.1]], 1, 3),
        ([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], -1 / 3, 3),  # one pair of three agrees
        ([[0.0, 0.0], [1.0, 0.0], [1.0, math.sqrt(3)]], 0.5, 2),  # 60 degrees
        ([[0.0, 0.0], [1.0, 0.0]], math.nan, 1),
    ],
)
def test_by_hand(vectors: list[list[float]], value: float, count: int) -> None:
    found = mean_cosine(torch.tensor(vectors))
    assert (found.value, found.count) == (pytest.approx(value, abs=1e-7, nan_ok=True), count)


def test_blocks_and_float32_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = 1e-4 * drawn(300, 5) + torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    whole = mean_cosine(vectors)
    monkeypatch.setattr("recbench.evaluation.metrics.vectors.ROWS", 7)
    assert mean_cosine(vectors).value == pytest.approx(whole.value, abs=1e-14)
    assert whole.value == pytest.approx(float(mean_cosine(vectors.double()).value), abs=1e-12) and whole.value < 1


def test_as_a_metric() -> None:
    user, item = drawn(30, 4), drawn(20, 4, seed=1) + 1
    values = of(Predictions(torch.zeros(2, 1), lambda column: InnerProductScores(user, item)))
    assert [(value.value, value.count, value.unit) for value in values] == [
        (mean_cosine(item).value, 20, "items"),
        (mean_cosine(user).value, 30, "users"),
    ]
    assert values[1].signature == (
        "anisotropy(users); pairs=users; zero vectors=left out; better=lower; data=shop/global@0"
    )
    towers = InnerProductScores(user, item)
    assert of(Predictions(torch.zeros(2, 1), lambda column: BlockScores(lambda user: user, 20, towers))) == values
    with pytest.raises(UsageError, match="metric `anisotropy`: these scores are no inner products of vectors"):
        of(Predictions(torch.zeros(2, 1), lambda column: BlockScores(lambda user: user, 20)))


def of(predictions: Predictions) -> list[Value]:
    log = Log(torch.zeros(2).int(), torch.zeros(2).int(), torch.zeros(2, 1).to(torch.uint8))
    requests = [parse("anisotropy"), parse("anisotropy(users)")]
    nothing = Positives.from_pairs(torch.zeros(0).long(), torch.zeros(0).long(), 30, 20)
    return evaluate(requests, ScoredLog(log, ("view",), predictions, lambda column: nothing, 20), PROTOCOL)


def test_what_has_collapsed() -> None:
    spread, cone = drawn(100, 8), 0.3 * drawn(100, 8) + 1  # a narrow cone, as healthy models have
    point = 1e-3 * drawn(100, 8) + 1
    assert 0.8 < mean_cosine(cone).value < 0.95 and mean_cosine(point).value > COLLAPSED
    assert collapsed(InnerProductScores(spread, cone)) == {}
    assert collapsed(InnerProductScores(point, spread)).keys() == {"users"}
    assert collapsed(InnerProductScores(point, point)).keys() == {"users", "items"}
    of_column = {0: InnerProductScores(spread, cone), 1: InnerProductScores(point, point)}
    (note,) = collapse_note(key_of("view", "buy"), of_column.__getitem__)
    assert "point one way (mean cosine of buy: users 1.0000 and items 1.0000)" in note and "view" not in note
    assert collapse_note(key_of("view"), of_column.__getitem__) == []


def test_notes_of_several_runs_are_one() -> None:
    point = InnerProductScores(1e-3 * drawn(100, 8) + 1, drawn(100, 8))
    keys = [replace(key_of("view"), loss=loss, seed=seed) for loss, seed in (("bpr", 0), ("bpr", 1), ("ssm", 0))]
    notes = [note for key in keys for note in collapse_note(key, lambda _: point)]
    assert notes_once([notes[0], "another", notes[0]]) == ["another", notes[0]]
    (told,) = notes_once(notes)
    assert told.startswith(
        "vectors of bpr × twintower, ssm × twintower (3 runs) all point one way and tell little apart; try a lower"
    )
