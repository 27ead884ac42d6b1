"""Progressive layered extraction against values by hand and by plain loops, and the models that it contains."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.backbones.base import create
from recbench.backbones.mmoe import MMoE
from recbench.backbones.ple import PLE, Extraction
from recbench.backbones.twintower import TwinTower
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from tests.backbones.rich_features import loop_linear, rich_dataset
from tests.backbones.test_mmoe import leaky, softmax


def test_a_level_by_hand() -> None:
    """A task's gate over its own and the shared expert, with slopes of 0.01 in place of rectification."""
    level = Extraction(2, 2, towers=1, specific=1, shared=1, last=True)
    with torch.no_grad():
        for parameter in level.parameters():
            parameter.zero_()
        level.specific[0].weight.copy_(torch.tensor([[0.5, 0.0], [0.0, 2.0]]))  # type: ignore[operator]
        level.shared.weight.copy_(torch.eye(2))  # type: ignore[union-attr]
        level.gates[0].weight.copy_(torch.eye(2))  # type: ignore[operator]
    x = torch.tensor([[1.0, -0.5]])
    own, _ = level(x[:, None], x)
    first, second = 0.8175744761936437, 0.18242552380635635
    assert own[0, 0].tolist() == pytest.approx([0.5912127619031782, -0.01 * (first * 1.0 + second * 0.5)], abs=1e-6)


def loop_experts(layer: torch.nn.Module, x: list[float], width: int) -> list[list[float]]:
    values = leaky(loop_linear(layer.weight, x, layer.bias))  # type: ignore[arg-type]
    return [values[e : e + width] for e in range(0, len(values), width)]


def loop_mix(gate: torch.nn.Module, x: list[float], experts: list[list[float]]) -> list[float]:
    weights = softmax(loop_linear(gate.weight, x))  # type: ignore[arg-type]
    return [sum(w * e[d] for w, e in zip(weights, experts, strict=True)) for d in range(len(experts[0]))]


def test_two_levels_by_plain_loops() -> None:
    torch.manual_seed(0)
    width, towers = 3, 2
    levels = [Extraction(4, width, towers, 2, 1, last=False), Extraction(width, width, towers, 2, 1, last=True)]
    x = torch.randn(1, 4)
    own, shared = x[:, None].expand(1, towers, 4), x
    plain = [x[0].tolist() for _ in range(towers + 1)]  # of each tower, and shared
    for level in levels:
        assert level.shared is not None
        specific = [loop_experts(layer, plain[k], width) for k, layer in enumerate(level.specific)]
        common = loop_experts(level.shared, plain[-1], width)
        mixtures = [loop_mix(level.gates[k], plain[k], [*specific[k], *common]) for k in range(towers)]
        if level.shared_gate is not None:
            mixtures.append(loop_mix(level.shared_gate, plain[-1], [*specific[0], *specific[1], *common]))
        plain = mixtures
        own, shared = level(own, shared)
    torch.testing.assert_close(own[0].detach(), torch.tensor(plain))


def copy(source: torch.nn.Module, target: torch.nn.Module) -> None:
    target.load_state_dict(source.state_dict())


def logits(backbone: PLE | MMoE | TwinTower) -> Tensor:
    return backbone(torch.arange(30), torch.arange(30)[:, None]).logit  # type: ignore[no-any-return]


def test_shared_experts_alone_are_a_mixture_of_experts(toy: Dataset) -> None:
    ple = PLE(toy, 2, False, dim=4, specific=0, shared=3, levels=1, width=8, hidden="6")
    mmoe = MMoE(toy, 2, False, dim=4, experts=3, width=8, hidden="6")
    for ours, theirs in ((ple.user_side, mmoe.user_side), (ple.item_side, mmoe.item_side)):
        (level,) = ours.levels
        copy(theirs.features, ours.features)
        copy(theirs.experts, level.shared)  # type: ignore[arg-type]
        copy(theirs.towers, ours.towers)
        for k, weight in enumerate(theirs.gates.weight.detach().split(3)):
            level.gates[k].load_state_dict({"weight": weight})  # type: ignore[index, union-attr]
    torch.testing.assert_close(logits(ple), logits(mmoe))


def test_one_expert_of_each_tower_is_a_twintower(toy: Dataset) -> None:
    ple = PLE(toy, 2, False, dim=4, specific=1, shared=0, levels=1, width=8, hidden="6")
    plain = TwinTower(toy, 2, False, dim=4, hidden="8-6")
    for ours, theirs in ((ple.user_side, plain.user_side), (ple.item_side, plain.item_side)):
        (level,) = ours.levels
        copy(theirs.features, ours.features)
        for k in range(2):
            copy(theirs.towers[k][0], level.specific[k])  # type: ignore[index, arg-type]
            copy(theirs.towers[k][2], ours.towers[k][0])  # type: ignore[index]
            copy(theirs.towers[k][4], ours.towers[k][2])  # type: ignore[index]
    torch.testing.assert_close(logits(ple), logits(plain))


@pytest.mark.parametrize(("specific", "shared", "levels"), [(2, 1, 2), (1, 0, 3), (0, 2, 2)])
def test_gradient_reaches_every_parameter(specific: int, shared: int, levels: int) -> None:
    torch.manual_seed(0)
    backbone = PLE(rich_dataset(), 3, True, specific=specific, shared=shared, levels=levels, width=16)
    logits_of = backbone(torch.arange(30), torch.arange(30)[:, None]).logit
    logits_of.square().sum().backward()
    without = {name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.any()}
    # Nothing reads the shared mixture where there are no shared experts, and one expert's gate is always 1.
    gates = {name for name in without if "gate" in name}
    assert without == gates and (bool(gates) == (shared == 0))


def test_there_must_be_an_expert(toy: Dataset) -> None:
    with pytest.raises(UsageError, match=r"backbone.specific=0 and backbone.shared=0: there is no expert"):
        create(PLE, toy, 1, False, {"specific": 0, "shared": 0})
