"""The search of settings on validation."""

from __future__ import annotations

import json

import pytest

from recbench.baselines.base import BASELINES, FORMER_FIT, complete, defaults, recorded, restore
from recbench.home import results_home
from recbench.results.store import Store
from recbench.run import baseline_search
from recbench.run.baseline_search import Point, climb
from tests.conftest import Run

SPACE = {"a": (1, 2, 3, 4, 5), "b": (False, True), "c": (0.1, 0.5, 2.0)}


def hill(point: Point) -> float:
    return -((float(point["a"]) - 4) ** 2) + (2.0 if point["b"] else 0.0) - abs(float(point["c"]) - 0.5)


def test_it_climbs_to_the_top() -> None:
    best, value = climb({"a": 1, "b": False, "c": 2.0, "fixed": "x"}, SPACE, hill)
    assert best == {"a": 4, "b": True, "c": 0.5, "fixed": "x"} and value == 2.0


def test_it_goes_down_as_well_as_up_and_starts_between_the_values() -> None:
    best, _ = climb({"a": 5, "b": True, "c": 0.7}, SPACE, hill)
    assert best == {"a": 4, "b": True, "c": 0.5}


def test_it_moves_along_one_setting_while_that_is_for_the_better() -> None:
    asked: list[object] = []
    climb({"a": 1, "b": True, "c": 0.5}, SPACE, lambda point: asked.append(point["a"]) or hill(point))  # type: ignore[func-returns-value]
    assert asked[:5] == [1, 2, 3, 4, 5]


def test_it_ends_with_its_budget() -> None:
    left = [hill({"a": 1, "b": False, "c": 2.0}), hill({"a": 2, "b": False, "c": 2.0})]
    best, value = climb({"a": 1, "b": False, "c": 2.0}, SPACE, lambda point: left.pop(0) if left else None)
    assert best["a"] == 2 and value == hill(best)
    assert climb({"a": 1}, {"a": (1, 2)}, lambda point: None) == ({"a": 1}, None)


@pytest.mark.parametrize("name", BASELINES.names())
def test_every_value_of_a_space_can_be_used(name: str) -> None:
    usual = defaults(name)
    for setting, values in BASELINES.get(name).search.items():
        assert sorted(values) == list(values) and f"{name}.{setting}" in usual
        for value in values:
            assert restore(name, {**usual, f"{name}.{setting}": value})


@pytest.mark.parametrize("name", BASELINES.names())
def test_settings_that_did_not_exist_are_left_out_of_keys(name: str) -> None:
    former = {f"{name}.{setting}": value for setting, value in BASELINES.get(name).former.items()}
    former.update({f"train.{setting}": value for setting, value in FORMER_FIT.items()})
    assert former.keys() <= defaults(name).keys()
    old = {setting: value for setting, value in defaults(name).items() if setting not in former}
    assert recorded(name, {**old, **former}) == old and complete(name, old) == {**former, **old}
    changed = dict.fromkeys(former, "other")
    assert recorded(name, {**old, **changed}) == {**old, **changed}


def test_old_records_mean_what_they_meant() -> None:
    model = restore("item-knn", {"item-knn.k": 100, "train.refit": False})
    assert vars(model) == {"k": 100, "user_exponent": 0.0, "item_exponent": 0.5, "normalise": False, "shrink": 0.0}
    model = restore("ials", {"ials.factors": 64, "ials.l2": 50.0, "ials.alpha": 10.0, "ials.iterations": 15})
    assert vars(model)["frequency"] == 0.0


def words(run: Run, *more: str) -> tuple[list[dict[str, object]], str]:
    result = run("baselines", "--only", "item-knn", "--metric", "recall@5/view", "--json", *more)
    assert result.code == 0, result.err
    return result.json, result.err


def test_the_best_trial_on_validation_is_evaluated(prepared: Run) -> None:
    rows, err = words(prepared, "--budget", "1000", "--set", "item-knn.shrink=5", "--feedback", "view")
    store = Store(results_home())
    trials = [record for record, _ in store.runs()]
    best = store.find(str(rows[0]["run"]))
    assert len(trials) > 5 and best.valid == max(record.valid for record in trials)
    assert all(record.key.settings["item-knn.shrink"] == 5 for record in trials)
    assert f"item-knn: {len(trials)} trials, validation auc {best.valid:.4f} with item-knn." in err
    assert [record.key.digest for record, done in store.runs() if done] == [best.key.digest]
    (file,) = (results_home() / "sweeps").glob("*.json")
    sweep = json.loads(file.read_text())
    assert len(sweep["trials"]) == len(trials) and sweep["trials"][0]["runs"] == [best.key.digest]
    assert "--budget 0 --set item-knn" in sweep["commands"]["item-knn"]


def test_the_same_search_is_not_made_twice(prepared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    first = words(prepared, "--budget", "1000", "--feedback", "view")
    monkeypatch.setattr(baseline_search, "climb", lambda *_: pytest.fail("searched again"))
    assert words(prepared, "--budget", "1000", "--feedback", "view") == first


def test_a_search_learns_from_train_and_the_result_from_more(prepared: Run) -> None:
    rows, _ = words(prepared, "--budget", "1000", "--feedback", "view", "--set", "train.refit=true")
    store = Store(results_home())
    evaluated = store.find(str(rows[0]["run"]))
    others = [record for record, _ in store.runs() if record.key != evaluated.key]
    assert evaluated.key.settings["train.refit"] and not any(r.key.settings["train.refit"] for r in others)
    assert evaluated.valid == max(record.valid for record in others)
    assert evaluated.slots > others[0].slots


def test_the_validation_metric_can_be_chosen(prepared: Run) -> None:
    _, err = words(prepared, "--budget", "0.0001", "--set", "train.select=recall@3", "--feedback", "view")
    assert "item-knn: 1 trial, validation recall@3 0." in err
    (record,) = (record for record, _ in Store(results_home()).runs())
    assert record.select == "recall@3" and record.non_default == {"train.select": "recall@3"}
    result = prepared("baselines", "--only", "popularity", "--set", "train.select=logloss")
    assert result.code == 2 and "train.select=logloss: expected a metric where higher is better" in result.err


def test_a_spent_budget_leaves_the_defaults(prepared: Run) -> None:
    rows, err = words(prepared, "--budget", "0.0001", "--feedback", "view")
    assert "item-knn: 1 trial, validation auc" in err and err.rstrip().endswith("with the defaults")
    assert Store(results_home()).find(str(rows[0]["run"])).non_default == {}
