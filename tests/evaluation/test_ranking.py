import math
from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score
from torch import Tensor

from recbench.evaluation.metrics.rows import AUC, GAUC, LogLoss
from recbench.evaluation.ranking import auc, auc_by_user, log_loss

Rows = tuple[Tensor, Tensor, Tensor]


@st.composite
def logs(draw: st.DrawFn) -> Rows:
    """Rows with few distinct scores, so that most ties occur."""
    row = st.tuples(st.integers(-3, 3), st.integers(0, 1), st.integers(0, 4))
    rows = draw(st.lists(row, min_size=1, max_size=40))
    score, label, user = torch.tensor(rows).T
    return score.double(), label, user


def slow_areas(score: Tensor, label: Tensor, user: Tensor) -> tuple[list[float], list[int]]:
    areas, weights = [], []
    for one in user.unique():
        mine = user == one
        if label[mine].unique().numel() == 2:
            areas.append(float(roc_auc_score(label[mine].numpy(), score[mine].numpy())))
            weights.append(int(mine.sum()))
    return areas, weights


def gauc(rows: Rows, variant: str = "") -> float:
    return GAUC(variant).value(*rows).value


def test_auc_by_hand() -> None:
    label = torch.tensor([1, 0, 1, 0])
    assert auc(torch.tensor([0.9, 0.1, 0.8, 0.2]), label) == 1
    assert auc(torch.tensor([0.9, 0.8, 0.7, 0.6]), label) == 0.75
    assert auc(torch.tensor([0.5, 0.5, 0.7, 0.6]), label) == 0.625  # wins 0.5, 0, 1, 1 of 4 pairs
    assert auc(torch.zeros(4), label) == 0.5


def test_auc_of_one_class_or_of_no_rows_or_of_nan_is_undefined() -> None:
    assert math.isnan(auc(torch.rand(5), torch.ones(5)))
    assert math.isnan(auc(torch.rand(5), torch.zeros(5, dtype=torch.uint8)))
    assert math.isnan(auc(torch.empty(0), torch.empty(0)))
    assert math.isnan(auc(torch.tensor([0.1, torch.nan, 0.3]), torch.tensor([0, 1, 1])))
    assert AUC().value(torch.rand(5), torch.ones(5), torch.zeros(5)).count == 5


@pytest.mark.parametrize("distinct", [2, 20, 100_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_auc_equals_scikit_learn(distinct: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(distinct)
    score = torch.randint(distinct, (20_000,), generator=generator).to(dtype) / distinct
    label = (torch.rand(20_000, generator=generator) < 0.05 + 0.1 * score).to(torch.uint8)
    assert auc(score, label) == pytest.approx(roc_auc_score(label.numpy(), score.numpy()), abs=1e-9)


def test_infinite_scores_are_scores() -> None:
    assert auc(torch.tensor([torch.inf, -torch.inf, torch.inf]), torch.tensor([1, 0, 0])) == 0.75


def test_gauc_by_hand() -> None:
    user = torch.tensor([7, 7, 7, 3, 3, 9, 9])
    label = torch.tensor([1, 0, 0, 1, 0, 1, 1])
    score = torch.tensor([0.9, 0.8, 0.95, 0.3, 0.2, 0.2, 0.1])
    area, rows = auc_by_user(score, label, user)
    assert rows.tolist() == [2, 3, 2]
    assert area[:2].tolist() == [1, 0.5]
    assert area[2].isnan()
    assert gauc((score, label, user)) == pytest.approx((2 * 1 + 3 * 0.5) / 5)
    assert gauc((score, label, user), "mean") == pytest.approx(0.75)
    assert gauc((score, label, user), "gnolr") == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert GAUC().value(score, label, user).count == 2
    assert GAUC("gnolr").value(score, label, user).count == 3


def test_gauc_of_a_perfect_and_a_one_class_user() -> None:
    rows = (torch.tensor([2.0, 1.0, 5.0]), torch.tensor([1, 0, 1]), torch.tensor([0, 0, 1]))
    assert gauc(rows) == 1
    assert gauc(rows, "gnolr") == 0.75


def test_gauc_is_undefined_without_a_user_of_both_classes() -> None:
    rows = (torch.rand(4), torch.tensor([1, 1, 0, 0]), torch.tensor([0, 0, 1, 1]))
    for variant in GAUC.variants:
        value = GAUC(variant).value(*rows)
        assert math.isnan(value.value)
        assert value.count == 0
    assert math.isnan(gauc((torch.empty(0), torch.empty(0), torch.empty(0, dtype=torch.int32))))
    nan = (torch.tensor([0.1, torch.nan, 0.3, 0.4]), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))
    assert math.isnan(gauc(nan))


def test_all_scores_equal() -> None:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(2, (200,), generator=generator)
    user = torch.randint(10, (200,), generator=generator)
    assert auc(torch.zeros(200), label) == 0.5
    for variant in GAUC.variants:
        assert gauc((torch.zeros(200), label, user), variant) == 0.5


def test_gauc_equals_scikit_learn_user_by_user() -> None:
    generator = torch.Generator().manual_seed(1)
    user = torch.randint(300, (5000,), generator=generator).int()
    label = (torch.rand(5000, generator=generator) < 0.1).to(torch.uint8)
    score = ((torch.randn(5000, generator=generator) + label) * 4).round() / 4
    areas, weights = slow_areas(score, label, user)
    assert 0 < len(areas) < 300
    assert gauc((score, label, user)) == pytest.approx(np.average(areas, weights=weights), abs=1e-9)
    assert gauc((score, label, user), "mean") == pytest.approx(np.mean(areas), abs=1e-9)
    one_class = [0.5] * (len(user.unique()) - len(areas))
    assert gauc((score, label, user), "gnolr") == pytest.approx(np.mean(areas + one_class), abs=1e-9)


@settings(deadline=None)
@given(logs())
def test_against_the_slow_loop(rows: Rows) -> None:
    areas, weights = slow_areas(*rows)
    expected = np.average(areas, weights=weights) if areas else math.nan
    assert gauc(rows) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    _, label, _ = rows
    if 0 < label.sum() < len(label):
        assert auc(*rows[:2]) == pytest.approx(roc_auc_score(label.numpy(), rows[0].numpy()), abs=1e-12)


@settings(deadline=None)
@given(logs(), st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(rows: Rows, random: Random) -> None:
    places = list(range(len(rows[0])))
    random.shuffle(places)
    score, label, user = (column[places] for column in rows)
    assert auc(score, label) == pytest.approx(auc(*rows[:2]), abs=0, nan_ok=True)
    for variant in GAUC.variants:
        assert gauc((score, label, user), variant) == pytest.approx(gauc(rows, variant), abs=0, nan_ok=True)


@settings(deadline=None)
@given(logs())
def test_a_monotone_transform_changes_nothing(rows: Rows) -> None:
    score, label, user = rows
    for transformed in (score.exp(), 3 * score - 7, score**3, score.float()):
        assert auc(transformed, label) == pytest.approx(auc(score, label), abs=0, nan_ok=True)
        assert gauc((transformed, label, user)) == pytest.approx(gauc(rows), abs=0, nan_ok=True)


@settings(deadline=None)
@given(logs())
def test_reversed_scores_mirror_the_area(rows: Rows) -> None:
    score, label, user = rows
    assert auc(-score, label) == pytest.approx(1 - auc(score, label), nan_ok=True)
    assert gauc((-score, label, user)) == pytest.approx(1 - gauc(rows), nan_ok=True)


def test_log_loss_by_hand() -> None:
    probability = torch.tensor([0.8, 0.1, 0.5])
    expected = -(math.log(0.8) + math.log(0.9) + math.log(0.5)) / 3
    assert log_loss(probability.log(), torch.tensor([1, 0, 1])) == pytest.approx(expected)
    assert "probability" in LogLoss.needs
    assert LogLoss.better == "low"


def test_log_loss_equals_scikit_learn_and_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    logit = 3 * torch.randn(1000, generator=generator)
    label = torch.randint(2, (1000,), generator=generator)
    value = log_loss(F.logsigmoid(logit), label)
    assert value == pytest.approx(sklearn_log_loss(label.numpy(), logit.double().sigmoid().numpy()), rel=1e-6)
    assert value == pytest.approx(float(F.binary_cross_entropy_with_logits(logit, label.float())), rel=1e-6)


def test_log_loss_of_extreme_logits() -> None:
    logit = torch.tensor([50.0, -50.0, 80.0, -80.0])
    wrong = torch.tensor([0, 1, 0, 1])
    assert log_loss(F.logsigmoid(logit), wrong) == pytest.approx(65)
    assert log_loss(F.logsigmoid(logit), 1 - wrong) == pytest.approx(0, abs=1e-20)
    assert log_loss(torch.zeros(1), torch.zeros(1)) == pytest.approx(87.5, abs=0.1)
    assert log_loss(torch.tensor([-torch.inf, 0]), torch.tensor([0, 1])) == pytest.approx(0, abs=1e-30)
    assert math.isnan(log_loss(torch.empty(0), torch.empty(0)))
