"""SSL against plain loops over its two views."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recbench.batch import Batch
from recbench.data.toy import toy
from recbench.inspect.loss_trial import Trial, value_of
from recbench.training.model import Model

DATA = toy().narrow(["view"])


def model_of(loss: str, **words: object) -> tuple[Model, Batch]:
    model = Trial(loss).model(DATA, "twintower", {key: str(value) for key, value in words.items()})
    return model, next(model.loss.sampler.batches(DATA, 16, torch.Generator().manual_seed(0)))


def contrast(one: Tensor, other: Tensor, temperature: float) -> float:
    """The mean of -log softmax of cosines over the temperature, by loops."""
    lists = one[:, 0].detach().double().tolist(), other[:, 0].detach().double().tolist()

    def inner(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    def cosine(a: list[float], b: list[float]) -> float:
        return inner(a, b) / math.sqrt(inner(a, a) * inner(b, b))

    total = 0.0
    for number, first in enumerate(lists[0]):
        similar = [math.exp(cosine(first, second) / temperature) for second in lists[1]]
        total -= math.log(similar[number] / sum(similar))
    return total / len(lists[0])


@pytest.mark.parametrize("mask", ["correlated", "random"])
def test_value(mask: str) -> None:
    model, batch = model_of("ssl", weight=0.7, temperature=0.3, mask=mask, drop=0.2, items=12)
    torch.manual_seed(3)
    towers = model.loss.encode(model.backbone, batch)
    one, other = towers.views
    assert one.vectors.shape == (12, 1, 8) and not torch.allclose(one.vectors, other.vectors)
    softmax, _ = model_of("softmax", source="batch")
    main = float(softmax.loss(towers, batch).detach())
    found = float(model.loss(towers, batch).detach())
    assert found == pytest.approx(main + 0.7 * contrast(one.item, other.item, 0.3), abs=1e-5)


def test_without_weight_it_is_the_softmax() -> None:
    model, batch = model_of("ssl", weight=0.0)
    softmax, _ = model_of("softmax", source="batch")
    softmax.backbone.load_state_dict(model.backbone.state_dict())
    assert torch.allclose(value_of(model, batch), value_of(softmax, batch))


def test_both_views_teach_the_item_tower_alone() -> None:
    model, batch = model_of("ssl", weight=1.0)
    towers = model.loss.encode(model.backbone, batch)
    for view in towers.views:
        gradients = torch.autograd.grad(
            view.vectors.square().sum(), list(model.backbone.parameters()), retain_graph=True, allow_unused=True
        )
        names = [name for name, _ in model.backbone.named_parameters()]
        reached = {name.split(".")[0] for name, g in zip(names, gradients, strict=True) if g is not None and g.any()}
        assert reached == {"item_side"}
