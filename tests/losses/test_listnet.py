"""ListNet in closed form."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from tests.losses.by_hand import batch, loss, sigmoid, tensor, towers

SCORES, LABELS = [2.0, 1.0, 0.0, -1.0], [1.0, 0.0, 1.0, 0.0]
SOFTMAX = [exp(y) / (2 * exp(1) + 2) for y in LABELS]
SHARE = [1 / 2, 0, 1 / 2, 0]


@pytest.mark.parametrize(
    ("settings", "target", "scores"),
    [
        ({}, SOFTMAX, SCORES),
        ({"target": "share"}, SHARE, SCORES),
        ({"squash": True}, SOFTMAX, [sigmoid(score) for score in SCORES]),
    ],
)
def test_listnet(settings: dict[str, object], target: list[float], scores: list[float]) -> None:
    total = log(sum(exp(score) for score in scores))
    expected = -sum(share * (score - total) for share, score in zip(target, scores, strict=True))
    assert float(loss("listnet", **settings)(towers([SCORES]), batch([LABELS]))) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("target", ["softmax", "share"])
def test_a_list_of_padding_alone_does_not_count(target: str) -> None:
    inner = tensor([SCORES, SCORES]).requires_grad_()
    value = loss("listnet", target=target)(towers(inner), batch([LABELS] * 2, [[True] * 4, [False] * 4]))
    alone = loss("listnet", target=target)(towers([SCORES]), batch([LABELS]))
    assert float(value.detach()) == pytest.approx(float(alone), abs=1e-12)
    value.backward()
    assert inner.grad is not None
    assert inner.grad.isfinite().all() and not inner.grad[1].any()
    nothing = loss("listnet", target=target)(towers([SCORES]), batch([LABELS], [[False] * 4]))
    assert torch.equal(nothing, torch.zeros_like(nothing))
