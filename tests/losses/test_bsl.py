"""Bilateral softmax: published values of both forms, and what it is of a user's rows, one by one."""

from __future__ import annotations

from collections import defaultdict
from math import exp, log
from statistics import fmean

import pytest
import torch

from recbench.data.dataset import Dataset
from recbench.samplers import Pool, Triplets
from tests.losses.sampled_slates import inner_products, loss_by_words, slate
from tests.losses.sampled_softmax_slates import check_gradient, check_slates, loss_of, random_batch, rows, slopes, value


def test_published_value_of_one_row() -> None:
    """-p / t1 + t2 / t1 log of the sum, t1 0.5 and t2 0.2: the paper's mean over negatives is less by t2 / t1 log 3."""
    expected = 0.2612712828489152 - 0.2 / 0.5 * log(3)
    assert value("bsl", scale="5", ratio="2.5") == pytest.approx(expected, abs=1e-6)


def test_published_values_of_the_release() -> None:
    assert value("bsl", scale=str(1 / 0.11), form="released") == pytest.approx(1.4849981836823227, abs=1e-5)
    single = value("bsl", scale=str(1 / 0.11), form="released-users", power="1")
    assert single == pytest.approx(-0.1618370803618665, abs=1e-5)


def test_published_value_of_two_rows_of_a_user() -> None:
    towers, batch, _ = slate([[0.5, 0.6, 0.2, -0.1], [0.3, 0.1, 0.0, 0.4]])
    batch.user.fill_(7)
    found = loss_of(loss_by_words("bsl", scale=str(1 / 0.11), form="released-users"), towers, batch)
    assert float(found.detach()) == pytest.approx(-0.1476953245335964, abs=1e-6)


@pytest.mark.parametrize("sampler", [Pool(negatives=6), Triplets(4)], ids=str)
def test_the_paper_s_form_user_by_user(sampler: Pool | Triplets, view: Dataset) -> None:
    batch, inner = random_batch(view, sampler, size=60, spread=0.3)
    t1, t2 = 0.25, 0.1
    positives: defaultdict[int, list[float]] = defaultdict(list)
    for user, positive, _ in rows(batch, inner):
        positives[user].append(positive)
    assert max(len(several) for several in positives.values()) > 2
    expected = fmean(
        -log(fmean(exp(s / t1) for s in positives[user])) + t2 / t1 * log(fmean(exp(s / t2) for s in negatives))
        for user, _, negatives in rows(batch, inner)
    )
    found = loss_of(loss_by_words("bsl", ratio="2.5"), inner_products(inner), batch)
    assert float(found.detach()) == pytest.approx(expected, abs=1e-6)


def test_equal_temperatures_and_one_row_are_the_softmax_loss() -> None:
    for form, equal in (("paper", "ratio"), ("released", "power"), ("released-users", "power")):
        found = slopes("bsl", **{"form": form, equal: "1"})
        assert found == pytest.approx(slopes("ssm", denominator="negatives"), abs=1e-9)


def test_with_one_row_a_user_the_ratio_is_a_constant_factor() -> None:
    """Which is why the paper's form is nothing new where users have one row in a batch."""
    softmax = slopes("ssm", denominator="negatives")
    assert slopes("bsl", ratio="2.5") == pytest.approx([slope / 2.5 for slope in softmax], abs=1e-9)
    released = slopes("bsl", form="released", power="1.3")
    assert released == pytest.approx([softmax[0], *[1.3 * slope for slope in softmax[1:]]], abs=1e-6)


@pytest.mark.parametrize("form", ["paper", "released", "released-users"])
def test_gradients(form: str, view: Dataset) -> None:
    check_gradient("bsl", view, form=form)


def test_rows_that_do_not_count_are_no_positives_of_their_user(view: Dataset) -> None:
    towers, batch, inner = slate([[0.5, 0.6, 0.2, -0.1], [0.3, 0.1, 0.0, 0.4]])
    batch.user.fill_(7)
    batch.label[1] = 0
    found = loss_of(loss_by_words("bsl"), towers, batch)
    assert float(found.detach()) == pytest.approx(value("bsl"), abs=1e-9)
    (slope,) = torch.autograd.grad(found, inner)
    assert slope.isfinite().all() and not slope[1].any()


def test_slates(view: Dataset) -> None:
    check_slates("bsl", view)
