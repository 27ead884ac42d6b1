"""Softmax over the whole catalogue: against loops, torch, and the sampled one with every item drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from recbench.batch import Batch, Towers
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.samplers import Catalogue
from tests.losses.by_hand import loss
from tests.losses.catalogue_slates import drawn, log_likelihoods, whole_catalogue

HISTORY = [[0, 4], [3], [], [1, 2, 4]]


@given(
    history=st.lists(st.lists(st.integers(0, 6), unique=True).map(sorted), min_size=1, max_size=5),
    scale=st.sampled_from([1.0, 0.3, 12.0]),
    bias=st.sampled_from([0.0, -2.0]),
)
def test_it_is_the_mean_over_positives_by_loops(history: list[list[int]], scale: float, bias: float) -> None:
    towers, batch = drawn(len(history), 7), whole_catalogue(history, 7)
    made = loss("full-softmax", logit="fixed", scale=scale, bias=bias)
    values = [value for own in log_likelihoods(towers.inner[..., 0], history, scale, bias) for value in own]
    found = float(made(made.head(towers), batch).detach())
    assert found == pytest.approx(-sum(values) / max(1, len(values)), rel=1e-6)  # the scale is set in float32


def test_it_is_cross_entropy_in_value_and_gradient() -> None:
    batch, results = whole_catalogue(HISTORY, 5), []
    made = loss("full-softmax", logit="learned", scale=2.0)
    for own in (True, False):
        towers = drawn(4, 5)
        parameters = (towers.user.requires_grad_(), towers.item.requires_grad_(), made.head.log_scale)
        towers = made.head(towers)
        if own:
            value = made(towers, batch)
        else:
            row = [user for user, items in enumerate(HISTORY) for _ in items]
            value = cross_entropy(towers.logit[row, :, 0], torch.tensor(sum(HISTORY, [])))
        results.append([value, *torch.autograd.grad(value, parameters)])
    for found, expected in zip(*results, strict=True):
        torch.testing.assert_close(found, expected)


def test_pairs_without_the_densest_feedback_are_no_positives() -> None:
    towers, batch = drawn(2, 5), whole_catalogue([[0, 4], [1, 2]], 5)
    assert batch.pairs is not None
    fewer = replace(batch.pairs, label=torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 1]], dtype=torch.double))
    expected = loss("full-softmax")(towers, whole_catalogue([[0], [1]], 5))
    torch.testing.assert_close(loss("full-softmax")(towers, replace(batch, pairs=fewer)), expected)


def test_other_slates_are_refused() -> None:
    towers: Towers = drawn(2, 5)
    batch: Batch = replace(whole_catalogue([[0], [1]], 5), pairs=None)
    with pytest.raises(UsageError, match="no `pairs`"):
        loss("full-softmax")(towers, batch)


def test_a_step_on_the_toy_descends(view: Dataset) -> None:
    """The gradient of the whole step, sampler and backbone included, is that of the plain matrix of logits."""
    torch.manual_seed(0)
    user, item = (torch.randn(count, 4, requires_grad=True) for count in (len(view.users), len(view.items)))
    (batch,) = Catalogue().batches(view, 10**9, torch.Generator().manual_seed(0))
    towers = Towers(user[batch.user, None], item[batch.item, None])
    found = torch.autograd.grad(loss("full-softmax").float()(towers, batch), (user, item))
    logit = user @ item[: view.items.seen].T
    plain = cross_entropy(logit[view.positives.user], view.positives.item)
    for own, expected in zip(found, torch.autograd.grad(plain, (user, item)), strict=True):
        torch.testing.assert_close(own, expected)
