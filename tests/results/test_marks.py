from __future__ import annotations

import numpy as np
import pytest

from recbench.results.leaderboard import markdown
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.leaderboard_tables import meaning_of_bold
from recbench.results.marks import with_shared_best
from recbench.results.store import Store
from recbench.results.user_contributions import UserContributions, read_contributions, write_contributions
from tests.results.conftest import auc, evaluation_of, key_of, record_of

SIGNATURE = "auc|ties:half"


def add(
    store: Store, loss: str, users: np.ndarray, seed: int = 0, parts: bool = True, backbone: str = "twintower"
) -> None:
    key = key_of(loss=loss, seed=seed, backbone=backbone)
    store.write_record(record_of(key))
    evaluation = evaluation_of(key, auc(float(users.mean())))
    store.add_evaluation(key, evaluation)
    if parts:
        part = UserContributions(np.arange(len(users)), users, np.ones(len(users)))
        write_contributions(store, key, evaluation, {("auc", "click", SIGNATURE): part})


def marks(store: Store) -> dict[str, bool]:
    rows = with_shared_best(collect_rows(store), store)
    return {row.loss: row.best for row in rows}


@pytest.fixture
def users() -> np.ndarray:
    return np.random.default_rng(0).normal(0.6, 0.1, 400)


def test_the_mark_is_shared_by_what_cannot_be_told_apart(store, users):
    noise = np.random.default_rng(1).normal(0, 0.05, 400)
    add(store, "gnolr", users)
    add(store, "bce", users + noise - noise.mean() - 0.001)
    add(store, "bpr", users + noise - noise.mean() - 0.03)
    assert marks(store) == {"gnolr": True, "bce": True, "bpr": False}


def test_the_interval_beside_the_best_is_of_the_normal_approximation(store, users):
    noise = np.random.default_rng(1).normal(0, 0.05, 400)
    add(store, "gnolr", users)
    add(store, "bpr", users + noise - noise.mean() - 0.03)
    add(store, "jrc", users - 0.2, parts=False)
    best, other, untested = with_shared_best(collect_rows(store), store)
    half = 1.96 * noise.std() / 20  # of a mean over 400 users
    assert (other.to_best_low, other.to_best_high) == pytest.approx((-0.03 - half, -0.03 + half), abs=1e-3)
    assert {best.to_best_low, best.to_best_high, untested.to_best_low, untested.to_best_high} == {None}


def test_many_methods_do_not_blur_the_mark(store, users):
    noise = np.random.default_rng(1)
    for number in range(60):
        add(store, f"loss{number}", users - 0.1 * (number > 0) + noise.normal(0, 0.05, 400))
    assert [loss for loss, best in marks(store).items() if best] == ["loss0"]


def test_without_parts_only_the_best_is_marked(store, users):
    add(store, "gnolr", users)
    add(store, "bce", users - 1e-9, parts=False)
    assert marks(store) == {"gnolr": True, "bce": False}


def test_what_bold_means_is_said(store, users):
    add(store, "gnolr", users)
    assert meaning_of_bold(collect_rows(store)) == ""  # nothing competes
    add(store, "bce", users - 0.1)
    rows = collect_rows(store)
    assert (
        meaning_of_bold(rows)
        == "the best mean of a column; differences were not tested, because the scores of single users are not kept"
    )
    rows = with_shared_best(rows, store)
    assert [row.compared for row in rows] == [True, True]
    assert meaning_of_bold(rows).endswith("those that a test over users and seeds does not tell apart from it")
    add(store, "bpr", users - 0.2, parts=False)
    rows = with_shared_best(collect_rows(store), store)
    assert [row.compared for row in rows] == [True, True, False]
    assert meaning_of_bold(rows).endswith("; 1 whose scores of single users are not kept were not tested")
    assert meaning_of_bold(rows) in markdown(rows).replace("\\", "")


def test_what_was_written_is_read(store, users):
    add(store, "gnolr", users)
    key, warnings = key_of(loss="gnolr"), []
    (read,) = read_contributions(store.folder(key), warnings).items()
    assert read[0] == ("auc", "click", SIGNATURE)
    assert np.array_equal(read[1].numerator, users) and read[1].user.tolist() == list(range(400))
    assert warnings == []
    path = next(store.folder(key).rglob("*.parquet"))
    path.write_bytes(b"PAR1")
    assert read_contributions(store.folder(key), warnings) == {}
    assert len(warnings) == 1 and warnings[0].startswith(f"{path}: damaged (") and "recbench eval" in warnings[0]


def test_sums_of_an_undefined_metric_take_no_other_away(store, users):
    key = key_of(loss="gnolr")
    store.write_record(record_of(key))
    evaluation = evaluation_of(key, auc(0.6))
    store.add_evaluation(key, evaluation)
    defined = UserContributions(np.arange(400), users, np.ones(400))
    undefined = UserContributions(np.arange(400), np.full(400, np.nan), np.ones(400))
    written = {("auc", "view", SIGNATURE): undefined, ("auc", "click", SIGNATURE): defined}
    write_contributions(store, key, evaluation, written)
    warnings: list[str] = []
    assert list(read_contributions(store.folder(key), warnings)) == [("auc", "click", SIGNATURE)]
    assert warnings == []


def test_nothing_is_marked_as_best_and_as_worse_than_a_baseline(store, users):
    noise = np.random.default_rng(1).normal(0, 0.05, 400)
    add(store, "ease", users, backbone="baseline")
    add(store, "bce", users + noise - noise.mean() - 0.001)
    add(store, "bpr", users + noise - noise.mean() - 0.03)
    assert [row.below for row in collect_rows(store)] == ["", "ease", "ease"]
    rows = with_shared_best(collect_rows(store), store)
    assert [(row.loss, row.best, row.below) for row in rows] == [
        ("ease", True, ""), ("bce", True, ""), ("bpr", False, "ease"),
    ]  # fmt: skip
