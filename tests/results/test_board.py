from __future__ import annotations

import math

import pytest
from msgspec.structs import asdict

from recbench.errors import UsageError
from recbench.results.leaderboard_rows import LeaderboardRow, collect_rows

FIELDS = (  # what CSV, JSON and Parquet are read by
    *("dataset", "split", "fingerprint", "loss", "backbone", "settings", "metric", "feedback", "mean", "sd", "seeds"),
    *("values", "seconds", "curve", "signature", "run", "runs", "trained_on", "best", "compared", "bound", "tested"),
    "below",
    "select",
    "valid",
    "chosen",
    "settings_tried",
    "refit",
    "to_best_low",
    "to_best_high",
    "still_rising",
)
FIXED = {"loss.logit": "fixed", "loss.scale": 2.0}


def only(rows: list[LeaderboardRow], **wanted: object) -> LeaderboardRow:
    found = [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


def test_mean_and_sd_over_seeds_by_hand(store, add, make_value):
    keys = [add(make_value(value), seed=seed) for seed, value in enumerate((0.5, 0.6, 0.8))]
    (row,) = collect_rows(store)
    mean = (0.5 + 0.6 + 0.8) / 3
    variance = ((0.5 - mean) ** 2 + (0.6 - mean) ** 2 + (0.8 - mean) ** 2) / 2
    assert row.mean == pytest.approx(mean, abs=1e-15)
    assert row.sd == pytest.approx(math.sqrt(variance), abs=1e-15)
    assert row.seeds == 3
    assert row.runs == [key.digest for key in sorted(keys, key=lambda key: f"s{key.seed}")]
    assert row.run == keys[0].digest
    assert tuple(asdict(row)) == FIELDS
    assert row.trained_on == ["click", "buy"]


def test_time_and_curve_are_means_over_seeds(store, make_key, make_record, make_evaluation, make_value):
    for seed, (seconds, metrics) in enumerate(((10.0, (0.5, 0.7)), (40.0, (0.6, 0.9, 0.8)))):
        curve = [{"epoch": n, "loss": 1.0, "metric": m, "seconds": n, "slots": n} for n, m in enumerate(metrics, 1)]
        key = make_key(seed=seed)
        store.write_record(make_record(key, seconds=seconds, curve=curve))
        store.add_evaluation(key, make_evaluation(key, make_value(0.5 + seed)))
    (row,) = collect_rows(store)
    assert row.seconds == 25
    assert row.curve == pytest.approx([0.55, 0.8])  # as far as both of them went
    assert row.values == [0.5, 1.5]


def test_one_seed_has_no_spread(store, add, make_value):
    add(make_value(0.5))
    (row,) = collect_rows(store)
    assert (row.mean, row.sd, row.seeds, row.best, row.bound) == (0.5, None, 1, True, None)


def test_different_signatures_never_merge(store, add, make_value):
    add(make_value(0.5), make_value(0.9, signature="auc|ties:no"), seed=0)
    add(make_value(0.7), seed=1)
    rows = collect_rows(store)
    assert only(rows, signature="auc|ties:half").mean == pytest.approx(0.6)
    assert only(rows, signature="auc|ties:no").mean == 0.9
    assert [row.best for row in rows] == [True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "other"},
        {"split": "time"},
        {"fingerprint": "e"},
        {"loss": "bce"},
        {"backbone": "mf"},
        {"settings": {"loss.scale": 3.0}},
        {"device": "cuda"},
        {"feedback": ("click",)},
        {"sources": {"mine.py": "0123456789ab"}},
    ],
    ids=str,
)
def test_only_seeds_are_averaged(store, add, make_value, change):
    add(make_value(0.5))
    add(make_value(0.7), seed=1, **change)
    assert sorted((row.mean, row.seeds) for row in collect_rows(store)) == [(0.5, 1), (0.7, 1)]


def test_the_newest_evaluation_of_a_run_counts(store, add, make_evaluation, make_value):
    key = add(make_value(0.5), make_value(0.1, feedback="buy"))
    for year, value in (("2026", 0.7), ("2024", 0.6)):
        when = f"{year}-01-01T00:00:00.000000+00:00"
        store.add_evaluation(key, make_evaluation(key, make_value(value), when=when))
    rows = collect_rows(store)
    assert only(rows, feedback="click").mean == 0.7
    assert only(rows, feedback="buy").mean == 0.1
    assert [row.seeds for row in rows] == [1, 1]


@pytest.mark.parametrize("name", ["logloss", "brier"])
def test_higher_is_better_unless_the_signature_says_lower(store, add, make_value, name):
    loss = {"metric": name, "signature": f"{name}; rows=test; better=lower; data=x"}
    add(make_value(0.5), make_value(0.3, **loss), loss="bce")
    add(make_value(0.6), make_value(0.4, **loss), loss="bpr")
    add(make_value(0.6), loss="cce")
    rows = collect_rows(store)
    assert [(row.metric, row.loss, row.best) for row in rows] == [
        ("auc", "bpr", True),
        ("auc", "cce", True),
        ("auc", "bce", False),
        (name, "bce", True),
        (name, "bpr", False),
    ]


def test_a_ratio_is_best_near_one(store, add, make_value):
    ratio = {"metric": "pcoc", "signature": "pcoc; rows=test; predicted/observed; better=1; data=x"}
    for loss, value in (("bce", 0.5), ("bpr", 1.25), ("cce", 2.1), ("dro", 0.0)):
        add(make_value(value, **ratio), loss=loss)
    assert [row.loss for row in collect_rows(store)] == ["bpr", "bce", "cce", "dro"]


def test_numbers_on_different_data_do_not_compete(store, add, make_value):
    add(make_value(0.5), loss="bce")
    add(make_value(0.6), loss="bpr", fingerprint="e")
    assert [row.best for row in collect_rows(store)] == [True, True]


def test_undefined_values_are_last_and_never_best(store, add, make_value):
    add(make_value(None), loss="bce", seed=0)
    add(make_value(0.9), loss="bce", seed=1)
    add(make_value(0.5), loss="bpr")
    bpr, bce = collect_rows(store)
    assert (bpr.loss, bpr.best) == ("bpr", True)
    assert (bce.mean, bce.sd, bce.seeds, bce.best) == (None, None, 2, False)


def test_bounds_reach_every_row_of_the_same_column(store, add, make_value):
    add(make_value(0.5), bound=(make_value(0.9),), loss="bce")
    add(make_value(0.6), make_value(0.6, signature="other"), loss="bpr")
    rows = collect_rows(store)
    assert [row.bound for row in rows if row.signature == "auc|ties:half"] == [0.9, 0.9]
    assert only(rows, signature="other").bound is None


def test_labels_tell_the_settings_apart(store, add, make_value):
    add(make_value(0.5), settings=FIXED)
    changed = {"loss.logit": "learned", "loss.clip": True}
    add(make_value(0.6), settings=FIXED | changed, non_default=changed)
    both = {"loss.dim": 2, "backbone.dim": 4}
    add(make_value(0.7), settings=FIXED | both, non_default=both)
    assert [row.settings for row in collect_rows(store)] == [
        "loss.dim=2, backbone.dim=4",
        "logit=learned, clip=true",
        "",
    ]


def test_rows_that_would_look_alike_say_what_differs(store, add, make_value):
    add(make_value(0.9), settings=FIXED, device="cpu")
    add(make_value(0.8), settings=FIXED, device="cuda")
    add(make_value(0.7), settings=FIXED | {"loss.scale": 3.0}, device="cpu", feedback=("click",))
    assert [row.settings for row in collect_rows(store)] == [
        "trained_on=click+buy, device=cpu, loss.scale=2.0",
        "trained_on=click+buy, device=cuda, loss.scale=2.0",
        "trained_on=click, device=cpu, loss.scale=3.0",
    ]


def test_feedback_from_dense_to_sparse_and_metrics_by_number(store, add, make_value):
    values = [
        make_value(0.5, metric=metric, feedback=feedback)
        for metric in ("recall@100", "recall@50", "auc")
        for feedback in ("buy", "click")
    ]
    add(*values, loss="bce", feedback=("buy",))
    add(*values, loss="bpr")
    rows = collect_rows(store)
    assert [(row.feedback, row.metric) for row in rows[::2]] == [
        (feedback, metric) for feedback in ("click", "buy") for metric in ("auc", "recall@50", "recall@100")
    ]


def test_filters(store, add, make_value):
    gauc = make_value(0.4, metric="gauc")
    add(make_value(0.5), gauc, make_value(0.3, feedback="buy"))
    add(make_value(0.6), dataset="other")
    assert {row.dataset for row in collect_rows(store, dataset="other")} == {"other"}
    shown = collect_rows(store, dataset="synthetic", metrics=["gauc", "auc"])
    assert [(row.metric, row.feedback) for row in shown] == [
        ("gauc", "click"),
        ("auc", "click"),
        ("auc", "buy"),
    ]
    shown = collect_rows(store, metrics=["auc/buy"])
    assert [(row.metric, row.feedback) for row in shown] == [("auc", "buy")]


def test_unknown_names_are_told_with_the_nearest(store, add, make_value):
    add(make_value(0.5))
    with pytest.raises(UsageError, match="unknown dataset `syntetic` of these runs; did you mean `synthetic`"):
        collect_rows(store, dataset="syntetic")
    with pytest.raises(UsageError, match="unknown metric `gauc` of these runs; did you mean `auc`"):
        collect_rows(store, metrics=["gauc"])
    with pytest.raises(UsageError, match="unknown metric `auc/clik` of these runs; did you mean `auc/click`"):
        collect_rows(store, metrics=["auc/clik"])


def test_an_empty_board_says_what_to_run(store, make_key, make_record):
    with pytest.raises(UsageError, match="no runs to compare; run `recbench train`, then `recbench eval`"):
        collect_rows(store)
    store.write_record(make_record(make_key()))
    for dataset in (None, "synthetic"):
        with pytest.raises(UsageError, match="no run was evaluated yet; run `recbench eval`"):
            collect_rows(store, dataset)
