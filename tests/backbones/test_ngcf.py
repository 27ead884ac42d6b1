"""NGCF against published values and dense matrices, and what makes LightGCN of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.backbones.building_blocks.graph import normalised_graph
from recbench.backbones.ngcf import NGCF
from recbench.data.dataset import Dataset
from tests.backbones.test_lightgcn import dataset


def four_nodes(**settings: object) -> NGCF:
    """Two users and two items of the vectors 1 to 4, with W1 = 1, b1 = 0.5 and W2 = -0.1."""
    data = dataset(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2, 2)
    backbone = NGCF(data, 1, False, dim=1, layers=1, dropout=0.0, **settings)  # type: ignore[arg-type]
    with torch.no_grad():
        backbone.user_table.copy_(torch.tensor([[1.0], [2.0]]))
        backbone.item_table.copy_(torch.tensor([[3.0], [4.0]]))
        for layer, weight, bias in ((backbone.sums[0], 1.0, 0.5), (backbone.products[0], -0.1, 0.0)):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    return backbone


def test_the_released_form_on_four_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.backbones.ngcf.F.normalize", lambda vectors, dim: vectors)
    found = four_nodes(messages="released").propagate().vectors[:, 0].detach()
    expected = [3.1133333333333333, 3.38, 2.38, 2.646666666666667]
    torch.testing.assert_close(found, torch.tensor([[1.0, 2, 3, 4], expected]).T)


def dense(backbone: NGCF, data: Dataset) -> Tensor:
    """The paper's form by matrices, for one tower."""
    laplacian = normalised_graph(data).to_dense().double()
    layer = torch.cat([backbone.user_table, backbone.item_table]).double()
    parts = [layer]
    for sums, products in zip(backbone.sums, backbone.products, strict=True):
        messages = laplacian @ layer
        first = (laplacian + torch.eye(len(layer))) @ layer @ sums.weight[0].double() + sums.bias[0]
        second = (messages * layer) @ products.weight[0].double() + products.bias[0]
        layer = torch.where(first + second > 0, 1.0, 0.2) * (first + second)
        parts.append(layer / layer.norm(dim=1, keepdim=True))
    return torch.cat(parts, 1).detach()


def test_the_paper_s_form_by_dense_matrices(toy: Dataset) -> None:
    torch.manual_seed(0)
    backbone = NGCF(toy, 1, False, dim=4, layers=2).double().eval()
    users, items = backbone.tables()
    torch.testing.assert_close(torch.cat([users, items])[:, 0], dense(backbone, toy))


def test_each_tower_is_a_model_of_its_own(toy: Dataset) -> None:
    torch.manual_seed(0)
    both = NGCF(toy, 2, False, dim=3, layers=2).double().eval()
    for tower in range(2):
        one = NGCF(toy, 1, False, dim=3, layers=2).double().eval()
        with torch.no_grad():
            for name in ("user_table", "item_table"):
                one.get_parameter(name).copy_(both.get_parameter(name)[:, 3 * tower : 3 * tower + 3])
            for mine, theirs in ((one.sums, both.sums), (one.products, both.products)):
                for layer, other in zip(mine, theirs, strict=True):
                    layer.weight.copy_(other.weight[tower : tower + 1])
        torch.testing.assert_close(one.tables()[0][:, 0], both.tables()[0][:, tower])


def test_messages_are_dropped_in_training_alone(toy: Dataset) -> None:
    backbone = NGCF(toy, 1, False, dim=4, dropout=0.5)
    assert not torch.equal(backbone.propagate().vectors, backbone.propagate().vectors)
    assert float((backbone.propagate().vectors[..., 4:] == 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    backbone.eval()
    assert torch.equal(backbone.propagate().vectors, backbone.propagate().vectors)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own use of it
@pytest.mark.parametrize("messages", ["paper", "released"])
def test_gradients(messages: str) -> None:
    data = dataset(torch.tensor([0, 0, 1, 2, 2]), torch.tensor([0, 1, 1, 1, 2]), 3, 3)
    torch.manual_seed(0)
    backbone = NGCF(data, 2, False, dim=2, layers=2, messages=messages, std=1.0).double().eval()  # type: ignore[arg-type]
    user, item = torch.tensor([0, 2]), torch.tensor([[0, 1], [2, 1]])
    names = [name for name, _ in backbone.named_parameters()]

    def score(*values: Tensor) -> Tensor:
        out = torch.func.functional_call(backbone, dict(zip(names, values, strict=True)), (user, item))
        logit: Tensor = out.logit
        return logit

    assert torch.autograd.gradcheck(score, tuple(backbone.parameters()), check_forward_ad=True)
