"""A model that the training rows can teach nothing is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from recbench.backbones.base import BACKBONES
from recbench.data.dataset import Dataset, Log
from recbench.data.toy import toy
from recbench.errors import TrainingError
from recbench.losses.base import LOSSES, defaults
from recbench.settings import defaults as settings_of
from recbench.training.model import Model, build, check_gradient, pick_device
from recbench.training.schedule import Schedule

PAIRWISE = ["bpr", "wbpr", "aobpr", "pris", "rce-bpr", "tce-bpr", "til-ui", "til-mi"]
SHARED = ["softmax", "croloss", "croloss-lambda", "triplet"]
LISTS = ["ranknet", "lambdarank", "setrank", "s2srank"]


def every_item(positive: bool = True) -> Dataset:
    """Return two users with five items each, all of them liked, or one each."""
    data = toy(users=2, items=5, rows=10, tasks=1)
    user, item = torch.arange(10).div(5, rounding_mode="floor"), torch.arange(10) % 5
    label = torch.ones(10, 1, dtype=torch.uint8)
    if not positive:
        label[1:6], label[7:] = 0, 0
    return replace(data, train=Log(user.int(), item.int(), label))


def model(data: Dataset, loss: str, backbone: str = "mf", **given: object) -> Model:
    values = {f"loss.{key}": value for key, value in defaults(LOSSES.get(loss)).items()}
    values |= {f"backbone.{key}": value for key, value in settings_of(BACKBONES.get(backbone)).items()}
    return build(data, loss, backbone, values | given, seed=0, schedule=Schedule(lr=0.1))  # type: ignore[arg-type]


def check(made: Model, data: Dataset) -> None:
    check_gradient(made, data, 4, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("backbone", ["mf", "lightgcn"])  # which has a penalty, so that its loss is not 0
@pytest.mark.parametrize("name", [*PAIRWISE, *SHARED, *LISTS])
def test_a_loss_that_contrasts_needs_a_negative(name: str, backbone: str) -> None:
    data = every_item()
    with pytest.raises(TrainingError, match=f"nothing that loss `{name}` could learn from.*such as bce or gnolr"):
        check(model(data, name, backbone), data)


@pytest.mark.parametrize("name", ["bce", "rce", "tce", "listnet", "jrc"])
def test_others_learn_from_positives_alone(name: str) -> None:
    data = every_item()
    check(model(data, name), data)


@pytest.mark.parametrize("name", [*PAIRWISE, *SHARED, *LISTS])
def test_one_positive_beside_negatives_is_enough(name: str) -> None:
    data = every_item(positive=False)
    check(model(data, name), data)


def test_the_check_leaves_the_model_and_the_random_numbers_as_they_were() -> None:
    data = toy(tasks=1)
    made = model(data, "bpr", "lightgcn")
    weights = {name: value.clone() for name, value in made.backbone.state_dict().items()}
    random = torch.get_rng_state()
    check(made, data)
    assert all(parameter.grad is None for parameter in made.backbone.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in made.backbone.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (lambda mean: torch.ones(3, 2) * mean, r"returned a tensor of shape \[3, 2\]; expected a tensor of one number"),
        (lambda mean: None, "returned None; expected"),
        (lambda mean: mean.item(), r"returned -?[\d.]+; expected"),
        (lambda mean: mean.detach(), "returned a number that no parameter has part in"),
    ],
)
def test_a_loss_returns_one_number_that_has_a_gradient(
    returned: Callable[[torch.Tensor], object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = every_item(positive=False)
    made = model(data, "bce")
    monkeypatch.setattr(made.loss, "forward", lambda towers, batch: returned(towers.logit.mean()))
    with pytest.raises(TrainingError, match=f"loss `bce` {told}"):
        check(made, data)


def test_a_gpu_of_a_number_is_the_one_whose_random_numbers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints and lanes ask torch for those of the current device, which is the first unless it is said."""
    current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    assert pick_device("cuda:1") == torch.device("cuda:1")
    assert current == [torch.device("cuda:1")]
    assert pick_device("cpu") == torch.device("cpu") and pick_device("cuda") == torch.device("cuda")
    assert len(current) == 1
