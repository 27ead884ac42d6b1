"""What the losses of several kinds of feedback have in common: values by plain loops, gradients, identities."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recbench.data.dataset import Info
from recbench.errors import UsageError
from recbench.losses.building_blocks.multitask import inverse_propensity
from tests.losses.by_hand import THREE, TWO, loss
from tests.losses.multitask_rows import (
    CHAINS,
    SLOW,
    of,
    plain_rows,
    random_rows,
)


@pytest.mark.parametrize("info", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("name", SLOW)
def test_equals_a_slow_loop(name: str, info: Info) -> None:
    inner, labels = random_rows(name, info)
    weights = [2.0, 5.0, 0.5][: info.tasks]
    rows = plain_rows(inner, labels)
    value = loss(name, info, pos_weight=",".join(map(str, weights)))(of(inner), labels)
    expected = sum(SLOW[name](row, weights) for row in rows) / len(rows)
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
