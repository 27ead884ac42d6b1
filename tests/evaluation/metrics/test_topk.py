import math

import pytest
import torch
from sklearn.metrics import ndcg_score
from torch import Tensor

from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.request import parse
from tests.evaluation.helpers import make_lists

HITS = torch.tensor([[1, 0, 1, 0, 0]], dtype=torch.bool)


def value(word: str, hit: Tensor, relevant: int) -> float:
    metric = parse(f"{word}").metric
    assert isinstance(metric, TopKMetric)
    result = metric.values(make_lists(hit, [relevant] * len(hit)))
    assert result.dtype == torch.double
    assert result.shape == (len(hit),)
    return float(result[0])


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("precision@5", 2 / 5),
        ("recall@5", 2 / 3),
        ("hr@5", 1),
        ("mrr@5", 1),
        ("ndcg@5", (1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)),  # 0.7039181
        ("ndcg@5(hits)", (1 + 1 / 2) / (1 + 1 / math.log2(3))),  # 0.9197208
    ],
)
def test_one_user_by_hand(word: str, expected: float) -> None:
    assert value(word, HITS, 3) == pytest.approx(expected, abs=1e-12)


def test_recall_conventions() -> None:
    hit = torch.tensor([[True, False]])
    assert value("recall@2", hit, 5) == pytest.approx(0.2)
    assert value("recall@2(capped)", hit, 5) == pytest.approx(0.5)
    assert value("recall@2(capped)", hit, 1) == pytest.approx(1)


def test_ndcg_of_early_ngcf_looks_at_the_hits_only() -> None:
    hit = torch.tensor([[0, 1, 1, 0, 0]], dtype=torch.bool)
    assert value("ndcg@5", hit, 4) == pytest.approx(0.44149241373678083)
    assert value("ndcg@5(hits)", hit, 4) == pytest.approx(0.6934264036172708)


def test_late_first_hit() -> None:
    hit = torch.tensor([[0, 0, 1, 1]], dtype=torch.bool)
    assert value("mrr@4", hit, 9) == pytest.approx(1 / 3)
    assert value("hr@4", hit, 9) == 1


@pytest.mark.parametrize("name", ["hr", "mrr", "ndcg", "precision", "recall"])
def test_no_hit_is_zero_and_the_best_order_is_one(name: str) -> None:
    assert value(f"{name}@3", torch.zeros(2, 3, dtype=torch.bool), 2) == 0
    assert value(f"{name}@3", torch.ones(2, 3, dtype=torch.bool), 3) == pytest.approx(1)


@pytest.mark.parametrize("name", ["hr", "mrr", "ndcg", "precision", "recall"])
def test_no_users(name: str) -> None:
    metric = METRICS.get(name)()
    assert isinstance(metric, TopKMetric)
    assert metric.values(make_lists(torch.zeros(0, 3), [])).shape == (0,)


def test_ndcg_equals_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    score = torch.rand(50, 30, generator=generator)
    label = torch.rand(50, 30, generator=generator) < 0.2
    label[:, 0] = True
    for k in (1, 5, 30):
        hit = label.gather(1, score.argsort(1, descending=True)[:, :k])
        metric = parse(f"ndcg@{k}").metric
        assert isinstance(metric, TopKMetric)
        mean = metric.value(make_lists(hit, label.sum(1))).value
        assert mean == pytest.approx(ndcg_score(label.numpy(), score.numpy(), k=k), abs=1e-9)
