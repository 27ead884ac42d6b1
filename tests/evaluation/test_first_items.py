import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation import first_items
from recbench.evaluation.first_items import exhaustive
from recbench.evaluation.pairs import restrict
from tests.evaluation.helpers import brute, pairs_of

NONE = Positives.from_pairs(torch.empty(0), torch.empty(0), 4, 6)


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
        patch.setattr(first_items, "_BLOCK", block)
        ranking = exhaustive(lambda user: score[user], torch.arange(users), items, k, pairs_of(seen, users, items))
    assert ranking.item.tolist() == brute(score, seen, k)
