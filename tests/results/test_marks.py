from __future__ import annotations

import numpy as np
import pytest

from recbench.results.leaderboard import markdown
from recbench.results.leaderboard_rows import best_means, board
from recbench.results.marks import share_marks
from recbench.results.store import Store
from recbench.results.user_contributions import UserParts, read, write
from tests.results.conftest import auc, evaluation_of, key_of, record_of

SIGNATURE = "auc|ties:half"


def add(store: Store, loss: str, users: np.ndarray, seed: int = 0, parts: bool = True) -> None:
    key = key_of(loss=loss, seed=seed)
    store.write_record(record_of(key))
    evaluation = evaluation_of(key, auc(float(users.mean())))
    store.add_evaluation(key, evaluation)
    if parts:
        part = UserParts(np.arange(len(users)), users, np.ones(len(users)))
        write(store, key, evaluation, {("auc", "click", SIGNATURE): part})


def marks(store: Store) -> dict[str, bool]:
    rows = board(store)
    share_marks(rows, store)
    return {row["loss"]: row["best"] for row in rows}


@pytest.fixture
def users() -> np.ndarray:
    return np.random.default_rng(0).normal(0.6, 0.1, 400)


def test_the_mark_is_shared_by_what_cannot_be_told_apart(store, users):
    noise = np.random.default_rng(1).normal(0, 0.05, 400)
    add(store, "gnolr", users)
    add(store, "bce", users + noise - noise.mean() - 0.001)
    add(store, "bpr", users + noise - noise.mean() - 0.03)
    assert marks(store) == {"gnolr": True, "bce": True, "bpr": False}


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
    assert best_means(board(store)) == ""  # nothing competes
    add(store, "bce", users - 0.1)
    rows = board(store)
    assert best_means(rows) == "the best mean of a column; differences were not tested, for lack of the runs' scores"
    share_marks(rows, store)
    assert [row["compared"] for row in rows] == [True, True]
    assert best_means(rows).endswith("what a paired bootstrap over users cannot tell from it")
    add(store, "bpr", users - 0.2, parts=False)
    rows = board(store)
    share_marks(rows, store)
    assert [row["compared"] for row in rows] == [True, True, False]
    assert best_means(rows).endswith("; 1 without their scores were not compared")
    assert best_means(rows) in markdown(rows).replace("\\", "")


def test_what_was_written_is_read(store, users):
    add(store, "gnolr", users)
    key = key_of(loss="gnolr")
    (found,) = read(store.folder(key)).items()
    assert found[0] == ("auc", "click", SIGNATURE)
    assert np.array_equal(found[1].numerator, users) and found[1].user.tolist() == list(range(400))
    next(store.folder(key).rglob("*.parquet")).write_bytes(b"PAR1")
    assert read(store.folder(key)) == {}
