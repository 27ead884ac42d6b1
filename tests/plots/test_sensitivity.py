from __future__ import annotations

import pytest

from recbench.errors import UsageError
from recbench.plots import noise, quality_time
from recbench.plots.curves import curves
from recbench.plots.measured import runs_of
from recbench.plots.sensitivity import panels
from recbench.plots.series import Point
from recbench.results.store import Store
from tests.plots.conftest import Add


def test_a_line_is_of_runs_that_differ_in_the_setting_alone(store: Store, add: Add) -> None:
    for scale, seed, value in [(4.0, 0, 0.8), (1.0, 0, 0.6), (1.0, 1, 0.7), (2.0, 0, 0.5)]:
        add({("auc", "view"): value}, seed=seed, **{"loss.scale": scale})
    add({("auc", "view"): 0.99}, **{"loss.scale": 8.0, "train.lr": 0.1})
    add({("auc", "view"): 0.4}, loss="bce")
    (panel,) = panels(runs_of(store, None), "loss.scale", "auc")
    (line,) = panel.lines
    assert (panel.title, panel.x, panel.y, line.label) == ("view", "loss.scale", "auc, test rows", "gnolr × mf")
    assert [(p.x, p.seeds) for p in line.points] == [(1.0, 2), (2.0, 1), (4.0, 1)]
    assert [p.mean for p in line.points] == pytest.approx([0.65, 0.5, 0.8])
    assert line.points[0].sd == pytest.approx(0.005**0.5) and line.points[1].sd is None


def test_one_line_per_loss_the_longest_then_the_best(store: Store, add: Add) -> None:
    for lr, scales in [(0.01, (1.0, 2.0)), (0.1, (1.0, 2.0)), (0.2, (1.0, 2.0))]:
        for scale in scales:
            add({("auc", "buy"): 0.5 + lr * scale}, **{"loss.scale": scale, "train.lr": lr})
    (panel,) = panels(runs_of(store, None), "loss.scale", "auc")
    assert [line.label for line in panel.lines] == ["gnolr × mf, lr=0.2"]
    for scale in (1.0, 2.0, 3.0):
        add({("auc", "buy"): 0.1}, **{"loss.scale": scale, "train.lr": 0.3})
    (panel,) = panels(runs_of(store, None), "loss.scale", "auc")
    assert [line.label for line in panel.lines] == ["gnolr × mf, lr=0.3"]


def test_trials_without_test_values_are_compared_on_validation(store: Store, add: Add) -> None:
    add({("auc", "view"): 0.9}, valid=0.5)
    add(valid=0.6, **{"loss.scale": 3.0})
    (panel,) = panels(runs_of(store, None), "loss.scale", "auc")
    assert (panel.y, panel.title) == ("mean auc, validation rows", "view, buy")
    assert panel.lines[0].points == [Point(2.0, 0.5, None, 1), Point(3.0, 0.6, None, 1)]


def test_values_that_are_no_numbers(store: Store, add: Add) -> None:
    for word in ("1", "10,100", "1,5"):
        add({("auc", "view"): 0.5}, **{"loss.pos_weight": word})
    (panel,) = panels(runs_of(store, None), "loss.pos_weight", "auc")
    assert panel.order == ("1", "1,5", "10,100")


def test_nothing_to_draw(store: Store, add: Add) -> None:
    add({("auc", "view"): 0.9})
    add({("auc", "view"): 0.9}, **{"loss.scale": 3.0})
    runs = runs_of(store, None)
    with pytest.raises(UsageError, match="unknown setting `loss.scal` of these runs; did you mean `loss.scale`"):
        panels(runs, "loss.scal", "auc")
    with pytest.raises(UsageError, match="no two runs differ in backbone.dim alone"):
        panels(runs, "backbone.dim", "auc")
    with pytest.raises(UsageError, match="no run has values of ndcg@5; run `recbench eval --metric ndcg@5"):
        panels(runs, "loss.scale", "ndcg@5")


NOISY = {"": 0.8, "pos=0.5": 0.7, "neg=0.5": 0.6, "pos=0.5,neg=0.5": 0.4}


def test_noise_from_none_to_most(store: Store, add: Add) -> None:
    for word, value in NOISY.items():
        add({("auc", "view"): value}, **{"train.noise": word})
        add({("auc", "view"): value + 0.1}, loss="bpr", **{"train.noise": word})
    add({("auc", "view"): 0.3}, loss="lost", **{"train.noise": "pos=1"})
    (panel,) = noise.panels(runs_of(store, None), "auc", drop=False)
    assert panel.order == ("none", "pos 0.5", "neg 0.5", "pos 0.5\nneg 0.5")
    assert {line.label: [p.mean for p in line.points] for line in panel.lines} == {
        "bpr × mf": pytest.approx([0.9, 0.8, 0.7, 0.5]),
        "gnolr × mf": pytest.approx([0.8, 0.7, 0.6, 0.4]),
    }
    (panel,) = noise.panels(runs_of(store, None), "auc", drop=True)
    assert [p.mean for p in panel.lines[1].points] == pytest.approx([0, 12.5, 25, 50])


def test_no_noise(store: Store, add: Add) -> None:
    add({("auc", "view"): 0.9})
    with pytest.raises(UsageError, match="no run was trained with noise"):
        noise.panels(runs_of(store, None), "auc", drop=False)
    for word in ("pos=1", "neg=1"):
        add({("auc", "view"): 0.9}, loss="bce", **{"train.noise": word})
    with pytest.raises(UsageError, match="no method was trained without noise too"):
        noise.panels(runs_of(store, None), "auc", drop=True)


def test_quality_against_time(store: Store, add: Add) -> None:
    for seed, (value, seconds) in enumerate([(0.5, 10.0), (0.7, 30.0)]):
        add({("auc", "view"): value}, seed=seed, seconds=seconds)
    add({("auc", "view"): 0.9}, loss="bce", seconds=5.0, device_name="a GPU")
    add(loss="bpr", seconds=1.0)
    runs = runs_of(store, None)
    (cloud,) = quality_time.clouds(runs, "auc")
    best, other = cloud.methods
    assert (best.label, best.seconds.mean, best.value.mean) == ("bce × mf", 5.0, 0.9)
    assert (other.seconds.mean, other.value.mean, other.value.seeds) == (20.0, pytest.approx(0.6), 2)
    assert (other.seconds.sd, other.value.sd) == (pytest.approx(200**0.5), pytest.approx(0.02**0.5))
    assert quality_time.devices(runs) == ["a GPU", "cpu"]
    with pytest.raises(UsageError, match="no run has values of mrr@5"):
        quality_time.clouds(runs, "mrr@5")


def test_curves(add: Add) -> None:
    first, second = add(curve=[0.5, 0.7, 0.6]), add(seed=1, curve=[0.4])
    found = curves([first, second])
    assert [(c.label, c.epochs, c.values) for c in found] == [
        ("gnolr × mf", [1, 2, 3], [0.5, 0.7, 0.6]),
        ("gnolr × mf", [1], [0.4]),
    ]
    with pytest.raises(UsageError, match=r"chose their epochs by auc and recall@20"):
        curves([first, add(seed=2, select="recall@20")])
