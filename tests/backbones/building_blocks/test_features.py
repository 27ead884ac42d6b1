"""Embeddings of features: bags, dense vectors, and the squeeze-and-excitation gate over fields."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from recbench.backbones.base import BACKBONES, Backbone
from recbench.backbones.building_blocks.features import Features
from recbench.data.dataset import Dataset, Table
from recbench.data.manifest import Column
from tests.backbones.rich_features import loop_fields, loop_linear, rich_dataset, rich_table
from tests.conftest import make_dataset


def test_bags_are_averaged_over_their_members() -> None:
    columns = (Column("id", "categorical", 3, 1), Column("tags", "bag", 4, 3))
    table = Table(columns, torch.tensor([[1, 2, 3, 0], [2, 0, 0, 0]], dtype=torch.int32), seen=2)
    features = Features(table, embedding=2)
    of_tag = features.table[3:].detach()  # after the three ids of `id`
    out = features(torch.tensor([0, 1])).detach()
    torch.testing.assert_close(out[0, 2:], (of_tag[2] + of_tag[3]) / 2)
    assert (out[1, 2:] == 0).all()


def made(name: str, data: Dataset) -> Backbone:
    torch.manual_seed(0)
    return BACKBONES.get(name)(data, 2, False, dim=4, senet=True)  # type: ignore[call-arg]


def test_gated_values_by_plain_loops() -> None:
    table = rich_table(12)
    torch.manual_seed(0)
    features = Features(table, embedding=2, senet=True)
    assert features.gate is not None and table.dense is not None
    first, second = (weight.detach() for weight in features.gate.parameters())
    assert first.shape == (2, 4)  # four fields, the dense vector being one, narrowed to one half
    with torch.no_grad():  # so that some narrow units are above zero
        first.copy_(torch.tensor([[1.0, -2.0, 0.5, 3.0], [-1.0, 0.5, 2.0, 1.0]]))
    expected = []
    for row in range(12):
        fields = [*loop_fields(features, table, row), table.dense[row].tolist()]
        narrow = [max(0.0, v) for v in loop_linear(first, [sum(field) / len(field) for field in fields])]
        factors = [1 / (1 + math.exp(-v)) for v in loop_linear(second, narrow)]
        expected.append([v * factor for field, factor in zip(fields, factors, strict=True) for v in field])
    torch.testing.assert_close(features(torch.arange(12)).detach(), torch.tensor(expected))


def test_without_a_gate_features_are_only_concatenated() -> None:
    table = rich_table(12)
    features = Features(table, embedding=2)
    assert features.gate is None and table.dense is not None
    single = features.table[[1 + 4, 19 + int(table.value[4, 4])]].detach()  # 13 ids of `id`, 6 of `tags`
    out = features(torch.tensor([4]))[0].detach()
    assert torch.equal(out[:2], single[0])
    assert torch.equal(out[4:6], single[1])
    assert torch.equal(out[6:], table.dense[4])
    assert list(features.state_dict()) == ["table"]


@pytest.mark.parametrize("data", [make_dataset(), rich_dataset()], ids=["ids", "dense"])
@pytest.mark.parametrize("name", ["twintower", "mmoe"])
def test_every_entity_has_its_own_gate(name: str, data: Dataset) -> None:
    backbone = made(name, data)
    users = torch.arange(30)
    item = torch.tensor([[0]])
    whole = backbone(users, item).user
    shuffled = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(backbone(users[shuffled], item).user, whole[shuffled])
    alone = torch.cat([backbone(user[None], item).user for user in users])
    torch.testing.assert_close(alone, whole)


def test_factors_differ_between_entities_and_lie_between_0_and_1() -> None:
    features = Features(rich_table(12), 2, senet=True)
    plain = Features(rich_table(12), 2)
    plain.load_state_dict({"table": features.table})
    rows = torch.arange(12)
    factor = features(rows)[:, 0] / plain(rows)[:, 0]
    assert ((factor > 0) & (factor < 1)).all()
    assert factor.unique().numel() > 6


@pytest.mark.parametrize("name", ["twintower", "mmoe"])
def test_the_gradient_reaches_every_parameter_of_the_gate(name: str) -> None:
    backbone = made(name, rich_dataset())
    backbone(torch.arange(30), torch.arange(30)[:, None]).logit.square().sum().backward()
    zero = [key for key, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]
    assert not zero
    assert any("gate.2" in key for key, _ in backbone.named_parameters())


def test_a_single_field_keeps_a_gate() -> None:
    table = Table((Column("id", "categorical", 4, 1),), torch.tensor([[1], [2], [3]], dtype=torch.int32), seen=3)
    features = Features(table, 2, senet=True)
    assert isinstance(features.gate, nn.Sequential)
    assert features(torch.arange(3)).shape == (3, 2)
    assert features.gate[0].weight.shape == (1, 1)
