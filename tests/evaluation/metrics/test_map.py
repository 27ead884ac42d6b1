import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from recbench.evaluation.dialects import find_dialect
from tests.evaluation.helpers import counted, make_lists


def test_by_hand() -> None:
    lists = make_lists([[1, 0, 1, 0], [0, 0, 0, 1]], [5, 1])
    assert counted("map@4", lists).value == pytest.approx(((1 + 2 / 3) / 4 + (1 / 4) / 1) / 2)


def test_a_whole_ranking_has_the_average_precision_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    score = torch.rand(20, 30, generator=generator)
    label = torch.rand(20, 30, generator=generator) < 0.2
    label[:, 0] = True
    hit = label.gather(1, score.argsort(1, descending=True))
    expected = [average_precision_score(truth, row) for truth, row in zip(label.numpy(), score.numpy(), strict=True)]
    assert counted("map@30", make_lists(hit, label.sum(1))).value == pytest.approx(sum(expected) / 20, abs=1e-12)


users = st.lists(st.tuples(st.lists(st.integers(0, 1), min_size=5, max_size=5), st.integers(0, 3)), min_size=1)


@given(users)
def test_a_plain_loop_and_recbole_agree(rows: list[tuple[list[int], int]]) -> None:
    rows = [(hits, sum(hits) + missed or 1) for hits, missed in rows]
    expected = 0.0
    for hits, relevant in rows:
        precision = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(5) if hits[rank]]
        expected += sum(precision) / min(5, relevant) / len(rows)
    lists = make_lists([hits for hits, _ in rows], [relevant for _, relevant in rows])
    value = counted("map@5", lists)
    assert value.value == pytest.approx(expected)
    recbole = find_dialect("recbole").metrics["map"]
    assert recbole.value(lists) == value  # type: ignore[call-arg, arg-type]
