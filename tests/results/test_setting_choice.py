"""Which settings of a method the leaderboard shows, and what else it leaves out unless everything is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from recbench.results.leaderboard import markdown
from recbench.results.leaderboard_latex import escaped, latex
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows
from recbench.results.leaderboard_selection import note_of_hidden, worth_showing
from recbench.results.leaderboard_tables import arrange
from recbench.results.page.render import answers, html
from recbench.results.store import Store
from tests.conftest import Run
from tests.results.conftest import SETTINGS, auc, evaluation_of, key_of, record_of

CATALOGUE = "recall@20; candidates=catalogue(10)"
Put = Callable[..., str]


@pytest.fixture
def put(store: Store) -> Put:
    """Write a run with its validation and test values, and return its digest."""

    def write(valid: float, test: float | None, *, lr: float = 0.1, refit: bool = False, **changes: Any) -> str:
        select = changes.pop("select", "auc")
        trained = {name: changes.pop(name) for name in ("curve", "best_epoch") if name in changes}
        values = changes.pop("values", None) or ([] if test is None else [auc(test)])
        settings = {**SETTINGS, "train.lr": lr, "train.refit": refit}
        key = key_of(settings=settings | changes.pop("settings", {}), **changes)
        non_default = {"train.lr": lr, "train.epochs": 5}
        store.write_record(record_of(key, valid=valid, select=select, non_default=non_default, **trained))
        if values:
            store.add_evaluation(key, evaluation_of(key, *values))
        return key.digest

    return write


def chosen(rows: list[LeaderboardRow]) -> set[str]:
    return {row.run for row in rows if row.chosen}


def test_validation_chooses_and_not_the_test_rows(store: Store, put: Put) -> None:
    good = put(0.8, 0.70, lr=0.1)
    lucky = put(0.7, 0.90, lr=0.2)
    rows = collect_rows(store)
    assert chosen(rows) == {good}
    by_run = {row.run: row for row in rows}
    assert by_run[good].best and not by_run[lucky].best
    assert by_run[good].settings_tried == 2


def test_the_mean_over_seeds_chooses(store: Store, put: Put) -> None:
    steady = [put(0.75, 0.7, lr=0.1, seed=seed) for seed in (0, 1)]
    put(0.8, 0.7, lr=0.2, seed=0)
    put(0.6, 0.7, lr=0.2, seed=1)
    (row,) = [row for row in collect_rows(store) if row.chosen]
    assert set(row.runs) == set(steady) and row.valid == 0.75


def test_runs_that_were_not_evaluated_count_as_tried_and_are_not_chosen(store: Store, put: Put) -> None:
    evaluated = put(0.7, 0.7, lr=0.1)
    put(0.9, None, lr=0.2)
    (row,) = collect_rows(store)
    assert row.run == evaluated and row.chosen and row.settings_tried == 2


def test_refit_is_a_method_of_its_own_and_no_further_setting(store: Store, put: Put) -> None:
    runs = {put(0.7, 0.7, refit=refit) for refit in (False, True)}
    rows = collect_rows(store)
    assert chosen(rows) == runs and {row.settings_tried for row in rows} == {1}


@pytest.mark.parametrize(
    "other",
    [
        {"loss": "bce"},
        {"backbone": "mf"},
        {"feedback": ("click",)},
        {"fingerprint": "e" * 16},
        {"settings": {"sampler.name": "uniform"}},
    ],
)
def test_methods_choose_apart(store: Store, put: Put, other: dict[str, Any]) -> None:
    runs = {put(0.7, 0.7, lr=0.1), put(0.8, 0.7, lr=0.2, **other)}
    assert chosen(collect_rows(store)) == runs


def test_values_of_different_selection_metrics_do_not_compare(store: Store, put: Put) -> None:
    by_recall = put(0.3, 0.7, lr=0.1, select="recall@20")
    put(0.2, 0.7, lr=0.2, select="recall@20")
    by_hits = put(0.9, 0.7, lr=0.3, select="hr@5")
    assert chosen(collect_rows(store)) == {by_recall, by_hits}


def test_a_metric_counts_the_runs_that_were_selected_for_what_it_measures(store: Store, put: Put) -> None:
    recall = auc(0.6, metric="ndcg@20", signature="ndcg@20; candidates=catalogue(10)")
    values = [auc(0.7), recall, auc(0.1, metric="gini@10")]
    by_recall = put(0.3, None, lr=0.1, select="recall@20", values=values)
    by_auc = put(0.9, None, lr=0.3, select="auc", values=values)
    alone = put(0.9, None, lr=0.3, select="auc", values=[recall], loss="bce")
    rows = collect_rows(store)
    found = {metric: chosen([row for row in rows if row.metric == metric]) for metric in {row.metric for row in rows}}
    assert found == {"auc": {by_auc}, "ndcg@20": {by_recall, alone}, "gini@10": {by_recall, by_auc}}
    (dataset,) = arrange(worth_showing(collect_rows(store), metrics_asked=False))
    own = {method.loss: dataset.own_settings(method) for method in dataset.tried}
    assert own == {"gnolr": "lr=0.3 by auc, lr=0.1 by recall@20, select=auc+recall@20", "bce": "lr=0.3, select=auc"}
    (answer,) = answers([dataset])
    assert (answer.row.run, answer.selected_otherwise) == (alone, True)  # of equal values the names decide
    assert dataset.selection().startswith("selected by auc+recall@20: each metric is of runs that one of its kind")


def test_a_method_that_two_metrics_selected_is_one_line(store: Store, put: Put) -> None:
    ranked, found = auc(0.7), auc(0.6, metric="recall@20", signature=CATALOGUE)
    by_auc = put(0.9, None, lr=0.3, values=[ranked, found])
    by_recall = put(0.3, None, lr=0.1, select="recall@20", values=[ranked, found])
    put(0.9, None, values=[ranked], loss="bce")
    put(0.9, None, select="recall@20", values=[found], loss="bce", settings={"sampler.name": "uniform"})
    rows = collect_rows(store)
    (dataset,) = arrange(worth_showing(rows, metrics_asked=False))
    lines = list(dataset.tables["click"].methods.items())
    assert [method.loss for method, _ in lines] == ["bce", "gnolr", "bce"]  # another sampler is another method
    assert {column.metric: row.run for column, row in lines[1][1].items()} == {"auc": by_auc, "recall@20": by_recall}
    (dataset,) = arrange(rows)
    cells = [
        list(cells.values()) for method, cells in dataset.tables["click"].methods.items() if method.loss == "gnolr"
    ]
    assert sorted([row.chosen for row in of_line] for of_line in cells) == [[False], [False], [True, True]]


def test_one_metric_that_selected_all_is_said_beside_those_it_says_little_of(store: Store, put: Put) -> None:
    put(0.9, None, values=[auc(0.7), auc(0.6, metric="recall@20", signature=CATALOGUE)])
    (dataset,) = arrange(collect_rows(store))
    assert dataset.selection() == "selected on validation by auc, not by recall@20"
    assert markdown(collect_rows(store)).count("selected on validation by auc, not by recall@20") == 1
    assert "Selected on validation by auc, not by recall@20." in latex(collect_rows(store))


def test_a_dataset_is_shown_as_it_is_alone_and_a_method_in_every_setting(run: Run, put: Put) -> None:
    good, poor = put(0.8, 0.70, lr=0.1), put(0.7, 0.60, lr=0.2)
    elsewhere = put(0.8, 0.50, split="user", fingerprint="e" * 16)
    put(0.8, 0.9, loss="item-knn", backbone="baseline")
    shown = run("leaderboard", "synthetic").out
    assert "0.7000" in shown and "0.6000" not in shown and "0.5000" in shown and "item-knn" in shown
    assert {row["run"] for row in run("leaderboard", "gnolr", "--json").json} == {good, poor, elsewhere}
    words = " ".join(run("leaderboard", "gnolr").out.split())
    assert words.count("(best of 2)") == 1 and "best of N: on validation rows, of the N settings" in words
    assert "item-knn" in run("runs", "synthetic/random").out and "item-knn" not in run("runs", "gnolr").out


def test_which_baseline_is_beaten_by_what_learned_from_validation_rows_too(store: Store, put: Put) -> None:
    put(0.8, 0.4, loss="bce")
    put(0.8, 0.5, loss="bce", refit=True)
    put(0.8, 0.6, loss="item-knn", backbone="baseline")
    put(0.8, 0.7, loss="slim", backbone="baseline", refit=True)
    (dataset,) = arrange(collect_rows(store))
    (table,) = dataset.tables.values()
    assert dataset.notes(table)[1].endswith("slim (for refit=true) in auc (a); item-knn in auc (a)")


def test_what_is_shown(store: Store, put: Put) -> None:
    values = [
        auc(0.7),
        auc(0.1, metric="ece"),
        auc(0.6, metric="recall@20", signature=CATALOGUE),
        auc(0.6, metric="recall@20", signature="recall@20; dialect=RecBole 1.2.1"),
        auc(0.6, metric="recall@20", signature="recall@20; candidates=sampled(100, seed 0)"),
        auc(0.5, metric="ece", feedback="buy"),
    ]
    put(0.8, None, lr=0.1, values=values)
    put(0.7, None, lr=0.2, values=values)
    rows = collect_rows(store)
    shown = worth_showing(rows, metrics_asked=False)
    assert sorted((row.metric, row.feedback) for row in shown) == [
        ("auc", "click"),
        ("ece", "buy"),
        ("recall@20", "click"),
    ]
    assert {row.signature for row in shown if row.metric == "recall@20"} == {CATALOGUE}
    note = note_of_hidden(rows, shown)
    assert note.endswith("not shown: 1 further setting of these methods and 2 further metrics")
    assert len(worth_showing(rows, metrics_asked=True)) == 6
    assert note_of_hidden(shown, shown) == ""


def test_runs_that_were_still_rising_are_called_provisional_once(store: Store, put: Put) -> None:
    def remarks() -> list[str]:
        return arrange(collect_rows(store))[0].remarks

    curve = [{"epoch": number, "loss": 0.5, "metric": 0.7, "seconds": 1.5, "slots": 9} for number in (1, 2, 3)]
    put(0.9, 0.7, loss="ease", backbone="baseline")
    put(0.9, 0.7, loss="bce", curve=curve, best_epoch=2)
    assert remarks() == []
    put(0.9, 0.6, curve=curve, best_epoch=3)
    said = "provisional, as still rising when training ended: gnolr × twintower"
    assert remarks() == [said]
    rows = collect_rows(store)
    assert markdown(rows).count(said) == latex(rows).count("Provisional, as still rising when training ended") == 1
    assert html(store, rows).count(f'<p class="dim">P{said[1:]}.</p>') == 1
    put(0.8, 0.7, loss="bce", curve=curve, best_epoch=3, seed=1)  # of one seed is enough
    assert remarks() == ["provisional, as still rising when training ended: all trained methods"]


def test_settings_of_all_stand_once(store: Store, put: Put) -> None:
    put(0.8, 0.7, lr=0.1)
    put(0.8, 0.6, lr=0.1, loss="bce")
    put(0.8, 0.5, lr=0.2, loss="bpr")
    put(0.9, 0.5, lr=0.3, loss="item-knn", backbone="baseline")
    (dataset,) = arrange(collect_rows(store))
    assert dataset.shared_settings == "epochs=5"
    own = {method.loss: dataset.own_settings(method) for method in dataset.tried}
    assert own == {"gnolr": "lr=0.1", "bce": "lr=0.1", "bpr": "lr=0.2", "item-knn": "lr=0.3, epochs=5"}


def test_the_number_of_settings_stands_beside_the_best(store: Store, put: Put) -> None:
    for number in range(3):
        put(number / 10, 0.5, lr=0.1 + number)
    (dataset,) = arrange(worth_showing(collect_rows(store), metrics_asked=False))
    ((method, _),) = dataset.tried.items()
    assert dataset.own_settings(method) == "lr=2.1, epochs=5 (best of 3)"


def test_the_command_shows_the_chosen_unless_all_are_asked_for(run: Run, put: Put) -> None:
    put(0.8, 0.7123, lr=0.1)
    put(0.7, 0.9456, lr=0.2)
    told = run("leaderboard")
    assert "0.7123" in told.out and "0.9456" not in told.out
    assert "--all shows them" in " ".join(told.out.split())
    everything = run("leaderboard", "--all")
    assert "0.9456" in everything.out and "--all" not in everything.out
    assert {row["chosen"] for row in run("leaderboard", "--json").json} == {True, False}
    assert "0.9456" not in run("leaderboard", "--format", "markdown").out


def test_latex(store: Store, put: Put) -> None:
    for seed, value in enumerate((0.7, 0.8)):
        put(0.8, value, lr=0.1, seed=seed)
    put(0.8, 0.6, lr=0.1, loss="my_loss")
    text = latex(collect_rows(store), "a note")
    assert r"my\_loss $\times$ twintower &  & 0.6000 \\" in text
    assert r"gnolr $\times$ twintower &  & \textbf{0.7500} {\scriptsize $\pm$ 0.0707} \\" in text
    assert r"All trained methods: lr=0.1, epochs=5." in text and "mean over 1--2 seeds" in text
    assert "Bold: the best mean of a column" in text and r"\downarrow$: worse" not in text
    marked = latex([msgspec.structs.replace(row, below="item-knn") for row in collect_rows(store)])
    assert r"$\downarrow$: worse than the best baseline.}" in marked
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert text.endswith("% a note\n")


def test_columns_beside_the_metrics_are_chosen(
    store: Store, put: Put, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(0.8, 0.7, lr=0.1)
    put(0.8, 0.6, lr=0.1, loss="bce")
    first, second = collect_rows(store)
    rows = [first, msgspec.structs.replace(second, to_best_low=-0.12, to_best_high=-0.08)]
    text = latex(rows, beside=["interval", "seeds"])
    assert r"bce $\times$ twintower & 0.6000 {\scriptsize $[-0.1200, -0.0800]$} & 1 \\" in text
    assert r"\begin{tabular}{lrr}" in text and r"95\,\% interval of the difference" in text
    lines = markdown(rows, beside=["interval"])
    assert "| bce | twintower | 0.6000 \\[-0.1200, -0.0800\\] |" in lines
    assert "\nin brackets: the 95 % interval of the difference" in lines and "in brackets" not in markdown(rows)
    monkeypatch.setenv("RECBENCH_RESULTS", str(store.root))
    assert "| loss | backbone | auc (a) |" in run("leaderboard", "--format", "markdown", "--columns", "none").out
    assert "did you mean `seeds`" in run("leaderboard", "--format", "latex", "--columns", "seed").err
    assert "--columns is for the board itself" in run("leaderboard", "--columns", "time").err


def test_latex_of_any_text() -> None:
    assert escaped("a_b & 5% {x}\\^~#$") == r"a\_b \& 5\% \{x\}\textbackslash{}\textasciicircum{}\textasciitilde{}\#\$"
    assert "\n" not in escaped("a\nb")


def test_what_the_page_says_first(store: Store, put: Put) -> None:
    recall = {"metric": "recall@20", "signature": CATALOGUE}
    put(0.8, None, lr=0.1, values=[auc(0.7), auc(0.3, **recall), auc(0.5, feedback="buy")])
    put(0.8, None, lr=0.1, loss="bce", values=[auc(0.8), auc(0.2, **recall)])
    found = [
        (a.column.feedback, a.column.metric, a.row.loss, a.methods, a.tested)
        for a in answers(arrange(collect_rows(store)))
    ]
    assert found == [("click", "recall@20", "gnolr", 2, False), ("click", "auc", "bce", 2, False)]


def test_a_method_is_not_said_to_be_like_itself(store: Store, put: Put) -> None:
    """Runs selected by another metric, or refit, are lines of their own and the same method."""
    put(0.8, 0.7, lr=0.1)
    put(0.8, 0.7, lr=0.1, refit=True)
    put(0.8, 0.6, lr=0.1, loss="bce")
    (answer,) = answers(arrange(collect_rows(store)))
    assert answer.row.loss == "gnolr" and answer.alike == () and answer.methods == 2


def baseline(put: Put, test: float | None, **changes: Any) -> str:
    settings = {"train.select": changes.get("select", "auc")}
    return put(
        changes.pop("valid", 0.5), test, **{"loss": "ease", "backbone": "baseline", "settings": settings} | changes
    )


def test_a_baseline_stands_once_tuned_as_the_trained_methods_beside_it(store: Store, put: Put) -> None:
    kept = baseline(put, 0.6, select="recall@20")
    tuned_by_auc = baseline(put, 0.7, select="auc")
    trained = {put(0.5, 0.5, loss=loss, select="recall@20") for loss in ("bce", "bpr")}
    assert chosen(collect_rows(store)) == {kept, *trained}
    by_auc = put(0.5, 0.5, loss="gnolr", select="auc")  # the metric of the column
    assert chosen(collect_rows(store)) == {tuned_by_auc, *trained, by_auc}


@pytest.mark.parametrize(
    ("trained", "expected"), [((False,), {"plain"}), ((True,), {"refit"}), ((False, True), {"plain", "refit"})]
)
def test_a_baseline_learned_from_the_rows_of_trained_methods(
    store: Store, put: Put, trained: tuple[bool, ...], expected: set[str]
) -> None:
    runs = {"plain": baseline(put, 0.6), "refit": baseline(put, 0.7, refit=True)}
    for refit in trained:
        put(0.5, 0.5, loss="bce", refit=refit)
    shown = {row.run for row in collect_rows(store) if row.chosen and row.loss == "ease"}
    assert shown == {runs[name] for name in expected}


def test_without_trained_methods_baselines_stand_as_most_of_them_are(store: Store, put: Put) -> None:
    baseline(put, 0.6)
    kept = {baseline(put, 0.7, loss=loss, refit=True) for loss in ("ease", "slim")}
    only_plain = baseline(put, 0.5, loss="popularity")  # which there is no other line of
    assert chosen(collect_rows(store)) == {*kept, only_plain}


def test_a_baseline_is_not_lost_from_a_column_that_its_usual_run_lacks(store: Store, put: Put) -> None:
    usual = baseline(put, None, select="recall@20", values=[auc(0.2, metric="recall@20", signature=CATALOGUE)])
    other = baseline(put, 0.7, select="auc")
    put(0.5, None, loss="bce", select="recall@20", values=[auc(0.5), auc(0.3, metric="recall@20", signature=CATALOGUE)])
    rows = [row for row in collect_rows(store) if row.chosen and row.loss == "ease"]
    assert {(row.run, row.metric) for row in rows} == {(usual, "recall@20"), (other, "auc")}
