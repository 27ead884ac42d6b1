"""Strategies in training: which losses take them, what is recorded, and that every pair of both works."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.data.toy import toy as make_toy
from recbench.errors import UsageError
from recbench.inspect.loss_trial import run_epoch
from recbench.losses.balance import BALANCES
from recbench.losses.base import LOSSES, can_be_balanced, create, defaults, resolve
from recbench.settings import Value
from recbench.training.model import Model, build
from recbench.training.plan import OWNERS, make_keys, non_default
from recbench.training.schedule import Schedule
from tests.losses.by_hand import THREE, batch, towers

BALANCED = [name for name in LOSSES.names() if can_be_balanced(LOSSES.get(name))]


def model(
    loss: str, words: Mapping[str, str], backbone: str = "mf", feedback: list[str] | None = None, l2: float = 0.0
) -> Model:
    data = make_toy(rows=300)
    values = {f"loss.{key}": value for key, value in resolve(LOSSES.get(loss), words).items()}
    small: dict[str, Value] = {"backbone.dim": 4}
    small |= {"backbone.hidden": "8"} if backbone == "twintower" else {"backbone.l2": l2}
    return build(data.narrow(feedback) if feedback else data, loss, backbone, values | small, 0, Schedule(lr=0.02))


def epochs(made: Model, data: Dataset, count: int) -> Tensor:
    return torch.stack([run_epoch(made, data, number) for number in range(1, count + 1)])


def test_losses_with_terms() -> None:
    assert set(BALANCED) >= {
        "nsb",
        "tafe",
        "esmm",
        "escm2-ips",
        "escm2-dr",
        "dcmt",
        "nise",
        "gnolr",
        "coral",
        "corn",
        "aitm",
    }


@pytest.mark.parametrize("loss", BALANCED)
def test_a_term_is_of_its_own_feedback_and_those_before(loss: str) -> None:
    """It depends on its own tower, and on none of a sparser feedback."""
    made = create(LOSSES.get(loss), THREE, defaults(LOSSES.get(loss))).double()
    if made.towers == 1:
        pytest.skip("one tower for all kinds of feedback")
    generator = torch.Generator().manual_seed(1)
    logit = torch.randn(20, 1, made.towers, generator=generator, dtype=torch.float64, requires_grad=True)
    level = torch.randint(4, (20, 1, 1), generator=generator)
    terms = made.terms(towers(logit), batch((torch.arange(3) < level).double()))
    for feedback in range(3):
        (gradient,) = torch.autograd.grad(terms[feedback], logit, retain_graph=True)
        reached = gradient.abs().sum((0, 1))[:3] > 0
        assert reached[feedback] and not reached[feedback + 1 :].any()


@pytest.mark.parametrize("strategy", BALANCES.names())
@pytest.mark.parametrize("loss", BALANCED)
def test_every_strategy_trains_every_loss_with_terms(loss: str, strategy: str) -> None:
    made = model(loss, {"balance": strategy, "logit": "learned"}, "twintower")
    batch = next(made.loss.sampler.batches(make_toy(rows=300), 64, torch.Generator().manual_seed(0)))
    made.start_epoch(1)
    before = [p.detach().clone() for p in made.backbone.parameters()]
    assert bool(made.loss.step(made.backbone, batch, made.optimizer).isfinite())
    after = list(made.backbone.parameters())
    assert all(bool(p.isfinite().all()) for p in after)
    assert all(bool((p != old).any()) for p, old in zip(after, before, strict=True))


@pytest.mark.parametrize("strategy", BALANCES.names())
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(strategy: str) -> None:
    """After two epochs, so that DWA has weights of its own."""
    data, words = make_toy(rows=300), {"balance": strategy}
    made, again = model("nsb", words), model("nsb", words)
    epochs(made, data, 2)
    again.load(deepcopy(made.state()))
    again.optimizer.load_state_dict(deepcopy(made.optimizer.state_dict()))
    assert torch.equal(run_epoch(again, data, 3), run_epoch(made, data, 3))


@pytest.mark.parametrize("strategy", ["fixed", "dwa", "gradnorm", "pcgrad"])
def test_with_one_feedback_there_is_nothing_to_balance(strategy: str) -> None:
    data = make_toy(rows=300).narrow(["view"])
    plain, balanced = (model("gnolr", words, feedback=["view"]) for words in ({}, {"balance": strategy}))
    torch.testing.assert_close(epochs(balanced, data, 3), epochs(plain, data, 3))


def test_unit_weights_are_the_sum() -> None:
    data = make_toy(rows=300)
    plain, fixed = (model("dcmt", words) for words in ({}, {"balance": "fixed"}))
    torch.testing.assert_close(epochs(fixed, data, 2), epochs(plain, data, 2))


@pytest.mark.parametrize("strategy", ["pcgrad", "gradnorm"])
def test_gradients_at_the_vectors_reach_the_whole_model(strategy: str) -> None:
    """With a tower for each term nothing conflicts, and gradients of identical terms have equal weights."""
    data = make_toy(rows=300)
    words = {"balance": strategy, "balance.at": "vectors", "logit": "learned"}
    plain, balanced = (model("nsb", given, l2=0.1) for given in ({"logit": "learned"}, words))
    batch = next(plain.loss.sampler.batches(data, 64, torch.Generator().manual_seed(0)))
    for made in (plain, balanced):
        made.loss.objective(made.backbone, batch).backward()
        assert made.loss.head.bias.grad is not None
    for one, other in zip(plain.backbone.parameters(), balanced.backbone.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad)
    torch.testing.assert_close(balanced.loss.head.bias.grad, plain.loss.head.bias.grad)
    torch.testing.assert_close(balanced.loss.head.log_scale.grad, plain.loss.head.log_scale.grad)


def test_with_adam_a_factor_of_all_terms_changes_nothing_and_one_of_a_single_term_does() -> None:
    data, shared = make_toy(rows=300), []
    for weights in ("1", "50", "50,1,1"):
        made = model("esmm", {"balance": "fixed", "balance.weights": weights})
        run_epoch(made, data, 1)
        shared.append(torch.cat([p.detach().flatten() for p in made.backbone.parameters()]))
    plain, scaled, uneven = shared
    assert (scaled - plain).abs().mean() < 1e-3 * (uneven - plain).abs().mean()


def test_parameters_of_a_strategy_are_trained_without_weight_decay() -> None:
    values = {f"loss.{key}": value for key, value in resolve(LOSSES.get("nsb"), {"balance": "uncertainty"}).items()}
    made = build(make_toy(rows=300), "nsb", "mf", values, 0, Schedule(weight_decay=0.1))
    model_group, own_group = made.optimizer.param_groups
    assert own_group["params"] == list(made.loss.balance.parameters())  # type: ignore[union-attr]
    assert (model_group["weight_decay"], own_group["weight_decay"]) == (0.1, 0.0)
    assert made.parameters == sum(p.numel() for p in model_group["params"]) + 3


def keys(data: Dataset, loss: str, **words: str) -> dict[str, object]:
    named = {owner: dict[str, str]() for owner in OWNERS} | {"loss": words}
    (key,) = make_keys(data, loss, "mf", named, (), (0,), "cpu", {})
    return {name: value for name, value in non_default(key).items() if name in key.settings}


def test_a_strategy_and_its_settings_are_of_the_key(toy: Dataset) -> None:
    assert keys(toy, "nsb") == keys(toy, "nsb", balance="sum") == {}
    assert keys(toy, "nsb", balance="dwa") == {"loss.balance": "dwa"}
    words = {"balance": "gradnorm", "balance.alpha": "0.5"}
    assert keys(toy, "nsb", **words) == {"loss.balance": "gradnorm", "loss.balance.alpha": 0.5}
    assert "balance" not in resolve(LOSSES.get("nsb"), {}) and defaults(LOSSES.get("nsb"))["balance"] == "sum"


@pytest.mark.parametrize(
    ("loss", "words", "message"),
    [
        (
            "bpr",
            {"balance": "dwa"},
            "loss.balance=dwa: loss `bpr` trains on one kind of feedback, so that there is noth",
        ),
        ("neural-olr", {"balance": "dwa"}, "loss `neural-olr` has one likelihood of the level for all kinds of feedb"),
        ("gnolr-v1", {"balance": "sum"}, "loss `gnolr-v1` has one likelihood"),
        ("nsb", {"balance": "dwb"}, "unknown balance `dwb`; did you mean `dwa`"),
        ("nsb", {"balance.temperature": "2"}, "loss.balance.temperature=2: of which strategy"),
        (
            "nsb",
            {"balance": "dwa", "balance.temp": "2"},
            "unknown setting `temp` of loss.balance; did you mean `temper",
        ),
        (
            "nsb",
            {"balance": "dwa", "balance.temperature": "0"},
            "loss.balance.temperature=0.0: expected a number above",
        ),
        (
            "nsb",
            {"balance": "gradnorm", "balance.at": "items"},
            "loss.balance.at=items: expected one of parameters, ve",
        ),
    ],
)
def test_what_cannot_be_balanced_is_refused(loss: str, words: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(LOSSES.get(loss), words)
