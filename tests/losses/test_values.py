"""Values of the losses worked out independently, in closed form or by other code."""

from __future__ import annotations

from math import log

import pytest
import torch

from recbench.batch import Towers
from recbench.data.dataset import Info
from tests.losses.by_hand import SINGLE, batch, loss, rows, sigmoid, softplus, towers


@pytest.mark.parametrize(("weight", "expected"), [(1.0, 0.6352986734460687), (2.0, 0.9953460980863676)])
def test_bce(weight: float, expected: float) -> None:
    value = loss("bce", SINGLE, pos_weight=weight)(towers(rows([2, -1, 0.5, -2])), batch(rows([1, 1, 0, 0])))
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_bpr() -> None:
    value = loss("bpr", SINGLE)(towers([[[2], [1]], [[0.5], [1.5]]]), batch([[[1], [0]], [[1], [0]]]))
    assert float(value) == pytest.approx(0.8132616875182228, abs=1e-12)


def test_bpr_leaves_out_masked_negatives() -> None:
    value = loss("bpr", SINGLE)(
        towers([[[2], [1], [50]], [[0.5], [1.5], [7]]]),
        batch([[[1], [0], [0]]] * 2, [[True, True, False], [True, True, False]]),
    )
    assert float(value) == pytest.approx(0.8132616875182228, abs=1e-12)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 1.7091311199311905),
        ({"target": "share"}, 1.4401896985611953),
        ({"squash": True}, 1.3686725339977244),
    ],
)
def test_listnet(settings: dict[str, object], expected: float) -> None:
    of_list, labels = [[2, 1, 0, -1]], [[1, 0, 1, 0]]
    value = loss("listnet", SINGLE, **settings)(towers(of_list), batch(labels))
    assert float(value) == pytest.approx(expected, abs=1e-9)


MULTITASK = [[[1.0, 0.5]], [[0.2, -0.3]], [[-0.8, 0.4]], [[-1.2, -1.0]]]
CLICK_PAY = [[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]]


@pytest.mark.parametrize(("name", "expected"), [("nsb", 0.9501232146881082), ("esmm", 0.7173166377889417)])
def test_multitask(name: str, expected: float) -> None:
    info = Info(10, 10, rates=(0.5, 0.25), feedback=("click", "pay"))
    assert float(loss(name, info)(towers(MULTITASK), batch(CLICK_PAY))) == pytest.approx(expected, abs=1e-12)


def test_esmm_weights_positives_per_feedback() -> None:
    info = Info(10, 10, rates=(0.5, 0.25), feedback=("click", "pay"))
    plain = loss("esmm", info)(towers(MULTITASK), batch(CLICK_PAY))
    weighted = loss("esmm", info, pos_weight="1,3")(towers(MULTITASK), batch(CLICK_PAY))
    paid = softplus(-1.0) + softplus(-0.5)  # -log(p1 p2) of the only row with pay
    assert float(weighted - plain) == pytest.approx(2 * paid / 4, abs=1e-12)


def test_gnolr_with_one_feedback() -> None:
    info = Info(10, 10, rates=(0.29242834 / 1.29242834,))
    value = loss("gnolr", info)(towers(rows([0.8, 0.3, -0.2, -0.6])).affine(2.57, 0.0), batch(rows([1, 1, 0, 0])))
    assert float(value) == pytest.approx(0.3833277266415622, abs=1e-8)


def test_gnolr_with_one_feedback_is_bce_on_shifted_logits() -> None:
    cosine = torch.linspace(-1, 1, 9, dtype=torch.float64).tolist()
    labels = batch(rows([float(i % 3 == 0) for i in range(9)]))
    gnolr = loss("gnolr", SINGLE)
    value = gnolr(towers(rows(cosine)).affine(2.57, 0.0), labels)
    bce = loss("bce", SINGLE)(towers(rows(cosine)).affine(2.57, -float(gnolr.threshold[0])), labels)
    assert float(value) == pytest.approx(float(bce), abs=1e-12)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_gnolr_is_the_sum_of_its_subtasks(level: int) -> None:
    """Subtask t is ordinal regression on min(level, t), its top class being `at least t`."""
    info = Info(10, 10, rates=(0.3, 0.05, 0.01), feedback=("view", "cart", "buy"))
    gnolr = loss("gnolr", info)
    logit, a = [0.7, -0.4, 0.3], gnolr.threshold.tolist()
    p = [1.0] + [sigmoid(sum(logit[: c + 1]) - a[c]) for c in range(3)]
    expected = 0.0
    for t in (1, 2, 3):
        reached = min(level, t)
        expected -= log(p[reached] if reached == t else p[reached] - p[reached + 1])
    labels = [1.0 if c < level else 0.0 for c in range(3)]
    assert float(gnolr(towers([[logit]]), batch([[labels]]))) == pytest.approx(expected, abs=1e-6)


def test_gnolr_takes_the_highest_feedback_of_a_row_that_is_not_nested() -> None:
    info = Info(10, 10, rates=(0.3, 0.05), feedback=("like", "follow"))
    gnolr, logit = loss("gnolr", info), towers([[[0.2, 0.1]]])
    assert float(gnolr(logit, batch([[[0.0, 1.0]]]))) == float(gnolr(logit, batch([[[1.0, 1.0]]])))


def test_gnolr_stays_finite_and_points_the_right_way_above_the_gap() -> None:
    """The released code gives NaN, and gradients that push the second cosine further up."""
    info = Info(10, 10, rates=(0.0333, 0.00815), feedback=("cart", "buy"))
    inner = torch.tensor([[[0.2, 0.75]]], dtype=torch.float64, requires_grad=True)
    value = loss("gnolr", info)(Towers(torch.empty(0), torch.empty(0), pair=inner).affine(2.0, 0.0), batch([[[1, 0]]]))
    value.backward()
    assert value.isfinite()
    assert inner.grad is not None
    assert float(inner.grad[0, 0, 1]) > 0
