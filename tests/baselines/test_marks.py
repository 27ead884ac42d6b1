"""Where the board says that a method is below a baseline."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from recbench.results.leaderboard import markdown, terminal_table
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows
from tests.results.conftest import add, make_value, store  # noqa: F401 (fixtures)


def show(rows: list[LeaderboardRow], encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=100, color_system=None)
    console.print(terminal_table(rows))
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


@pytest.fixture
def rows(store, add, make_value) -> list[LeaderboardRow]:  # noqa: ANN001, F811
    lower = {"metric": "logloss", "signature": "logloss; better=lower"}
    for loss, backbone, value, loss_value in (
        ("bce", "mf", 0.6, 0.5),
        ("bpr", "mf", 0.8, 0.7),
        ("popularity", "baseline", 0.55, 0.6),
        ("ials", "baseline", 0.7, 0.65),
    ):
        add(make_value(value), make_value(loss_value, **lower), loss=loss, backbone=backbone)
    return collect_rows(store)


def test_the_best_baseline_of_the_column_counts(rows: list[LeaderboardRow]) -> None:
    assert {(row.loss, row.metric): row.below for row in rows} == {
        ("bpr", "auc"): "",
        ("ials", "auc"): "",
        ("bce", "auc"): "ials",
        ("popularity", "auc"): "",
        ("bce", "logloss"): "",
        ("popularity", "logloss"): "",
        ("ials", "logloss"): "",
        ("bpr", "logloss"): "popularity",
    }


def test_it_is_marked_and_explained(rows: list[LeaderboardRow]) -> None:
    printed = show(rows)
    assert "↓ 0.6000" in printed and "↓ 0.7000" in printed and "↓ 0.8000" not in printed
    assert "↓ worse than the best baseline: ials in auc (a); popularity in logloss (b)" in printed
    written = markdown(rows)
    assert "| ↓ 0.6000 |" in written and "\n↓ worse than the best baseline: ials in auc (a)" in written
    plain = show(rows, "ascii")
    assert "v 0.6000" in plain and "v worse than the best baseline" in plain


def test_nothing_is_said_where_nothing_is_below(rows: list[LeaderboardRow]) -> None:
    above = [row for row in rows if not row.below]
    assert "baseline:" not in show(above) and "baseline:" not in markdown(above)


def test_an_equal_mean_is_not_below(store, add, make_value) -> None:  # noqa: ANN001, F811
    add(make_value(0.6), loss="bce")
    add(make_value(0.6), loss="popularity", backbone="baseline")
    assert [row.below for row in collect_rows(store)] == ["", ""]


def test_a_baseline_that_learned_from_more_rows_does_not_count(store, add, make_value) -> None:  # noqa: ANN001, F811
    refit = {"train.refit": True}
    add(make_value(0.9), loss="ials", backbone="baseline", settings=refit)
    add(make_value(0.7), loss="item-knn", backbone="baseline", settings={"train.refit": False})
    for value, loss in ((0.6, "bce"), (0.8, "bpr")):
        add(make_value(value), loss=loss)
        add(make_value(value), loss=loss, settings=refit)
    found = {(row.loss, "refit" in row.settings): row.below for row in collect_rows(store)}
    assert (found["bce", False], found["bpr", False]) == ("item-knn", "")
    assert (found["bce", True], found["bpr", True]) == ("ials", "ials")
