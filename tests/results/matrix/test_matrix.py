from __future__ import annotations

import csv as reader
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from recbench.errors import UsageError
from recbench.plots import pairwise_wins as plotted
from recbench.results.leaderboard_rows import collect_rows
from recbench.results.leaderboard_tables import arrange
from recbench.results.marks import UserScores
from recbench.results.matrix import text
from recbench.results.matrix.methods_by_datasets import Matrix, matrices
from recbench.results.matrix.pairwise_wins import Wins, pairwise_wins
from recbench.results.matrix.rank_block import rank_block
from recbench.results.page.details import matrix_details
from recbench.results.store import Store
from recbench.results.user_contributions import UserContributions, write_contributions
from tests.conftest import Run
from tests.results.conftest import SETTINGS, auc, evaluation_of, key_of, record_of

Put = Callable[..., None]


@pytest.fixture
def put(store: Store) -> Put:
    """Write a run of a loss, or of a baseline, that reached a value on a dataset."""

    def write(loss: str, dataset: str, value: float, *, users: Any = None, **changes: Any) -> None:
        of_value = {name: changes.pop(name) for name in ("metric", "feedback", "signature") if name in changes}
        backbone = "baseline" if loss in ("ease", "popularity") else "mf"
        fields = {"loss": loss, "dataset": dataset, "backbone": backbone, "feedback": ("click",)} | changes
        settings = {**SETTINGS, **fields.pop("settings", {})}
        key = key_of(settings=settings, **fields)
        if key not in store:
            store.write_record(record_of(key))
        evaluation = evaluation_of(key, auc(value, **of_value))
        store.add_evaluation(key, evaluation)
        if users is not None:
            part = UserContributions(np.arange(len(users)), users, np.ones(len(users)))
            write_contributions(store, key, evaluation, {("auc", "click", "auc|ties:half"): part})

    return write


def only(store: Store, metrics: list[str] | None = None) -> Matrix:
    rows = collect_rows(store, None, metrics)
    (matrix,) = matrices(rows, UserScores(store), metrics_asked=bool(metrics))
    return matrix


def test_ranks_and_differences_by_hand(store: Store, put: Put) -> None:
    for loss, one, two in (("ease", 0.7, 0.5), ("bce", 0.8, 0.5), ("bpr", 0.6, 0.9)):
        put(loss, "one", one)
        put(loss, "two", two)
    put("popularity", "one", 0.65)
    first, second = only(store).columns
    baselines = [{cell.baseline for cell in column.cells.values() if cell.baseline} for column in (first, second)]
    assert (first.title, *baselines) == ("one/random", {"ease (baseline)"}, {"ease (baseline)"})
    cells = {name: (cell.rank, cell.difference, cell.verdict) for name, cell in first.cells.items()}
    assert cells == {
        "bce × mf": (1, pytest.approx(0.1), "better"),
        "ease (baseline)": (2, None, ""),
        "popularity (baseline)": (3, pytest.approx(-0.05), "worse"),
        "bpr × mf": (4, pytest.approx(-0.1), "worse"),
    }
    assert {name: cell.rank for name, cell in second.cells.items()} == {
        "bpr × mf": 1, "bce × mf": 2.5, "ease (baseline)": 2.5,
    }  # fmt: skip


def test_methods_on_most_data_come_first(store: Store, put: Put) -> None:
    for loss, one, two in (("ease", 0.7, 0.5), ("bce", 0.8, 0.6)):
        put(loss, "one", one)
        put(loss, "two", two)
    put("bpr", "one", 0.9)
    assert only(store).methods == ["bce × mf", "ease (baseline)", "bpr × mf"]


def test_lower_is_better_where_the_metric_says_so(store: Store, put: Put) -> None:
    low = {"metric": "logloss", "signature": "logloss; better=lower"}
    for loss, value in (("ease", 0.5), ("bce", 0.4), ("bpr", 0.6)):
        put(loss, "one", value, **low)
    cells = only(store, ["logloss"]).columns[0].cells
    assert {name: (cell.rank, cell.verdict) for name, cell in cells.items()} == {
        "bce × mf": (1, "better"), "ease (baseline)": (2, ""), "bpr × mf": (3, "worse"),
    }  # fmt: skip
    assert cells["bce × mf"].difference == pytest.approx(-0.1)


def test_intervals_where_the_scores_of_users_are_kept(store: Store, put: Put) -> None:
    users = np.random.default_rng(0).normal(0.6, 0.1, 400)
    noise = np.random.default_rng(1).normal(0, 0.05, 400)
    noise -= noise.mean()
    put("ease", "one", float(users.mean()), users=users)
    for loss, gap in (("bce", 0.03), ("bpr", -0.001), ("jrc", -0.03)):
        values = users + noise + gap
        put(loss, "one", float(values.mean()), users=values)
    cells = only(store).columns[0].cells
    assert {name: cell.verdict for name, cell in cells.items()} == {
        "bce × mf": "better", "ease (baseline)": "", "bpr × mf": "even", "jrc × mf": "worse",
    }  # fmt: skip
    half = 1.96 * noise.std() / 20  # of a mean over 400 users
    for name, gap in (("bce × mf", 0.03), ("bpr × mf", -0.001), ("jrc × mf", -0.03)):
        assert cells[name].interval == (pytest.approx(gap - half, abs=1e-3), pytest.approx(gap + half, abs=1e-3))


def test_of_several_lines_of_a_method_the_test_rows_decide_nothing(store: Store, put: Put) -> None:
    put("bce", "one", 0.6)
    put("bce", "one", 0.9, settings={"train.refit": True})
    put("bpr", "one", 0.7)
    cells = only(store).columns[0].cells
    assert {name: cell.row.mean for name, cell in cells.items()} == {"bpr × mf": 0.7, "bce × mf": 0.6}


def test_what_learned_from_validation_rows_is_compared_with_baselines_that_did(store: Store, put: Put) -> None:
    put("bce", "one", 0.75)
    for loss, value, refit in (
        ("bpr", 0.78, True),
        ("popularity", 0.65, True),
        ("ease", 0.7, False),
        ("ease", 0.8, True),
    ):
        put(loss, "one", value, settings={"train.refit": refit})
    (column,) = only(store).columns
    assert column.refitted == {"bpr × mf", "popularity (baseline)"}
    assert {name: (cell.baseline, cell.difference) for name, cell in column.cells.items()} == {
        "bpr × mf": ("ease (baseline)", pytest.approx(0.78 - 0.8)),
        "bce × mf": ("ease (baseline)", pytest.approx(0.75 - 0.7)),
        "ease (baseline)": ("", None),
        "popularity (baseline)": ("ease (baseline)", pytest.approx(0.65 - 0.8)),
    }
    assert column.ranked == ["bce × mf", "ease (baseline)"] and [column.cells[name].rank for name in column.ranked] == [
        1,
        2,
    ]
    shown = text.markdown([only(store)])
    assert r"▽ -0.0200\* |" in shown and "△ +0.0500 (1) |" in shown and "the fewer of a column have none" in shown
    assert {line["methods"] for line in text.records([only(store)])} == {2}


def test_mean_ranks_are_of_methods_that_learned_from_the_same_rows(store: Store, put: Put) -> None:
    for dataset, refit in (("one", False), ("two", True)):  # of each, more learned from the same rows than not
        for loss, value in (("bce", 0.6), ("bpr", 0.5), ("jrc", 0.4)):
            put(loss, dataset, value, settings={"train.refit": refit})
    put("ssm", "one", 0.9, settings={"train.refit": True})
    put("ssm", "two", 0.9)
    found = only(store)
    assert found.methods[-1] == "ssm × mf" and [cell.rank for cell in found.columns[0].cells.values()] == [
        None,
        1,
        2,
        3,
    ]
    block = rank_block(found)
    assert block is not None and block.mean_ranks == {"bce × mf": 1, "bpr × mf": 2, "jrc × mf": 3}


def test_wins_by_hand(store: Store, put: Put) -> None:
    for dataset, one, two in (("one", 0.7, 0.6), ("two", 0.6, 0.8), ("three", 0.5, 0.5)):
        put("bce", dataset, one)
        put("bpr", dataset, two)
    put("bce", "one", 0.9, feedback="buy")
    put("bpr", "one", 0.8, feedback="buy")
    put("jrc", "one", 0.9)
    put("jrc", "two", 0.9, settings={"train.refit": True})  # learned from more: not one of the columns that compare
    found = pairwise_wins(only(store))
    assert found is not None and found.methods == ["bce × mf", "bpr × mf", "jrc × mf"] and not found.tested
    counts = {pair: (wins.better, wins.of) for pair, wins in found.against.items()}
    assert counts == {
        ("bce × mf", "bpr × mf"): (2, 4), ("bpr × mf", "bce × mf"): (1, 4),
        ("bce × mf", "jrc × mf"): (0, 1), ("jrc × mf", "bce × mf"): (1, 1),
        ("bpr × mf", "jrc × mf"): (0, 1), ("jrc × mf", "bpr × mf"): (1, 1),
    }  # fmt: skip
    shown = rendered(only(store), 80)
    assert "how often the method of a row beats" in shown and "2/4" in shown and "not tested" in shown
    assert on_page(store)["wins"]["cells"][0] == [None, [2, 4], [0, 1]]


def test_wins_beyond_chance_are_counted_where_users_scores_are_kept(store: Store, put: Put) -> None:
    users = np.random.default_rng(0).normal(0.6, 0.1, 400)
    noise = np.random.default_rng(1).normal(0, 0.05, 400)
    noise -= noise.mean()
    for dataset, gap in (("one", 0.03), ("two", 0.0005)):
        put("bce", dataset, float(users.mean()), users=users)
        put("bpr", dataset, float(users.mean()) - gap, users=users + noise - gap)
    put("bce", "three", 0.7)
    put("bpr", "three", 0.6)
    found = pairwise_wins(only(store))
    assert found is not None
    assert found.against["bce × mf", "bpr × mf"] == Wins(better=3, of=3, tested=2, sure=1)
    assert found.against["bpr × mf", "bce × mf"] == Wins(better=0, of=3, tested=2, sure=0)
    shown = text.markdown([only(store)])
    assert "| 3/3 (1 of 2) |" in shown and "only 3 were tested" in shown
    assert on_page(store)["wins"]["cells"][0] == [None, [3, 3, 1, 2]]
    first, _ = plotted.table(plotted.counted_wins(store, "auc"))
    assert first == {
        "metric": "auc", "method": "bce × mf", "against": "bpr × mf",
        "comparisons": 3, "better_in": 3, "tested_in": 2, "better_beyond_chance_in": 1,
    }  # fmt: skip


def test_a_block_of_what_all_datasets_have(store: Store, put: Put) -> None:
    for place, dataset in enumerate("abcdef"):
        for loss, value in (("ease", 0.5), ("bce", 0.6 + place / 100), ("bpr", 0.4)):
            put(loss, dataset, value)
            put(loss, dataset, 1 - value, feedback="buy")  # the other way round: on the whole all are alike
    put("jrc", "a", 0.9)
    block = rank_block(only(store))
    assert block is not None
    assert block.datasets == tuple("abcdef")
    assert block.mean_ranks == {"bce × mf": 2, "bpr × mf": 2, "ease (baseline)": 2}
    assert "none differs" in block.words and "told apart" not in block.words
    assert on_page(store)["critical"] is None  # no bars that say which pairs differ
    for dataset in "abcdef":
        put("bce", dataset, 0.99, feedback="like")
        put("ease", dataset, 0.2, feedback="like")
        put("bpr", dataset, 0.1, feedback="like")
    block = rank_block(only(store))
    assert block is not None and list(block.mean_ranks.values()) == [1, 2, 3]
    assert block.test is not None and block.test.real  # the same order on all of six
    assert "two are told apart from a distance of" in block.words
    assert on_page(store)["critical"] == block.test.critical


def on_page(store: Store) -> dict[str, Any]:
    rows = collect_rows(store)
    positions = {(row.method, row.column): position for position, row in enumerate(rows)}
    (found,) = matrix_details(matrices(rows, UserScores(store), metrics_asked=False), positions, arrange(rows))
    return found


def test_few_datasets_are_said(store: Store, put: Put) -> None:
    put("bce", "a", 0.5)
    put("bpr", "a", 0.6)
    assert rank_block(only(store)) is None
    assert "there are no mean ranks" in text.markdown([only(store)])
    with pytest.raises(UsageError, match="auc: how often one method beats another is counted from two datasets"):
        plotted.counted_wins(store, "auc")
    assert "no two methods do" in text.markdown([only(store)]) and "beats another" not in text.latex([only(store)])
    put("bce", "b", 0.5)
    put("bpr", "b", 0.6)
    block = rank_block(only(store))
    assert block is not None and block.test is None and "too few to test" in block.words


def rendered(matrix: Matrix, width: int) -> str:
    console = Console(width=width, file=None, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(text.TerminalMatrices([matrix]))
    return capture.get()


def test_a_narrow_terminal_has_several_tables(store: Store, put: Put) -> None:
    for dataset in ("one", "two", "three", "four"):
        for loss, value in (("ease", 0.5), ("bce", 0.6)):
            put(loss, dataset, value)
    shown = rendered(only(store), 60)
    assert all(len(line) <= 60 for line in shown.splitlines())
    shown, wins = shown.split("how often")
    assert "1 bce × mf" in wins and "4/4" in wins
    assert shown.count("bce × mf") == 2 and shown.count("△ +0.1000 (1)") == 4 and shown.count("mean rank") == 2


def test_markdown_latex_csv_and_json(store: Store, put: Put) -> None:
    for loss, value in (("ease", 0.5), ("bce_x", 0.6)):
        put(loss, "one", value)
    matrix = only(store)
    lines = text.markdown([matrix]).splitlines()
    assert lines[2:6] == [
        "| method | one/random click | mean rank |",
        "| --- | ---: | ---: |",
        r"| bce\_x × mf | **△ +0.1000 (1)** | - |",
        "| ease (baseline) | 0.5000 (2) | - |",
    ]
    assert r"bce\_x $\times$ mf & \textbf{$\triangle$ +0.1000 (1)} & - \\" in text.latex([matrix])
    (first, second) = reader.DictReader(text.csv([matrix]).splitlines())
    assert (first["loss"], first["rank"], first["baseline"]) == ("bce_x", "1.0", "ease (baseline)")
    assert float(first["difference"]) == pytest.approx(0.1) and second["difference"] == ""


def test_the_command(store: Store, put: Put, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for dataset in ("one", "two"):
        for loss, value in (("ease", 0.5), ("bce", 0.6)):
            put(loss, dataset, value)
    monkeypatch.setenv("RECBENCH_RESULTS", str(store.root))
    shown = run("leaderboard", "--matrix", "--json")
    assert [(line["loss"], line["rank"]) for line in shown.json] == [("bce", 1), ("ease", 2)] * 2
    assert "mean rank" in run("leaderboard", "--matrix").out
    monkeypatch.chdir(store.root)
    assert run("plot", "pairwise-wins").out == "pairwise-wins.png\n"
    wins = run("plot", "pairwise-wins", "--json", "-o", "wins.svg")
    assert [(pair["method"], pair["better_in"]) for pair in wins.json] == [("bce × mf", 2), ("ease (baseline)", 0)]
    assert (store.root / "wins.svg").stat().st_size > 1000
    refused = run("leaderboard", "--matrix", "--format", "html", "-o", "x.html")
    assert refused.code == 2 and "--matrix prints table" in refused.err
    refused = run("leaderboard", "--matrix", "--all")
    assert refused.code == 2 and "--matrix does not go with --all" in refused.err
