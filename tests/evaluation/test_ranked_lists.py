import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.errors import TrainingError
from recbench.evaluation.ranked_lists import rank_rows


def test_a_users_own_rows_are_ranked() -> None:
    user = torch.tensor([1, 0, 1, 1, 0, 2, 1])
    item = torch.tensor([4, 0, 2, 9, 1, 3, 4])
    label = torch.tensor([0, 0, 0, 1, 1, 0, 1], dtype=torch.uint8)
    score = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.8, 1.0, 0.7])
    lists = rank_rows(score, label, user, item, 2)  # user 1: item 4 (0.7, label 1), then 2 before 9 at 0.5
    assert lists.relevant.tolist() == [1, 2]
    assert lists.hit.tolist() == [[False, True], [True, False]]


def test_without_rows_or_relevant_ones() -> None:
    empty = torch.empty(0, dtype=torch.int32)
    assert rank_rows(torch.empty(0), empty, empty, empty, 3).hit.shape == (0, 3)
    zero = torch.zeros(2, dtype=torch.int32)
    assert rank_rows(torch.rand(2), zero, zero, torch.tensor([0, 1]), 3).hit.shape == (0, 3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 2), st.integers(0, 1)), min_size=1))
def test_rank_rows_equal_brute_force(rows: list[tuple[int, int, int, int]]) -> None:
    user, item, score, label = torch.tensor(rows).T
    lists = rank_rows(score.float(), label, user, item, 2)
    expected, relevant = [], []
    for one in sorted({row[0] for row in rows}):
        mine = {i: [r for r in rows if r[:2] == (one, i)] for u, i, _, _ in rows if u == one}
        best = sorted((-max(r[2] for r in same), i, max(r[3] for r in same)) for i, same in mine.items())
        if any(flag for *_, flag in best):
            expected.append(([bool(flag) for *_, flag in best] + [False, False])[:2])
            relevant.append(sum(flag for *_, flag in best))
    assert lists.hit.tolist() == expected
    assert lists.relevant.tolist() == relevant


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(TrainingError, match="not a number"):
        rank_rows(torch.tensor([torch.nan]), torch.tensor([1]), torch.tensor([0]), torch.tensor([0]), 1)


@st.composite
def logs(draw: st.DrawFn) -> tuple[Tensor, Tensor, Tensor]:
    row = st.tuples(st.integers(-2, 2), st.integers(0, 1), st.integers(0, 3))
    score, label, user = torch.tensor(draw(st.lists(row, min_size=1, max_size=30))).T
    return score.double(), label, user


@given(logs())
@settings(max_examples=40, deadline=None)
def test_rank_rows_hold_the_hits_lengths_and_the_other_users(log: tuple[Tensor, Tensor, Tensor]) -> None:
    score, label, user = log
    item = torch.arange(len(user)) % 5
    lists = rank_rows(score, label, user, item, 3)
    distinct = {int(one): len(item[user == one].unique()) for one in user.unique()}
    with_positive = sorted({int(one) for one in user[label > 0]})
    assert lists.length.tolist() == [min(3, distinct[one]) for one in with_positive]
    assert lists.others == len(distinct) - len(with_positive)
    assert lists.hit.shape == (len(with_positive), 3)
    assert not lists.hit[torch.arange(3) >= lists.length.unsqueeze(1)].any()
