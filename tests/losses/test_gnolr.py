"""GNOLR: closed forms, its subtasks, and learned thresholds."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor

from recbench.backbones.mf import MF
from recbench.batch import Towers
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Head, create, defaults
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from recbench.training.optimizer import make_optimizer
from recbench.training.schedule import Schedule
from tests.losses.by_hand import SINGLE, batch, loss, rows, sigmoid, softplus, towers
from tests.losses.ordinal_rows import RATES, info, of, probabilities, random_rows, value


def test_gnolr_with_one_feedback() -> None:
    info = Info(10, 10, rates=(0.29242834 / 1.29242834,))
    value = loss("gnolr", info)(towers(rows([0.8, 0.3, -0.2, -0.6])).affine(2.57, 0.0), batch(rows([1, 1, 0, 0])))
    z = [2.57 * cosine - log(1 / 0.29242834) for cosine in (0.8, 0.3, -0.2, -0.6)]
    expected = (softplus(-z[0]) + softplus(-z[1]) + softplus(z[2]) + softplus(z[3])) / 4
    assert float(value) == pytest.approx(expected, abs=1e-7)


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


@pytest.mark.parametrize(("tasks", "level"), [(t, k) for t in (1, 2, 3, 4) for k in range(t + 1)])
def test_gnolr_is_the_closed_form_of_its_levels(tasks: int, level: int) -> None:
    p = probabilities("gnolr", tasks, scale=1.3)
    if level == 0:
        expected = -tasks * log(1 - p[1])
    else:
        expected = -sum(log(p[c]) for c in range(1, level + 1))
        expected -= (tasks - level) * log(p[level] - p[level + 1]) if level < tasks else 0.0
    assert value("gnolr", level, tasks, 1.3) == pytest.approx(expected, abs=1e-6)


def test_given_thresholds_have_no_parameters_and_draw_no_random_numbers() -> None:
    before = torch.get_rng_state()
    made = LOSSES.get("gnolr")(info(3))
    assert torch.equal(torch.get_rng_state(), before)
    assert not list(made.parameters())
    assert not made.state_dict()


@pytest.mark.parametrize("thresholds", ["learned", "pulled"])
def test_learned_thresholds_stay_in_order(thresholds: str) -> None:
    torch.manual_seed(0)
    inner, labels = random_rows(4)
    made = LOSSES.get("gnolr")(info(4), thresholds=thresholds)  # type: ignore[call-arg]
    assert isinstance(made, OrdinalLoss)
    assert set(made.state_dict()) == {"rise"}
    optimizer = torch.optim.Adam(made.parameters(), lr=0.5)
    first = made(of(inner.float()), labels)
    for _ in range(30):
        optimizer.zero_grad()
        made(of(inner.float()), labels).backward()
        optimizer.step()
        assert (made.thresholds().diff() > 0).all()
    assert made(of(inner.float()), labels) < first


def test_learned_thresholds_serve_in_scores() -> None:
    made = LOSSES.get("gnolr")(info(3), thresholds="learned")  # type: ignore[call-arg]
    with torch.no_grad():
        made.rise.copy_(torch.tensor([-0.5, 0.0, log(2.0)]))
    score = made.score(torch.zeros(1, 3)).detach()
    assert score[0].tolist() == pytest.approx([0.5, -0.5, -2.5], abs=1e-6)


def test_pull_adds_the_mean_squared_distance_to_the_computed_thresholds() -> None:
    inner, labels = random_rows(2)
    start = torch.tensor([0.2, 0.7], dtype=torch.float64)
    values = {}
    for name, settings in {"learned": {}, "pulled": {"pull": 0.5}}.items():
        made = loss("gnolr", info(2), thresholds=name, **settings)
        with torch.no_grad():
            made.rise.copy_(start)  # type: ignore[union-attr, operator]
        values[name] = made(of(inner), labels).item()
    learned = [0.2, 0.2 + torch.tensor(0.7, dtype=torch.float64).exp().item()]
    wanted = [log((1 - rate) / rate) for rate in RATES[:2]]
    distance = sum((a - b) ** 2 for a, b in zip(learned, wanted, strict=True)) / 2
    assert values["pulled"] - values["learned"] == pytest.approx(0.5 * distance, abs=1e-6)


def test_gradients_of_learned_thresholds_are_those_of_finite_differences() -> None:
    inner, labels = random_rows(3, count=8)
    made = loss("gnolr", info(3), thresholds="pulled", pull=0.3)
    rise = torch.tensor([0.1, 0.4, 1.5], dtype=torch.float64, requires_grad=True)

    def at(start: Tensor) -> Tensor:
        result: Tensor = torch.func.functional_call(made, {"rise": start}, (of(inner, 0.5), labels))
        return result

    assert torch.autograd.gradcheck(at, (rise,), atol=1e-7)


def test_learned_thresholds_are_trained_with_the_backbone_and_not_noted(toy: Dataset) -> None:
    values = defaults(LOSSES.get("gnolr")) | {"thresholds": "learned", "scale": 50.0}
    made = create(LOSSES.get("gnolr"), toy.info, values)
    backbone = MF(toy, made.towers, True, dim=4)
    made.prepare(backbone)
    optimizer = make_optimizer(made, backbone, Schedule(lr=0.1))
    assert not made.notes
    before = made.rise.detach().clone()  # type: ignore[union-attr, operator]
    made.step(backbone, next(made.sampler.batches(toy, 64, torch.Generator().manual_seed(0))), optimizer)
    assert not torch.equal(made.rise, before)  # type: ignore[arg-type]
    assert isinstance(made.head, Head)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"floor": 0.0}, "loss.floor=0.0: expected a number above 0"),
        ({"pull": -1.0, "thresholds": "pulled"}, "loss.pull=-1.0: expected at least 0"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss("gnolr", info(2), **settings)
    assert str(caught.value) == message
