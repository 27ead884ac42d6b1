from __future__ import annotations

import pytest

from recbench.errors import UsageError
from recbench.plots.measured import labels, measured, runs_of
from recbench.results.store import Store
from tests.plots.conftest import Add


def test_runs_are_those_of_the_data_that_was_used_last(store: Store, add: Add) -> None:
    add(fingerprint="a" * 64, finished="2025-01-01T00:00:00+00:00")
    last = add(finished="2025-01-03T00:00:00+00:00")
    add(dataset="other", finished="2025-01-02T00:00:00+00:00")
    assert [record.key for record, _ in runs_of(store, None)] == [last.key]
    assert [record.key for record, _ in runs_of(store, "shop/global")] == [last.key]
    assert [record.key.dataset for record, _ in runs_of(store, "other")] == ["other"]
    with pytest.raises(UsageError, match="unknown dataset `shopp` of these runs; did you mean `shop`"):
        runs_of(store, "shopp")


def test_no_runs(store: Store) -> None:
    with pytest.raises(UsageError, match="no finished runs"):
        runs_of(store, "shop")


def test_values_of_one_definition_from_dense_to_sparse(store: Store, add: Add) -> None:
    first = add({("recall@5", "buy"): 0.2, ("recall@5", "view"): 0.1, ("recall@5", "view", "rare"): 0.9})
    second = add({("recall@5", "view"): 0.3, ("recall@5", "buy"): None}, seed=1)
    add({("recall@10", "view"): 0.4, ("recall@5", "view", "rare"): 0.8}, seed=2)
    view, buy = measured(runs_of(store, None), "recall@5", "test")
    assert (view.title, view.signature) == ("view", "usual")
    assert view.values == {first.key.digest: 0.1, second.key.digest: 0.3}
    assert buy.values == {first.key.digest: 0.2}
    assert [one.title for one in measured(runs_of(store, None), "recall@5/buy", "test")] == ["buy"]
    assert measured(runs_of(store, None), "ndcg@5", "test") == []
    with pytest.raises(UsageError, match="unknown metric `recal`"):
        measured(runs_of(store, None), "recal@5", "test")


def test_validation_values_are_means_over_the_feedback(store: Store, add: Add) -> None:
    several, single = add(valid=0.7), add(valid=0.6, feedback=("view",), loss="bce")
    add(valid=0.9, select="recall@20", seed=3)
    one, both = measured(runs_of(store, None), "auc", "valid")
    assert (one.title, one.values, one.axis) == ("view", {single.key.digest: 0.6}, "auc, validation rows")
    assert (both.title, both.values, both.axis) == ("view, buy", {several.key.digest: 0.7}, "mean auc, validation rows")
    assert [m.title for m in measured(runs_of(store, None), "auc/view", "valid")] == ["view"]


def test_labels_say_what_differs(add: Add) -> None:
    records = [add(), add(seed=1), add(**{"loss.scale": 4.0}), add(loss="bce"), add(loss="bce", feedback=("buy",))]
    named = labels(records)
    assert [named[record.key.group] for record in records] == [
        "gnolr × mf, scale=2.0",
        "gnolr × mf, scale=2.0",
        "gnolr × mf, scale=4.0",
        "bce × mf, feedback=view+buy",
        "bce × mf, feedback=buy",
    ]
    assert set(labels(records[:3], without="loss.scale").values()) == {"gnolr × mf"}
