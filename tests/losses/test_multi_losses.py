"""Losses of several kinds of feedback: hand-checked values, loops over the same formulas, and identities."""

from __future__ import annotations

from math import log

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch, Towers
from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.building_blocks.multitask import inverse_propensity
from tests.losses.by_hand import THREE, TWO, batch, loss, sigmoid, towers

CLICK_PAY = [[[1.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]]
LOGITS = [[[1.0, 0.5, 0.2]], [[0.2, -0.3, -0.1]], [[-0.8, 0.4, 0.3]], [[-1.2, -1.0, 0.6]]]
EXTRA = {"escm2-dr", "dcmt"}  # have a further tower per step
CHAINS = ["escm2-ips", "escm2-dr", "dcmt", "nise"]


def two_towers(name: str) -> Towers:
    return towers(LOGITS if name in EXTRA else [[row[0][:2]] for row in LOGITS])


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("escm2-ips", {}, 0.9244045242186293),
        ("escm2-dr", {}, 1.0054307101168414),
        ("dcmt", {}, 1.0960582928004068),
        ("nise", {}, 0.9574898040193618),
        ("tafe", {}, 1.1659769568253882),
        # Click, click-and-pay and the self-normalised parts of DCMT, from the same check.
        ("escm2-ips", {"counterfactual": 0.0, "entire": 0.0}, 0.38644592254640586),
        ("escm2-ips", {"counterfactual": 0.0}, 0.38644592254640586 + 0.33087071524253586),
        (
            "dcmt",
            {"normalise": True, "prior": 0.0, "counterfactual": 1.0},
            0.38644592254640586 + 0.33087071524253586 + 0.519895120660568 + 0.49906865469633166,
        ),
    ],
)
def test_hand_checked_values(name: str, settings: dict[str, object], expected: float) -> None:
    value = loss(name, TWO, **settings)(two_towers(name), batch(CLICK_PAY))
    assert float(value) == pytest.approx(expected, abs=1e-12)


def test_gradients_of_the_pseudo_labels() -> None:
    inner = torch.tensor([[row[0][:2]] for row in LOGITS], dtype=torch.float64, requires_grad=True)
    loss("nise", TWO)(Towers(torch.empty(0), torch.empty(0), pair=inner), batch(CLICK_PAY)).backward()
    assert inner.grad is not None
    expected = [-x * sigmoid(x) * sigmoid(-x) / 4 for x in (0.4, -1.0)]  # of the entropy, in a mean over four rows
    assert inner.grad[2:, 0, 1].tolist() == pytest.approx(expected, abs=1e-12)
    # The hand-checked gradients are of a mean over the two rows without a click.
    assert expected == pytest.approx([-0.04805215 / 2, 0.09830597 / 2], abs=1e-8)


Row = tuple[list[float], list[int]]


def entropy(p: float, y: float, weight: float) -> float:
    return -(weight * y * log(p) + (1 - y) * log(1 - p))


def chain(row: Row) -> tuple[list[float], list[float], list[int]]:
    """The probability of each step, of each feedback, and whether all labels so far are 1."""
    logit, label = row
    steps = [sigmoid(x) for x in logit]
    reached, product, together = [], 1.0, 1
    both: list[int] = []
    for p, y in zip(steps, label, strict=False):
        product, together = product * p, together * y
        reached.append(product)
        both.append(together)
    return steps, reached, both


def slow_esmm(row: Row, weights: list[float]) -> float:
    _, reached, both = chain(row)
    return sum(entropy(p, y, w) for p, y, w in zip(reached, both, weights, strict=True))


def slow_escm2_ips(row: Row, weights: list[float]) -> float:
    steps, reached, both = chain(row)
    total = slow_esmm(row, weights)
    for c in range(1, len(weights)):
        total += 0.5 * both[c - 1] / reached[c - 1] * entropy(steps[c], both[c], weights[c])
    return total


def slow_escm2_dr(row: Row, weights: list[float], imputation: str = "sigmoid", largest: float = 15.0) -> float:
    steps, reached, both = chain(row)
    total, tasks = slow_esmm(row, weights), len(weights)
    for c in range(1, tasks):
        guess = row[0][tasks + c - 1]
        predicted = sigmoid(guess) if imputation == "sigmoid" else -log(sigmoid(-guess))
        gap = entropy(steps[c], both[c], weights[c]) - predicted
        inverse = min(both[c - 1] / reached[c - 1], largest)
        total += 0.5 * (predicted + gap * inverse + gap**2 * inverse)
    return total


def slow_dcmt(row: Row, weights: list[float]) -> float:
    steps, reached, both = chain(row)
    total, tasks = slow_esmm(row, weights), len(weights)
    for c in range(1, tasks):
        other = steps[tasks + c - 1]
        here = both[c - 1] / reached[c - 1] * entropy(steps[c], both[c], weights[c])
        there = (1 - both[c - 1]) / (1 - reached[c - 1]) * entropy(other, 1 - both[c], weights[c])
        total += 0.5 * (here + there + 1e-3 * abs(1 - steps[c] - other))
    return total


def slow_nise(row: Row, weights: list[float]) -> float:
    steps, _, both = chain(row)
    total = entropy(steps[0], both[0], weights[0])
    for c in range(1, len(weights)):
        target = both[c] if both[c - 1] else steps[c]
        total += entropy(steps[c], target, weights[c])
    return total


def slow_tafe(row: Row, weights: list[float]) -> float:
    p, label = [sigmoid(x) for x in row[0]], row[1]
    total = sum(entropy(a, y, w) for a, y, w in zip(p, label, weights, strict=True))
    return total + sum(((p[c] - p[c + 1]) - (label[c] - label[c + 1])) ** 2 for c in range(len(p) - 1))


SLOW = {
    "escm2-ips": slow_escm2_ips,
    "escm2-dr": slow_escm2_dr,
    "dcmt": slow_dcmt,
    "nise": slow_nise,
    "tafe": slow_tafe,
}


def random_rows(name: str, info: Info, count: int = 30) -> tuple[Tensor, Batch]:
    """Logits of all towers, labels that are not all nested, and a mask."""
    generator = torch.Generator().manual_seed(2)
    width = 2 * info.tasks - 1 if name in EXTRA else info.tasks
    inner = torch.randn(count, 2, width, generator=generator, dtype=torch.float64)
    label = (torch.rand(count, 2, info.tasks, generator=generator) < 0.55).double()
    mask = torch.rand(count, 2, generator=generator) < 0.7
    nothing = torch.empty(0)
    return inner, Batch(nothing, nothing, label, mask)


def of(inner: Tensor) -> Towers:
    return Towers(torch.empty(0), torch.empty(0), pair=inner)


def plain_rows(inner: Tensor, labels: Batch) -> list[Row]:
    assert labels.mask is not None
    logit, label = inner[labels.mask].tolist(), labels.label[labels.mask].int().tolist()
    return list(zip(logit, label, strict=True))


@pytest.mark.parametrize("info", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("name", SLOW)
def test_equals_a_slow_loop(name: str, info: Info) -> None:
    inner, labels = random_rows(name, info)
    weights = [2.0, 5.0, 0.5][: info.tasks]
    rows = plain_rows(inner, labels)
    value = loss(name, info, pos_weight=",".join(map(str, weights)))(of(inner), labels)
    expected = sum(SLOW[name](row, weights) for row in rows) / len(rows)
    assert float(value) == pytest.approx(expected, rel=1e-10)


def test_equals_a_slow_loop_with_an_unbounded_imputation() -> None:
    inner, labels = random_rows("escm2-dr", TWO)
    rows = plain_rows(inner, labels)
    value = loss("escm2-dr", TWO, imputation="softplus", largest=1.5)(of(inner), labels)
    expected = sum(slow_escm2_dr(row, [1.0, 1.0], "softplus", 1.5) for row in rows) / len(rows)
    assert float(value) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("info", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    ("name", "settings", "base"),
    [
        ("escm2-ips", {"counterfactual": 0.0}, "esmm"),
        ("escm2-dr", {"counterfactual": 0.0}, "esmm"),
        ("dcmt", {"counterfactual": 0.0}, "esmm"),
        ("tafe", {"difference": 0.0}, "nsb"),
    ],
)
def test_without_its_own_term_a_loss_is_its_base(name: str, settings: dict[str, object], base: str, info: Info) -> None:
    inner, labels = random_rows(name, info)
    weights = ",".join(["3", "7", "2"][: info.tasks])
    value = loss(name, info, pos_weight=weights, **settings)(of(inner), labels)
    expected = loss(base, info, pos_weight=weights)(of(inner[..., : info.tasks]), labels)
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", CHAINS)
def test_positives_of_a_step_weigh_as_its_own_feedback_or_as_the_first(name: str) -> None:
    """The released code of GNOLR leaves the second weight out of the step, and out of NISE altogether."""
    inner, labels = random_rows(name, TWO)

    def at(pos_weight: str, **settings: object) -> float:
        return float(loss(name, TWO, pos_weight=pos_weight, **settings)(of(inner), labels))

    assert at("2,9") > at("2,2") + 0.1
    entire = {"entire": 0.0} if "escm2" in name else {}
    if name != "dcmt":  # whose products always carry the second weight
        assert at("2,9", step_weight="first", **entire) == at("2,2", step_weight="first", **entire)
    assert at("2,2", step_weight="first") == at("2,2")


def test_nise_without_reached_rows_and_with_weight_one_is_the_mean_entropy() -> None:
    inner, labels = random_rows("nise", TWO)
    none = Batch(labels.user, labels.item, torch.zeros_like(labels.label), labels.mask)
    rows = plain_rows(inner, none)
    entropies = [entropy(sigmoid(x[1]), sigmoid(x[1]), 1.0) + entropy(sigmoid(x[0]), 0, 1.0) for x, _ in rows]
    assert float(loss("nise", TWO)(of(inner), none)) == pytest.approx(sum(entropies) / len(rows), rel=1e-10)


@pytest.mark.parametrize(("largest", "capped"), [(50.0, False), (0.25, True)])
def test_nise_scales_its_steps_dynamically(largest: float, capped: bool) -> None:
    inner, labels = random_rows("nise", TWO)
    gradients = []
    for dynamic in (False, True):
        own = inner.clone().requires_grad_()
        settings = {"dynamic": dynamic, "largest": largest}
        loss("nise", TWO, **settings)(of(own), labels).backward()
        assert own.grad is not None
        gradients.append(own.grad)
    rows = plain_rows(inner, labels)
    first = sum(entropy(sigmoid(x[0]), y[0], 1.0) for x, y in rows)
    steps = sum(slow_nise(row, [1.0, 1.0]) for row in rows) - first
    factor = largest if capped else first / steps
    assert factor != pytest.approx(1.0, abs=0.01)
    torch.testing.assert_close(gradients[1][..., 1], factor * gradients[0][..., 1], rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(gradients[1][..., 0], gradients[0][..., 0])


@pytest.mark.parametrize("name", ["escm2-ips", "escm2-dr", "dcmt"])
def test_propensities_pass_no_gradient(name: str) -> None:
    inner, labels = random_rows(name, TWO)
    gradients = []
    for settings in ({}, {"counterfactual": 0.0}):
        own = inner.clone().requires_grad_()
        loss(name, TWO, **settings)(of(own), labels).backward()
        assert own.grad is not None
        gradients.append(own.grad)
    torch.testing.assert_close(gradients[0][..., 0], gradients[1][..., 0])
    assert not torch.allclose(gradients[0][..., 1], gradients[1][..., 1])


def test_inverse_propensities_are_bounded() -> None:
    log_p = torch.tensor([0.5, 0.1, 1e-3, 1e-40], dtype=torch.float64).log()
    inverse = inverse_propensity(log_p, torch.tensor([1.0, 0.0, 1.0, 1.0], dtype=torch.float64), largest=15.0)
    assert inverse.tolist() == pytest.approx([2.0, 0.0, 15.0, 15.0], rel=1e-12)
    never = inverse_propensity(torch.tensor([-1e4]), torch.zeros(1), largest=1e6)
    assert never.item() == 0.0


def test_dcmt_self_normalised_without_reached_rows_is_finite() -> None:
    inner, labels = random_rows("dcmt", TWO)
    none = Batch(labels.user, labels.item, torch.zeros_like(labels.label), labels.mask)
    own = inner.clone().requires_grad_()
    value = loss("dcmt", TWO, normalise=True)(of(own), none)
    value.backward()
    assert value.isfinite()
    assert own.grad is not None
    assert own.grad.isfinite().all()


@pytest.mark.parametrize("name", SLOW)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    """With the first tower held fixed, from which alone the propensities of two feedback types come."""
    inner, labels = random_rows(name, TWO, count=6)
    made = loss(name, TWO, pos_weight="2,3")
    first = inner[..., :1]

    def at(rest: Tensor) -> Tensor:
        result: Tensor = made(of(torch.cat([first, rest], -1)), labels)
        return result

    assert torch.autograd.gradcheck(at, (inner[..., 1:].clone().requires_grad_(),), atol=1e-7)


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_ranked_by_the_product_of_its_probabilities(name: str) -> None:
    inner, _ = random_rows(name, THREE)
    made = loss(name, THREE)
    assert made.towers == inner.shape[-1]
    product = inner[..., :3].sigmoid().cumprod(-1)
    torch.testing.assert_close(made.score(inner).exp(), product)
    log_probability = made.log_probability(inner)
    assert log_probability is not None
    torch.testing.assert_close(log_probability.exp(), product)


def test_tafe_is_ranked_by_each_logit() -> None:
    inner, _ = random_rows("tafe", THREE)
    made = loss("tafe", THREE)
    assert torch.equal(made.score(inner), inner)
    log_probability = made.log_probability(inner)
    assert log_probability is not None
    torch.testing.assert_close(log_probability.exp(), inner.sigmoid())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("escm2-ips", [0.5, 0.4, 0.25]),
        ("nise", [0.5, 0.4, 0.25]),
        ("escm2-dr", [0.5, 0.4, 0.25, 0.5, 0.5]),
        ("dcmt", [0.5, 0.4, 0.25, 0.6, 0.75]),
        ("tafe", [0.5, 0.2, 0.05]),
    ],
)
def test_rates_that_learned_biases_start_from(name: str, expected: list[float]) -> None:
    rates = loss(name, THREE).base_rates()
    assert rates is not None
    assert rates.tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("escm2-ips", {"counterfactual": -1.0}, "loss.counterfactual=-1.0: expected at least 0"),
        ("escm2-dr", {"largest": 0.5}, "loss.largest=0.5: expected at least 1"),
        ("dcmt", {"prior": -1.0}, "loss.prior=-1.0: expected at least 0"),
        ("nise", {"largest": -1.0}, "loss.largest=-1.0: expected at least 0"),
        ("tafe", {"difference": -1.0}, "loss.difference=-1.0: expected at least 0"),
        ("tafe", {"pos_weight": "1,2,3"}, "loss.pos_weight=1,2,3: expected 1 or 2 numbers"),
    ],
)
def test_settings_out_of_range(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        loss(name, TWO, **settings)
    assert str(caught.value).startswith(message)
