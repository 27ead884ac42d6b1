import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation import candidates
from recbench.evaluation.candidates import exhaustive, within
from recbench.evaluation.pairs import contains, restrict, without

NONE = Positives.of(torch.empty(0), torch.empty(0), 4, 6)


def brute(score: Tensor, seen: set[tuple[int, int]], k: int) -> list[list[int]]:
    """First k items of each user by a Python sort, -1 where none remain."""
    first = []
    for user, row in enumerate(score.tolist()):
        items = [item for item in range(len(row)) if (user, item) not in seen]
        items.sort(key=lambda item: (-row[item], item))
        first.append((items + [-1] * k)[:k])
    return first


def pairs_of(seen: set[tuple[int, int]], users: int, items: int) -> Positives:
    pairs = torch.tensor(sorted(seen), dtype=torch.long).view(-1, 2)
    return Positives.of(pairs[:, 0], pairs[:, 1], users, items)


def test_pairs() -> None:
    pairs = pairs_of({(0, 5), (2, 0), (2, 3), (3, 5)}, 4, 6)
    user, item = torch.tensor([0, 1, 2, 2, 3, 3]), torch.tensor([5, 5, 3, 1, -1, 5])
    assert contains(pairs, user, item, 6).tolist() == [True, False, True, False, False, True]
    assert contains(pairs, torch.tensor([[0], [2]]), torch.tensor([[5, 0], [0, -1]]), 6).tolist() == [
        [True, False],
        [True, False],
    ]
    assert not contains(NONE, user, item, 6).any()
    some = restrict(pairs, torch.tensor([3, 1, 2]))
    assert some.start.tolist() == [0, 1, 1, 3]
    assert some.item.tolist() == [5, 0, 3]
    left = without(pairs, pairs_of({(2, 0), (0, 5), (1, 1)}, 4, 6), 6)
    assert (left.user.tolist(), left.item.tolist()) == ([2, 3], [3, 5])


def test_first_items_in_order_without_the_seen_ones() -> None:
    score = torch.tensor([[1.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 0.0]])
    seen = pairs_of({(0, 1), (1, 0)}, 2, 4)
    ranking = exhaustive(lambda user: score[user], torch.tensor([0, 1]), 4, 2, seen)
    assert ranking.item.tolist() == [[3, 2], [1, 2]]
    assert ranking.score.tolist() == [[3, 2], [0, 0]]


def test_score_function_gets_the_users_asked_for() -> None:
    score = torch.arange(12.0).view(4, 3)
    ranking = exhaustive(lambda user: score[user], torch.tensor([3, 1]), 3, 1, restrict(NONE, torch.tensor([3, 1])))
    assert ranking.score.tolist() == [[11], [5]]


def test_more_places_than_items_and_a_user_who_has_seen_all() -> None:
    score = torch.tensor([[1.0, -torch.inf, 2.0], [1.0, 2.0, 3.0]])
    original = score.clone()
    seen = pairs_of({(1, 0), (1, 1), (1, 2)}, 2, 3)
    ranking = exhaustive(lambda user: score, torch.tensor([0, 1]), 3, 5, seen)
    assert ranking.item.tolist() == [[2, 0, 1, -1, -1], [-1] * 5]
    assert (ranking.score[ranking.item < 0] == -torch.inf).all()
    assert torch.equal(score, original)


def test_no_users() -> None:
    ranking = exhaustive(lambda user: torch.empty(0, 3), torch.empty(0, dtype=torch.long), 3, 2, pairs_of(set(), 0, 3))
    assert ranking.item.shape == ranking.score.shape == (0, 2)


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(TrainingError, match="not a number"):
        exhaustive(lambda user: torch.full((1, 3), torch.nan), torch.tensor([0]), 3, 2, pairs_of(set(), 1, 3))
    with pytest.raises(TrainingError, match="not a number"):
        within(torch.tensor([torch.nan]), torch.tensor([1]), torch.tensor([0]), torch.tensor([0]), 1)


@settings(deadline=None)
@given(st.data())
def test_exhaustive_equals_brute_force(data: st.DataObject) -> None:
    users, items = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 7))
    k = data.draw(st.integers(1, 9))
    numbers = data.draw(st.lists(st.integers(0, 2), min_size=users * items, max_size=users * items))
    score = torch.tensor(numbers).float().view(users, items)
    seen = data.draw(st.sets(st.tuples(st.integers(0, users - 1), st.integers(0, items - 1))))
    block = data.draw(st.sampled_from([1, 10, 1 << 20]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "_BLOCK", block)
        ranking = exhaustive(lambda user: score[user], torch.arange(users), items, k, pairs_of(seen, users, items))
    assert ranking.item.tolist() == brute(score, seen, k)


def test_within_ranks_a_users_own_rows() -> None:
    user = torch.tensor([1, 0, 1, 1, 0, 2, 1])
    item = torch.tensor([4, 0, 2, 9, 1, 3, 4])
    label = torch.tensor([0, 0, 0, 1, 1, 0, 1], dtype=torch.uint8)
    score = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.8, 1.0, 0.7])
    hits = within(score, label, user, item, 2)  # user 1: item 4 (0.7, label 1), then 2 before 9 at 0.5
    assert hits.relevant.tolist() == [1, 2]
    assert hits.hit.tolist() == [[False, True], [True, False]]


def test_within_without_rows_or_relevant_ones() -> None:
    empty = torch.empty(0, dtype=torch.int32)
    assert within(torch.empty(0), empty, empty, empty, 3).hit.shape == (0, 3)
    zero = torch.zeros(2, dtype=torch.int32)
    assert within(torch.rand(2), zero, zero, torch.tensor([0, 1]), 3).hit.shape == (0, 3)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 2), st.integers(0, 1)), min_size=1))
def test_within_equals_brute_force(rows: list[tuple[int, int, int, int]]) -> None:
    user, item, score, label = torch.tensor(rows).T
    hits = within(score.float(), label, user, item, 2)
    expected, relevant = [], []
    for one in sorted({row[0] for row in rows}):
        mine = {i: [r for r in rows if r[:2] == (one, i)] for u, i, _, _ in rows if u == one}
        best = sorted((-max(r[2] for r in same), i, max(r[3] for r in same)) for i, same in mine.items())
        if any(flag for *_, flag in best):
            expected.append(([bool(flag) for *_, flag in best] + [False, False])[:2])
            relevant.append(sum(flag for *_, flag in best))
    assert hits.hit.tolist() == expected
    assert hits.relevant.tolist() == relevant
