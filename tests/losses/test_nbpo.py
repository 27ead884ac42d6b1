"""NBPO: published values and derivatives of both objectives."""

from __future__ import annotations

import pytest
import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.losses.nbpo import NBPO
from tests.losses.by_hand import loss, tensor, towers
from tests.losses.sampled_slates import losses_of, model

R, G = 0.7, -1.2
LOG_LIKELIHOOD = {1.0: -0.6664685162234891, 0.0: -0.7205571508564355}
SLOPES = {
    ("exact", 1.0): (0.3318122278318339, -0.23147521650098238),
    ("exact", 0.0): (-0.35025374051922975, 0.24434018283996858),
    ("surrogate", 1.0): (0.25500592055678684, -0.15466890922593535),
    ("surrogate", 0.0): (-0.5913814648931192, 0.5135188629422307),
}


def one_pair(label: float, **settings: object) -> tuple[torch.Tensor, float, float]:
    """Return the loss of a pair of relevance R and flip G, and minus its slopes by both."""
    made = loss("nbpo", noise_dim=1, **settings)
    assert isinstance(made, NBPO)
    with torch.no_grad():
        made.user_noise.fill_(1.0)
        made.item_noise.fill_(G)
    inner = tensor([[R]]).clone().requires_grad_()
    zero = torch.zeros(1, dtype=torch.long)
    value = made(towers(inner), Batch(zero, zero[None], tensor([[label]])))
    value.backward()
    assert inner.grad is not None and made.item_noise.grad is not None
    return value.detach(), -inner.grad.item(), -made.item_noise.grad[0].item()


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("gradient", ["exact", "surrogate"])
def test_published_slopes(gradient: str, label: float) -> None:
    value, of_relevance, of_flip = one_pair(label, gradient=gradient)
    assert (of_relevance, of_flip) == pytest.approx(SLOPES[gradient, label], abs=1e-9)
    if gradient == "exact":
        assert value.item() == pytest.approx(-LOG_LIKELIHOOD[label], abs=1e-9)


def test_positives_may_count_as_often_as_their_slate_has_negatives() -> None:
    """Whatever draws the negatives, and however many; one that is masked is none."""
    slopes = {}
    batch = Batch(
        torch.tensor([1, 2]),
        torch.tensor([[3, 4, 5, 6], [6, 7, 8, 9]]),
        tensor([[1.0, 0, 0, 0], [1, 0, 0, 0]]),
        torch.tensor([[True] * 4, [True, False, True, True]]),
    )
    for repeat in (False, True):
        torch.manual_seed(0)
        relevance = torch.zeros(2, 4, 1, dtype=torch.float64).requires_grad_()
        loss("nbpo", repeat_positives=repeat)(towers(relevance), batch).backward()
        slopes[repeat] = relevance.grad[..., 0]  # type: ignore[index]
    times = torch.tensor([[3.0, 1, 1, 1], [2, 1, 1, 1]])
    torch.testing.assert_close(slopes[True], times * slopes[False], check_dtype=False)


def test_flips_are_rare_at_first_and_are_learned(view: Dataset) -> None:
    made = model(view, "nbpo")
    assert isinstance(made.loss, NBPO)
    flip = (made.loss.user_noise @ made.loss.item_noise.T).sigmoid()
    assert 0 < float(flip.detach().mean()) < 0.01
    before = made.loss.item_noise.detach().clone()
    losses_of(made, view)
    assert not torch.equal(before, made.loss.item_noise)


def test_shared_slates_hold_the_same_flips(view: Dataset) -> None:
    made = model(view, "nbpo").loss
    user, item = torch.tensor([1, 2]), torch.tensor([[3, 4, 5]])
    inner, label = torch.randn(2, 3, 1), torch.tensor([[1.0, 0, 0], [0, 0, 1]])[..., None]
    shared, own = (made(towers(inner), Batch(user, items, label)) for items in (item, item.expand(2, -1)))
    torch.testing.assert_close(shared, own)
