"""SelfCF: its value by hand, and the targets of its three forms."""

from __future__ import annotations

import pytest
import torch

from recbench.backbones.mf import MF
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset
from recbench.losses import base
from recbench.losses.base import LOSSES
from recbench.losses.building_blocks.selfcf import SelfCF
from recbench.losses.selfcf_he import SelfCFHE
from tests.conftest import make_dataset
from tests.losses.graph_views import model_of, products_of_a_step

PAIR = Batch(torch.tensor([3]), torch.tensor([[5]]), torch.ones(1, 1, 1))


def made(name: str, data: Dataset, **settings: object) -> tuple[SelfCF, MF]:
    torch.manual_seed(0)
    backbone = MF(data, 1, False, dim=2)
    loss = base.create(LOSSES.get(name), data.info, base.defaults(LOSSES.get(name)) | settings)  # type: ignore[arg-type]
    assert isinstance(loss, SelfCF)
    loss.prepare(backbone)
    with torch.no_grad():
        loss.predictor.weight.copy_(torch.eye(2))
        loss.predictor.bias.zero_()
        backbone.user_table[3], backbone.item_table[5] = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 1.0])
    return loss, backbone


def test_value_with_targets_by_hand() -> None:
    """q(u) = (1, 2) with i' = (1, 1), q(i) = (0, 1) with u' = (2, 1)."""
    loss, backbone = made("selfcf-he", make_dataset(tasks=1), momentum=0.5)
    assert isinstance(loss, SelfCFHE)
    loss.past_user[3], loss.past_item[5] = torch.tensor([3.0, 0.0]), torch.tensor([2.0, 1.0])
    value = loss(loss.encode(backbone, PAIR), PAIR)
    assert float(value.detach()) == pytest.approx(-0.6979484467752358, abs=1e-6)


def test_history_is_the_vector_of_the_last_visit_not_the_mixture() -> None:
    loss, backbone = made("selfcf-he", make_dataset(tasks=1), momentum=0.1)
    assert isinstance(loss, SelfCFHE)
    loss.past_user[3] = torch.tensor([2.0, 1.0])
    before, towers = loss.past_user.clone(), loss.encode(backbone, PAIR)
    of_user, _ = loss.targets(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 1.0]]), towers, PAIR)
    torch.testing.assert_close(of_user, torch.tensor([[0.2, 1.0]]))
    assert loss.past_user[3].tolist() == [0.0, 1.0] and loss.past_item[5].tolist() == [1.0, 1.0]
    changed = (loss.past_user != before).any(1).nonzero().flatten()
    assert changed.tolist() == [3]
    loss.eval()
    loss.targets(torch.tensor([[7.0, 7.0]]), torch.tensor([[7.0, 7.0]]), towers, PAIR)
    assert loss.past_user[3].tolist() == [0.0, 1.0]


def test_dropout_scales_what_it_leaves() -> None:
    loss, _ = made("selfcf-ed", make_dataset(tasks=1), drop=0.25)
    ones = torch.ones(400, 2)
    of_user, of_item = loss.targets(ones, ones, Towers(ones, ones), PAIR)
    for target in (of_user, of_item):
        torch.testing.assert_close(target.unique(), torch.tensor([0.0, 4 / 3]))
        assert float((target == 0).float().mean()) == pytest.approx(0.25, abs=0.06)
    assert not torch.equal(of_user, of_item)


def test_one_hop_ahead_is_the_product_with_the_graph() -> None:
    model, batch = model_of("selfcf-ep", drop=0.0)
    plain, ahead = model.loss.encode(model.backbone, batch).views
    graph = model.backbone.graph
    torch.testing.assert_close(ahead.vectors[:, 0], graph(plain.vectors[:, 0].detach()))  # type: ignore[operator]
    assert not ahead.vectors.requires_grad


def test_dropped_entries_scale_the_others_and_keep_degrees() -> None:
    model, batch = model_of("selfcf-ep", drop=0.3)
    torch.manual_seed(0)
    plain, ahead = model.loss.encode(model.backbone, batch).views
    torch.manual_seed(0)
    graph = model.backbone.graph
    whole = graph(torch.eye(70))  # type: ignore[operator]
    weights = torch.nn.functional.dropout(graph.weights, 0.3)  # type: ignore[union-attr,arg-type]
    left = torch.zeros(70, 70)
    left[graph.rows, graph.neighbours.long()] = weights  # type: ignore[union-attr,index,operator]
    torch.testing.assert_close(ahead.vectors[:, 0], left @ plain.vectors[:, 0].detach())
    kept = left > 0
    torch.testing.assert_close(left[kept], whole[kept] / 0.7)


def test_a_hop_more_than_a_propagation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_of_a_step(*model_of("selfcf-ep"), monkeypatch) == 3 + 1


@pytest.mark.parametrize("name", ["selfcf-he", "selfcf-ed"])
def test_targets_get_no_gradient(name: str) -> None:
    """With q zero the loss has a gradient by q alone: a target that had one would move the other side."""
    loss, backbone = made(name, make_dataset(tasks=1))
    with torch.no_grad():
        loss.predictor.weight.zero_()
        loss.predictor.bias.copy_(torch.tensor([1.0, 0.5]))
    loss(loss.encode(backbone, PAIR), PAIR).backward()
    assert loss.predictor.bias.grad is not None and bool(loss.predictor.bias.grad.any())
    assert backbone.user_table.grad is not None and not bool(backbone.user_table.grad.any())


def test_score_is_the_sum_of_both_predictions() -> None:
    loss, backbone = made("selfcf-ed", make_dataset(tasks=1))
    user, item = backbone.tables()
    of_user, of_item = loss.vectors(user, item)
    expected = (loss.predictor(user)[2] * item[7]).sum() + (user[2] * loss.predictor(item)[7]).sum()
    torch.testing.assert_close((of_user[2] * of_item[7]).sum(), expected)
