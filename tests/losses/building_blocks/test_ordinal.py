"""What the ordinal regressions have in common: the likelihood of every level, and its gradient."""

from __future__ import annotations

from math import log

import pytest
import torch

from recbench.backbones.mf import MF
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, create, defaults
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from tests.losses.by_hand import SINGLE, batch, loss
from tests.losses.ordinal_rows import NESTED, info, of, of_level, probabilities, random_rows, value


@pytest.mark.parametrize("name", ["gnolr-v0", "gnolr-v1", "neural-olr"])
@pytest.mark.parametrize(("tasks", "level"), [(t, k) for t in (1, 2, 3, 4) for k in range(t + 1)])
def test_likelihood_of_each_level(name: str, tasks: int, level: int) -> None:
    p = probabilities(name, tasks, scale=1.3)
    assert value(name, level, tasks, 1.3) == pytest.approx(-log(p[level] - p[level + 1]), abs=1e-6)


@pytest.mark.parametrize("name", [*NESTED, "gnolr-l"])
def test_with_one_feedback_all_are_bce_on_shifted_logits(name: str) -> None:
    inner, labels = random_rows(1)
    settings = {"list_weight": 0.0} if name == "gnolr-l" else {}
    made = loss(name, SINGLE, **settings)
    assert isinstance(made, OrdinalLoss)
    assert float(made.threshold) == pytest.approx(log(3), abs=1e-6)
    bce = loss("bce", SINGLE)(of(inner, 2.57).affine(2.57, -made.threshold.item()), labels)
    torch.testing.assert_close(made(of(inner, 2.57), labels), bce, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", NESTED)
def test_probabilities_of_the_levels_sum_to_one(name: str) -> None:
    inner, _ = random_rows(3)
    logit = 0.5 * (inner[..., :1] if name == "neural-olr" else inner)
    made = loss(name, info(3))
    nothing = torch.empty(0)
    total = torch.zeros(len(logit), dtype=torch.float64)
    variant = made if name != "gnolr" else loss("gnolr-v1", info(3))
    for level in range(4):
        for row in range(len(logit)):
            label = torch.tensor(of_level(level, 3), dtype=torch.float64)
            total[row] += (-variant(of(logit[row : row + 1]), Batch(nothing, nothing, label))).exp()
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NESTED)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    inner, labels = random_rows(3, count=8)
    made = loss(name, info(3))
    own = (inner[..., :1] if name == "neural-olr" else inner).clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda logit: made(of(logit, 1.2), labels), (own,), atol=1e-7)


@pytest.mark.parametrize("name", ["gnolr", "gnolr-v0", "gnolr-v1"])
def test_an_impossible_order_of_probabilities_still_points_the_right_way(name: str) -> None:
    near = Info(10, 10, rates=(0.0333, 0.00815), feedback=("cart", "buy"))
    inner = torch.tensor([[[-0.9, 0.95]]], dtype=torch.float64, requires_grad=True)
    result = loss(name, near)(of(inner, 5.0), batch([[[1.0, 0.0]]]))
    result.backward()
    assert result.isfinite()
    assert inner.grad is not None
    assert float(inner.grad[0, 0, 1]) > 0
    assert float(inner.grad[0, 0, 0]) < 0 or name == "gnolr-v0"


def test_a_scale_above_the_gap_is_noted_where_levels_are_nested(toy: Dataset) -> None:
    for name, count in {"gnolr": 2, "gnolr-v1": 2, "gnolr-v0": 0, "neural-olr": 0}.items():
        values = defaults(LOSSES.get(name)) | {"scale": 50.0}
        made = create(LOSSES.get(name), toy.info, values)
        made.prepare(MF(toy, made.towers, True, dim=4))
        assert len(made.notes) == count
        assert all(note.startswith(f"{name}: scale 50 exceeds the gap") for note in made.notes)


@pytest.mark.parametrize("name", [*NESTED, "gnolr-l"])
def test_a_feedback_that_every_row_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} needs .* and view is the same on all .*; use bpr or"):
        loss(name, Info(10, 10, rates=(1.0,), feedback=("view",)))
    with pytest.raises(UsageError, match="view is the same on all of them; leave it out with --feedback cart,buy$"):
        loss(name, Info(10, 10, rates=(1.0, 0.3, 0.1), feedback=("view", "cart", "buy")))
