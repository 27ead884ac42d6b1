"""BPR-max by hand and against GRU4Rec's published value."""

from __future__ import annotations

from math import exp, log
from statistics import fmean

import pytest
import torch

from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.samplers import Mixed, Pool
from tests.losses.by_hand import sigmoid
from tests.losses.sampled_slates import inner_products, loss_by_words, slate
from tests.losses.sampled_softmax_slates import check_gradient, check_slates, loss_of, random_batch, rows, value


def by_hand(positive: float, negatives: list[float], penalty: float = 1.0) -> float:
    weight = [exp(score) / sum(map(exp, negatives)) for score in negatives]
    gain = sum(w * sigmoid(positive - score) for w, score in zip(weight, negatives, strict=True))
    return -log(gain) + penalty * sum(w * score**2 for w, score in zip(weight, negatives, strict=True))


def test_published_value() -> None:
    """Two events, whose targets are each other's negatives, and two more items."""
    _, batch, inner = slate([[1.2, 0.3, -0.4, 0.1], [0.2, 0.8, 0.5, -0.3]])
    label = torch.zeros(2, 4, 1)
    label[0, 0] = label[1, 1] = 1
    made = loss_by_words("bpr-max", penalty="1.95", activation="elu", elu_scale="0.5")
    found = loss_of(made, inner_products(inner), Batch(batch.user, batch.item, label))
    assert float(found.detach()) == pytest.approx(0.5463228676105137, abs=1e-6)


@pytest.mark.parametrize("sampler", [Pool(negatives=6), Mixed(uniform=0.5)], ids=str)
def test_slate_by_slate(sampler: Pool | Mixed, view: Dataset) -> None:
    batch, inner = random_batch(view, sampler)
    expected = fmean(by_hand(positive, negatives, 0.25) for _, positive, negatives in rows(batch, inner))
    found = loss_of(loss_by_words("bpr-max", penalty="0.25"), inner_products(inner), batch)
    assert float(found.detach()) == pytest.approx(expected, abs=1e-9)


def test_one_negative_is_bpr() -> None:
    assert value("bpr-max", [[0.7, -0.2]], penalty="0") == pytest.approx(value("bpr", [[0.7, -0.2]]), abs=1e-12)


def test_gradients(view: Dataset) -> None:
    check_gradient("bpr-max", view)
    check_gradient("bpr-max", view, activation="elu", penalty="0.2")


def test_slates(view: Dataset) -> None:
    check_slates("bpr-max", view)
