"""LightGCL: its view by hand, and both of its readings against plain loops."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, log1p

import pytest
import torch

from recbench.backbones.building_blocks.views import LowRank, Propagation
from recbench.batch import Encoding
from recbench.inspect.loss_trial import Trial
from recbench.training.model import Model
from tests.losses import by_loops
from tests.losses.by_loops import dot
from tests.losses.graph_views import DATA, model_of, products_of_a_step, value


def test_view_by_hand() -> None:
    """U = (0.6, 0.8)', S = 0.9, V = (0.5, 0.7, 0.5)', two users and three items."""
    view = LowRank(1)
    view.of_user, view.of_item = torch.tensor([[0.6], [0.8]]) * 0.9, torch.tensor([[0.5], [0.7], [0.5]])
    free = torch.tensor([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])[:, None]
    found = view.encode(None, Encoding(free, 2, (free, free)))  # type: ignore[arg-type]
    of_users, of_items = found.layer(1).user[:, 0], found.layer(1).item[:, 0]
    torch.testing.assert_close(of_users, torch.tensor([[0.54, 0.648], [0.72, 0.864]]))
    torch.testing.assert_close(of_items, torch.tensor([[0.495, 0.135], [0.693, 0.189], [0.495, 0.135]]))
    torch.testing.assert_close(found.vectors, (free + found.layers[1]) / 2)


def test_of_full_rank_it_is_the_graph_itself() -> None:
    model, batch = model_of("lightgcl", rank=min(len(DATA.users), len(DATA.items)))
    plain, low = value(model, batch)[1].views
    torch.testing.assert_close(low.vectors, plain.vectors, atol=1e-4, rtol=1e-4)


def test_its_product_is_the_best_of_its_rank() -> None:
    """What remains has the other singular values, as numpy's exact decomposition finds them."""
    backbone = model_of("lightgcl")[0].backbone
    users, dense = len(DATA.users), model_of("lightgcl")[0].backbone.graph(torch.eye(70))  # type: ignore[operator]
    torch.manual_seed(0)
    view = LowRank(5)
    view.prepare(backbone)
    rest = dense[:users, users:] - view.of_user @ view.of_item.T
    sizes = torch.linalg.svdvals(dense[:users, users:].detach())
    assert float(rest.detach().norm()) == pytest.approx(float(sizes[5:].norm()), rel=0.02)


def test_nodes_without_neighbours_have_no_direction() -> None:
    """Of exact zeros rounding makes tiny vectors, which cosines would take for as long as any."""
    label = DATA.train.label.clone()
    label[(DATA.train.item < 3) | (DATA.train.user == 4)] = 0
    data = replace(DATA, train=replace(DATA.train, label=label))
    backbone = Trial("lightgcl").model(data, "lightgcn").backbone
    view = LowRank(5)
    view.prepare(backbone)
    assert not view.of_item[:3].any() and not view.of_user[4].any()
    assert view.of_item[3:].any(1).all()


def bpr_of_sums(model: Model, logits: list[list[float]], layers: int) -> float:
    return sum(log1p(exp((negative - positive) * layers**2)) for positive, negative in logits) / len(logits)


def test_value_of_the_paper() -> None:
    model, batch = model_of("lightgcl", weight=0.7, temperature=0.3)
    found, towers = value(model, batch)
    plain, low = towers.views
    each = [by_loops.contrast_with_all(plain.layer(k), low.layer(k), batch, 0.3) for k in (1, 2, 3)]
    expected = bpr_of_sums(model, towers.logit[..., 0].tolist(), 4) + 0.7 * sum(each)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_value_of_the_released_code(scale: float) -> None:
    """With large vectors most products of positive pairs lie beyond 5."""
    model, batch = model_of("lightgcl", weight=0.7, temperature=0.3, reading="released")
    with torch.no_grad():
        for table in model.backbone.parameters():
            table.mul_(scale)
    found, towers = value(model, batch)
    plain, low = towers.views
    expected = bpr_of_sums(model, towers.logit[..., 0].tolist(), 4)
    for key, query, rows in (
        (plain.user[:, 0] * 4, low.user[:, 0] * 4, batch.user.tolist()),
        (plain.item[:, 0] * 4, low.item[:, 0] * 4, batch.item.flatten().tolist()),
    ):
        one, other, total = query.tolist(), key.tolist(), 0.0
        for row in rows:
            among = sum(exp(dot(one[row], each) / 0.3) for each in other)
            total += log(among) - min(max(dot(one[row], other[row]) / 0.3, -5), 5)
        expected += 0.7 * total / len(rows)
    assert found == pytest.approx(expected, rel=1e-5)


def test_one_propagation_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_of_a_step(*model_of("lightgcl"), monkeypatch) == 3


def test_a_low_rank_view_needs_a_first_one() -> None:
    model, batch = model_of("lightgcl")
    with pytest.raises(AssertionError, match="needs a first view"):
        model.backbone.encode_views(batch, [model.loss.low_rank, Propagation()])  # type: ignore[list-item]
