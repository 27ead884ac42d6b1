"""Ordinal regressions: closed forms of every level, what they have in common, and learned thresholds."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor

from recbench.backbones.mf import MF
from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset, Info
from recbench.errors import UsageError
from recbench.losses.base import LOSSES, Head, create, defaults
from recbench.losses.building_blocks.ordinal import OrdinalLoss
from tests.losses.by_hand import SINGLE, batch, loss, sigmoid, towers

NAMES = ("view", "cart", "buy", "gift")
RATES = (0.4, 0.1, 0.02, 0.004)
NESTED = {"gnolr": True, "gnolr-v0": False, "gnolr-v1": True, "neural-olr": False}
INNER = [0.7, -0.4, 0.3, 0.2]


def info(tasks: int) -> Info:
    return Info(10, 10, rates=RATES[:tasks], feedback=NAMES[:tasks])


def of_level(level: int, tasks: int) -> list[list[list[float]]]:
    return [[[1.0 if c < level else 0.0 for c in range(tasks)]]]


def probabilities(name: str, tasks: int, scale: float) -> list[float]:
    """P(level >= c) for c = 0..T + 1, worked out from the definition of each method."""
    thresholds = [log((1 - rate) / rate) for rate in RATES[:tasks]]
    if name == "neural-olr":
        scores = [scale * INNER[0]] * tasks
    elif name == "gnolr-v0":
        scores = [scale * INNER[c] for c in range(tasks)]
    else:
        scores = [scale * sum(INNER[: c + 1]) for c in range(tasks)]
    return [1.0, *(sigmoid(s - a) for s, a in zip(scores, thresholds, strict=True)), 0.0]


def value(name: str, level: int, tasks: int, scale: float) -> float:
    logit = INNER[:1] if name == "neural-olr" else INNER[:tasks]
    inner = towers([[logit]]).affine(scale, 0.0)
    return float(loss(name, info(tasks))(inner, batch(of_level(level, tasks))))


@pytest.mark.parametrize("name", ["gnolr-v0", "gnolr-v1", "neural-olr"])
@pytest.mark.parametrize(("tasks", "level"), [(t, k) for t in (1, 2, 3, 4) for k in range(t + 1)])
def test_likelihood_of_each_level(name: str, tasks: int, level: int) -> None:
    p = probabilities(name, tasks, scale=1.3)
    assert value(name, level, tasks, 1.3) == pytest.approx(-log(p[level] - p[level + 1]), abs=1e-6)


@pytest.mark.parametrize(("tasks", "level"), [(t, k) for t in (1, 2, 3, 4) for k in range(t + 1)])
def test_gnolr_is_the_closed_form_of_its_levels(tasks: int, level: int) -> None:
    p = probabilities("gnolr", tasks, scale=1.3)
    if level == 0:
        expected = -tasks * log(1 - p[1])
    else:
        expected = -sum(log(p[c]) for c in range(1, level + 1))
        expected -= (tasks - level) * log(p[level] - p[level + 1]) if level < tasks else 0.0
    assert value("gnolr", level, tasks, 1.3) == pytest.approx(expected, abs=1e-6)


def random_rows(tasks: int, count: int = 40) -> tuple[Tensor, Batch]:
    generator = torch.Generator().manual_seed(tasks)
    inner = torch.rand(count, 1, tasks, generator=generator, dtype=torch.float64) * 2 - 1
    level = torch.randint(tasks + 1, (count, 1, 1), generator=generator)
    label = (torch.arange(tasks) < level).double()
    nothing = torch.empty(0)
    return inner, Batch(nothing, nothing, label)


def of(inner: Tensor, scale: float = 1.0) -> Towers:
    nothing = torch.empty(0)
    return Towers(nothing, nothing, pair=inner).affine(scale, 0.0)


@pytest.mark.parametrize("name", [*NESTED, "gnolr-l"])
def test_with_one_feedback_all_are_bce_on_shifted_logits(name: str) -> None:
    inner, labels = random_rows(1)
    settings = {"list_weight": 0.0} if name == "gnolr-l" else {}
    made = loss(name, SINGLE, **settings)
    assert isinstance(made, OrdinalLoss)
    assert float(made.threshold) == pytest.approx(log(3), abs=1e-6)
    bce = loss("bce", SINGLE)(of(inner, 2.57).affine(2.57, -made.threshold.item()), labels)
    torch.testing.assert_close(made(of(inner, 2.57), labels), bce, rtol=1e-12, atol=0)


def test_with_two_feedback_types_gnolr_adds_the_first_subtask_to_its_variant() -> None:
    inner, labels = random_rows(2)
    both = loss("gnolr", info(2))(of(inner, 1.5), labels)
    variant = loss("gnolr-v1", info(2))
    first = Batch(labels.user, labels.item, labels.label[..., :1])
    bce = loss("bce", info(1))(of(inner[..., :1]).affine(1.5, -variant.threshold[0].item()), first)
    torch.testing.assert_close(both - variant(of(inner, 1.5), labels), bce, rtol=1e-6, atol=0)


def test_neural_olr_has_one_tower_and_one_order() -> None:
    made = loss("neural-olr", info(3))
    assert made.towers == 1
    score = made.score(torch.randn(6, 1, dtype=torch.float64))
    assert score.shape == (6, 3)
    torch.testing.assert_close(score[:, :1] - score, (score[:1, :1] - score[:1]).expand(6, 3))


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
        made.prepare(MF(toy, made.towers, True, dim=4), lr=0.1)
        assert len(made.notes) == count
        assert all(note.startswith(f"{name}: scale 50 exceeds the gap") for note in made.notes)


@pytest.mark.parametrize("name", [*NESTED, "gnolr-l"])
def test_a_feedback_that_every_row_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"^{name} needs rows with and without view"):
        loss(name, Info(10, 10, rates=(1.0,), feedback=("view",)))


LISTS = [[[0.8], [0.3]], [[-0.2], [-0.6]]]
OF_LISTS = [[[1.0], [1.0]], [[0.0], [0.0]]]
ODDS = Info(10, 10, rates=(0.29242834 / 1.29242834,))


def listwise(**settings: object) -> float:
    made = loss("gnolr-l", ODDS, **settings)
    pointwise = loss("gnolr-l", ODDS, list_weight=0.0)
    inner = towers(LISTS).affine(1.5, 0.0)
    return float(made(inner, batch(OF_LISTS)) - pointwise(inner, batch(OF_LISTS)))


def test_listwise_term_of_gnolr() -> None:
    assert listwise(per="rows") == pytest.approx(0.38093550305745, abs=1e-10)
    assert listwise() == pytest.approx(0.38093550305745 * 4 / 2, abs=1e-10)  # four rows, two lists
    assert listwise(list_weight=0.25) == pytest.approx(0.38093550305745 / 2, abs=1e-10)
    assert listwise(rivals="negatives") == 0.0  # no list has both classes


def test_listwise_term_against_negatives_leaves_the_other_positives_out() -> None:
    inner, label = towers([[[0.8], [0.3], [-0.2]]]).affine(1.5, 0.0), batch([[[1.0], [1.0], [0.0]]])
    value = loss("gnolr-l", ODDS, rivals="negatives")(inner, label)
    pointwise = loss("gnolr-l", ODDS, list_weight=0.0)(inner, label)
    expected = -log(sigmoid(1.5 * (0.8 + 0.2))) - log(sigmoid(1.5 * (0.3 + 0.2)))
    assert float(value - pointwise) == pytest.approx(expected, abs=1e-12)


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
    optimizer = made.prepare(backbone, lr=0.1)
    assert not made.notes
    before = made.rise.detach().clone()  # type: ignore[union-attr, operator]
    made.step(backbone, next(made.sampler.batches(toy, 64, torch.Generator().manual_seed(0))), optimizer)
    assert not torch.equal(made.rise, before)  # type: ignore[arg-type]
    assert isinstance(made.head, Head)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pull": 0.1}, "loss.pull=0.1 needs loss.thresholds=pulled, not rates"),
        ({"pull": 0.1, "thresholds": "learned"}, "loss.pull=0.1 needs loss.thresholds=pulled, not learned"),
        ({"pull": -1.0, "thresholds": "pulled"}, "loss.pull=-1.0: expected at least 0"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss("gnolr", info(2), **settings)
    assert str(caught.value) == message
