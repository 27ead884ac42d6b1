"""NCL against hand-checked values and plain loops."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from recbench.losses.building_blocks.contrast import sum_against_all
from recbench.losses.ncl import NCL
from tests.losses import by_loops
from tests.losses.graph_views import model_of, products_of_a_step, value


def test_structure_of_two_users_among_three() -> None:
    layer = torch.tensor(
        [[0.8944271909999159, 0.4472135954999579], [0.19611613513818402, 0.9805806756909201], [1.0, 1.0]]
    )
    free = torch.tensor([[1.0, 0.0], [0.4472135954999579, 0.8944271909999159], [-(0.5**0.5), 0.5**0.5]])
    found = sum_against_all(layer, free, torch.tensor([0, 1]), torch.tensor([True, True]), torch.tensor(0.1))
    assert float(found) == pytest.approx(0.3454390532819988, abs=1e-6)


def test_value_before_there_are_clusters() -> None:
    model, batch = model_of("ncl", structure=0.3, prototype=0.5, alpha=0.7, temperature=0.2)
    found, towers = value(model, batch)
    (whole,) = towers.views
    expected = by_loops.bpr(towers)
    for one, other, rows, weight in (
        (whole.layer(2).user, whole.layer(0).user, batch.user, 1.0),
        (whole.layer(2).item, whole.layer(0).item, batch.item[:, 0], 0.7),
    ):
        every = list(range(len(one)))
        expected += 0.3 * weight * by_loops.info_nce(one[:, 0], other[:, 0], rows.tolist(), every, 0.2)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_run_that_ends_before_the_prototypes_says_so() -> None:
    note = "prototypes start after loss.warmup=1 epochs; training that ends before has none"
    model, _ = model_of("ncl", clusters=4, warmup=1)
    model.start_epoch(1)
    assert model.loss.notes == [note]
    model.start_epoch(2)
    assert model.loss.notes == []
    for never_waits in ({"warmup": 0}, {"prototype": 0.0}):
        assert model_of("ncl", clusters=4, **never_waits)[0].loss.notes == []


def test_value_with_clusters() -> None:
    model, batch = model_of("ncl", structure=0, prototype=0.5, alpha=0.7, temperature=0.2, clusters=4, warmup=1)
    loss = model.loss
    assert isinstance(loss, NCL)
    assert value(model, batch)[0] == pytest.approx(by_loops.bpr(value(model, batch)[1]), rel=1e-5)
    model.start_epoch(2)
    found, towers = value(model, batch)
    free = towers.views[0].layer(0)
    expected = by_loops.bpr(towers)
    for vectors, groups, rows, weight in (
        (free.user[:, 0], loss.of_users, batch.user, 1.0),
        (free.item[:, 0], loss.of_items, batch.item[:, 0], 0.7),
    ):
        centres = groups.centres.tolist()
        for row in rows.tolist():
            vector = vectors[row].tolist()
            distance = [sum((a - b) ** 2 for a, b in zip(vector, centre, strict=True)) for centre in centres]
            nearest = min(range(4), key=distance.__getitem__)
            cosines = [by_loops.cosine(vector, centre) / 0.2 for centre in centres]
            expected += 0.5 * weight * (log(sum(map(exp, cosines))) - cosines[nearest])
    assert found == pytest.approx(expected, rel=1e-4)


def test_centres_are_placed_when_they_are_due() -> None:
    model, batch = model_of("ncl", warmup=1, refresh=2, clusters=3)
    loss = model.loss
    assert isinstance(loss, NCL)
    centres = []
    for epoch in (1, 2, 3, 4):
        model.start_epoch(epoch)
        loss.step(model.backbone, batch, model.optimizer)
        centres.append(loss.of_users.centres.clone())
    assert not bool(centres[0].any()) and bool(centres[1].any())
    assert torch.equal(centres[1], centres[2]) and not torch.equal(centres[2], centres[3])


def test_no_more_clusters_than_there_are_users_or_items() -> None:
    loss = model_of("ncl")[0].loss
    assert isinstance(loss, NCL)
    assert (len(loss.of_users.centres), len(loss.of_items.centres)) == (30, 40)


def test_one_propagation_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_of_a_step(*model_of("ncl"), monkeypatch) == 3
