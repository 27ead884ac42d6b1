"""The mixture of experts against values worked out by hand and by plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import create
from recbench.backbones.mmoe import MMoE
from recbench.backbones.twintower import TwinTower
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from tests.backbones.rich_features import loop_fields, loop_linear, rich_dataset
from tests.conftest import make_dataset


def leaky(values: list[float]) -> list[float]:
    return [v if v > 0 else 0.01 * v for v in values]


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


def test_values_by_plain_loops() -> None:
    data = rich_dataset()
    torch.manual_seed(0)
    backbone = MMoE(data, 2, False, dim=2, embedding=2, experts=3, width=4, hidden="5", init="linear")
    side = backbone.item_side
    assert data.items.dense is not None
    expected = []
    for row in range(6):
        x = [v for field in loop_fields(side.features, data.items, row) for v in field] + data.items.dense[row].tolist()
        hidden = leaky(loop_linear(side.experts.weight, x, side.experts.bias))
        experts = [hidden[e * 4 : e * 4 + 4] for e in range(3)]
        logits = loop_linear(side.gates.weight, x)
        towers = []
        for k, tower in enumerate(side.towers):
            gate = softmax(logits[k * 3 : k * 3 + 3])
            mixture = [sum(gate[e] * experts[e][j] for e in range(3)) for j in range(4)]
            inner = leaky(loop_linear(tower[0].weight, mixture, tower[0].bias))  # type: ignore[index]
            towers.append(loop_linear(tower[2].weight, inner, tower[2].bias))  # type: ignore[index]
        expected.append(towers)
    torch.testing.assert_close(side(torch.arange(6)).detach(), torch.tensor(expected))


def test_a_gate_by_hand(toy: Dataset) -> None:
    """Gate logits (2, 0) give (0.8807971, 0.1192029); experts (2, 0) and (0, 1) then mix to (1.761594, 0.1192029)."""
    side = MMoE(toy, 1, False, dim=2, embedding=1, experts=2, width=2, hidden="").user_side
    with torch.no_grad():
        side.features.table.fill_(1)
        side.gates.weight.copy_(torch.tensor([[1.5, 0.5], [1.0, -1.0]]))
        side.experts.weight.zero_()
        side.experts.bias.copy_(torch.tensor([2.0, 0.0, 0.0, 1.0]))
        side.towers[0][0].weight.copy_(torch.eye(2))  # type: ignore[index]
        side.towers[0][0].bias.zero_()  # type: ignore[index]
    user = toy.users.value[:, 1:].any(1).nonzero()[0]  # one with a tag, so that both its features are 1
    gate = side.gate(side.features(user))[0, 0].detach()
    torch.testing.assert_close(gate, torch.tensor([0.8807971, 0.1192029]))
    torch.testing.assert_close(side(user)[0, 0].detach(), torch.tensor([1.761594, 0.1192029]))


def test_one_expert_is_a_twintower_whose_first_layer_all_towers_share(toy: Dataset) -> None:
    mixture = MMoE(toy, 2, False, dim=4, experts=1, width=8, hidden="6")
    plain = TwinTower(toy, 2, False, dim=4, hidden="8-6")
    for ours, theirs in ((mixture.user_side, plain.user_side), (mixture.item_side, plain.item_side)):
        theirs.features.load_state_dict(ours.features.state_dict())
        for k in range(2):
            theirs.towers[k][0].load_state_dict(ours.experts.state_dict())  # type: ignore[index]
            theirs.towers[k][2].load_state_dict(ours.towers[k][0].state_dict())  # type: ignore[index]
            theirs.towers[k][4].load_state_dict(ours.towers[k][2].state_dict())  # type: ignore[index]
    user, item = torch.arange(30), torch.arange(30)[:, None]
    torch.testing.assert_close(mixture(user, item).logit, plain(user, item).logit)


def test_gates_sum_to_one_and_differ_between_towers(toy: Dataset) -> None:
    torch.manual_seed(0)
    side = MMoE(toy, 3, False).user_side
    gate = side.gate(side.features(torch.arange(30)))
    assert gate.shape == (30, 3, 8)
    torch.testing.assert_close(gate.sum(-1), torch.ones(30, 3))
    assert (gate[:, 0] - gate[:, 1]).abs().max() > 0.1


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    backbone = MMoE(rich_dataset(), 3, True)
    backbone(torch.arange(30), torch.arange(30)[:, None]).logit.square().sum().backward()
    assert not [key for key, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]


def test_initial_weights(toy: Dataset) -> None:
    torch.manual_seed(0)
    published = MMoE(toy, 2, False).item_side
    assert published.experts.weight.std().item() == pytest.approx(1, abs=0.02)
    assert published.gates.weight.std().item() == pytest.approx(1, abs=0.1)
    assert published.experts.bias.min() >= 0
    assert published.experts.bias.mean().item() == pytest.approx(0.5, abs=0.02)
    usual = MMoE(toy, 2, False, init="linear").item_side
    bound = 1 / math.sqrt(usual.features.output)
    assert all(weight.abs().max() <= bound for weight in (usual.experts.weight, usual.experts.bias, usual.gates.weight))


def test_tables_work_in_small_blocks() -> None:
    backbone = MMoE(make_dataset(users=5000), 1, False, width=2)
    rows: list[int] = []

    def seen(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows.append(len(inputs[0]))

    backbone.user_side.register_forward_pre_hook(seen)
    users, _ = backbone.tables()
    assert len(users) == 5000
    assert max(rows) == 4096


@pytest.mark.parametrize("setting", ["dim", "embedding", "experts", "width"])
def test_sizes_must_be_positive(setting: str, toy: Dataset) -> None:
    with pytest.raises(UsageError, match=rf"backbone\.{setting}=0: expected at least 1"):
        create(MMoE, toy, 1, False, {setting: 0})


def test_hidden_must_be_widths(toy: Dataset) -> None:
    with pytest.raises(UsageError, match=r"backbone\.hidden=128,64: expected widths joined by -"):
        MMoE(toy, 1, False, hidden="128,64")
