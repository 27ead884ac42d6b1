"""Feature interactions against plain loops."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recbench.backbones.base import create
from recbench.backbones.mmfi import MMFI
from recbench.data.dataset import Dataset, Table
from recbench.data.manifest import Column
from recbench.errors import UsageError
from tests.backbones.rich_features import loop_fields, loop_linear, rich_dataset

SIZES = {"dim": 6, "bottom": 5, "middle": 2, "shared": 3, "specific": 2}


def softmax(values: list[float]) -> list[float]:
    total = sum(math.exp(v) for v in values)
    return [math.exp(v) / total for v in values]


def part(linear: Any, start: int, stop: int, x: list[float]) -> list[float]:
    """Return some outputs of a linear layer by plain loops."""
    return loop_linear(linear.weight[start:stop], x, linear.bias[start:stop])


def loop_attention(attention: Any, gates: nn.Linear, vectors: list[list[float]], tower: int) -> list[float]:
    """Return the weighted mean of P vectors for one tower: 3 shared experts, 2 specific ones, of 2 numbers each."""
    mixtures: list[float] = []
    for x in vectors:
        hidden = part(attention.bottom, 0, 5, x)
        experts = [part(attention.shared_experts, 2 * e, 2 * e + 2, hidden) for e in range(3)]
        first = tower * 4
        experts += [part(attention.specific_experts, first + 2 * e, first + 2 * e + 2, hidden) for e in range(2)]
        gate = softmax(part(gates, tower * 5, tower * 5 + 5, x))
        mixtures += [sum(gate[e] * experts[e][m] for e in range(5)) for m in range(2)]
    weight = softmax(part(attention.heads[tower], 0, len(vectors), mixtures))
    return [sum(w * x[d] for w, x in zip(weight, vectors, strict=True)) for d in range(3)]


@pytest.mark.parametrize("shared_gates", [False, True])
def test_values_by_plain_loops(shared_gates: bool) -> None:
    data = rich_dataset()
    torch.manual_seed(0)
    side = MMFI(data, 2, False, shared_gates=shared_gates, **SIZES).item_side  # type: ignore[arg-type]
    assert data.items.dense is not None and side.project is not None
    with torch.no_grad():
        side.bias.copy_(torch.tensor([[0.1, -0.2, 0.3], [0.4, 0.5, -0.6]]))
    gates = side.over_pairs.gates if shared_gates else side.over_fields.gates
    expected = []
    for row in range(5):
        fields = loop_fields(side.features, data.items, row)
        fields.append(part(side.project, 0, 6, data.items.dense[row].tolist()))
        pairs = [
            [w * a * b for a, b in zip(fields[f][:3], fields[g][:3], strict=True)]
            for w, (f, g) in zip(side.weight.tolist(), combinations(range(4), 2), strict=True)
        ]
        towers = []
        for k in range(2):
            of_pairs = loop_attention(side.over_pairs, side.over_pairs.gates, pairs, k)
            single = loop_attention(side.over_fields, gates, [field[3:] for field in fields], k)
            towers.append(of_pairs + [v + b for v, b in zip(single, side.bias[k].tolist(), strict=True)])
        expected.append(towers)
    torch.testing.assert_close(side(torch.arange(5)).detach(), torch.tensor(expected))


def test_gates_and_attention_sum_to_one() -> None:
    torch.manual_seed(0)
    attention = MMFI(rich_dataset(), 3, False).user_side.over_pairs
    vectors = torch.randn(7, 6, 16, generator=torch.Generator().manual_seed(0))
    gate, weight = attention.gate(vectors), attention.attention(vectors)
    assert gate.shape == (7, 6, 3, 6)
    assert weight.shape == (7, 3, 6)
    torch.testing.assert_close(gate.sum(-1), torch.ones(7, 6, 3))
    torch.testing.assert_close(weight.sum(-1), torch.ones(7, 3))
    assert (weight[:, 0] - weight[:, 1]).abs().max() > 0.01


@pytest.mark.parametrize("options", [{}, {"batch_norm": True}, {"shared_gates": True}])
def test_gradient_reaches_every_parameter(options: dict[str, bool]) -> None:
    torch.manual_seed(0)
    backbone = MMFI(rich_dataset(), 3, True, **options)
    target = torch.randn(30, 1, 3, generator=torch.Generator().manual_seed(0))
    (backbone(torch.arange(30), torch.arange(30)[:, None]).logit * target).sum().backward()
    assert not [key for key, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]


def test_shared_gates_save_the_parameters_of_one_gate_per_side() -> None:
    def count(shared_gates: bool) -> int:
        return sum(p.numel() for p in MMFI(rich_dataset(), 2, False, shared_gates=shared_gates).parameters())

    assert count(False) - count(True) == 2 * (16 + 1) * 2 * 6


def test_batch_norm_normalises_the_attention_over_the_batch() -> None:
    torch.manual_seed(0)
    attention = MMFI(rich_dataset(), 1, False, batch_norm=True).user_side.over_pairs
    vectors = torch.randn(50, 6, 16, generator=torch.Generator().manual_seed(0))
    log_weight = attention.attention(vectors)[:, 0].log().detach()
    attention.norms = None
    logit = attention.attention(vectors)[:, 0].log().detach()
    # Both logarithms are logits less a number per row, so only differences between pairs can be compared.
    raw = attention.heads[0](attention._mixtures(vectors)[:, :, 0].flatten(1)).detach()
    torch.testing.assert_close(logit.diff(), raw.diff())
    expected = (raw - raw.mean(0)) / (raw.var(0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(log_weight.diff(), expected.diff(), atol=1e-5, rtol=1e-4)


def test_batch_norm_takes_running_statistics_for_one_row_and_for_evaluation() -> None:
    torch.manual_seed(0)
    backbone = MMFI(rich_dataset(), 2, False, batch_norm=True)
    item = torch.tensor([[3], [4]])
    backbone(torch.tensor([0, 1]), item)  # moves the running statistics
    one = backbone(torch.tensor([0]), item[:1])
    users, items = backbone.eval().tables()
    torch.testing.assert_close(one.user[0], users[0])
    torch.testing.assert_close(one.item[0, 0], items[3])


def test_tables_limit_entities_times_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.backbones.mmfi.PAIRS_AT_ONCE", 63)
    backbone = MMFI(rich_dataset(), 1, False)  # six pairs on each side
    rows: list[int] = []

    def seen(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows.append(len(inputs[0]))

    backbone.item_side.register_forward_pre_hook(seen)
    _, items = backbone.tables()
    assert len(items) == 40
    assert max(rows) == 10


def test_one_feature_cannot_be_paired(toy: Dataset) -> None:
    table = Table((Column("id", "categorical", 31, 1),), toy.users.value[:, :1], seen=30)
    with pytest.raises(UsageError, match="pairs features, and users have 1; use twintower or mmoe instead"):
        MMFI(replace(toy, users=table), 1, False)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 7}, "backbone.dim=7: expected an even number"),
        ({"dim": 0}, "backbone.dim=0: expected at least 2"),
        ({"specific": 0}, "backbone.specific=0: expected at least 1"),
    ],
)
def test_bad_sizes(settings: dict[str, int], message: str, toy: Dataset) -> None:
    with pytest.raises(UsageError, match=message):
        create(MMFI, toy, 1, False, settings)
