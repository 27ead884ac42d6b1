import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbench.data.dataset import Positives
from recbench.evaluation.candidate_sets import GivenCandidates, SampledCandidates
from recbench.evaluation.pairs import restrict
from tests.evaluation.helpers import pairs_of

Pairs = set[tuple[int, int]]

NOTHING = pairs_of(set(), 40, 50)
EVERYBODY = torch.arange(40)


def as_sets(pairs: Positives, user: torch.Tensor) -> dict[int, set[int]]:
    return {row: set(pairs.item[pairs.user == place].tolist()) for place, row in enumerate(user.tolist())}


@given(
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 8))),
    st.sets(st.tuples(st.integers(0, 3), st.integers(0, 8))),
    st.integers(1, 10),
    st.integers(0, 3),
)
def test_a_sample_is_the_relevant_items_and_others_that_are_not_positives(
    relevant: Pairs, seen: Pairs, count: int, seed: int
) -> None:
    relevant -= seen
    user = torch.tensor([3, 0, 1])
    own = [restrict(pairs_of(pairs, 4, 9), user) for pairs in (relevant, seen)]
    drawn = as_sets(SampledCandidates(count, seed).pairs(user, own[0], own[1], 9), user)
    for row, items in drawn.items():
        wanted = {item for one, item in relevant if one == row}
        excluded = wanted | {item for one, item in seen if one == row}
        assert wanted <= items
        others = items - wanted
        assert not others & excluded
        assert len(others) == min(count, 9 - len(excluded))


def test_what_is_drawn_for_a_user_depends_on_no_other_user() -> None:
    sample = SampledCandidates(5)
    whole = as_sets(sample.pairs(EVERYBODY, NOTHING, NOTHING, 50), EVERYBODY)
    some = torch.tensor([31, 2, 17])
    nothing = restrict(NOTHING, some)
    assert as_sets(sample.pairs(some, nothing, nothing, 50), some) == {row: whole[row] for row in some.tolist()}
    assert len({frozenset(items) for items in whole.values()}) == 40
    other = as_sets(SampledCandidates(5, seed=1).pairs(EVERYBODY, NOTHING, NOTHING, 50), EVERYBODY)
    assert all(whole[row] != other[row] for row in whole)


def test_what_is_drawn_stays_the_same_for_ever() -> None:
    """Numbers on record hold only as long as it does."""
    drawn = SampledCandidates(5).pairs(torch.tensor([0, 7]), NOTHING, NOTHING, 50)
    assert as_sets(drawn, torch.tensor([0, 7])) == {0: {3, 6, 8, 9, 49}, 7: {12, 14, 23, 34, 40}}


def test_every_remaining_item_is_as_likely() -> None:
    """Items 3 and 4 of ten are excluded; 3 of 8 are drawn for each of 4,000 users."""
    users = 4000
    seen = pairs_of({(user, item) for user in range(users) for item in (3, 4)}, users, 10)
    drawn = SampledCandidates(3).pairs(torch.arange(users), pairs_of(set(), users, 10), seen, 10)
    count = torch.bincount(drawn.item, minlength=10).numpy()
    assert count[3] == count[4] == 0 and count.sum() == 3 * users
    expected = 3 * users / 8
    chi_square = float((np.square(np.delete(count, [3, 4]) - expected) / expected).sum()) / (1 - 3 / 8)
    assert chi_square < 24.3  # the 99.9th percentile of 7 degrees of freedom


def test_the_words_of_the_signature() -> None:
    assert str(SampledCandidates(100)) == "100 sampled + relevant"
    assert str(SampledCandidates(100, seed=7)) == "100 sampled with seed 7 + relevant"
    assert str(GivenCandidates("0123456789ab", NOTHING)) == "file(sha256:0123456789ab)"


def test_given_candidates_are_those_of_the_file_that_were_not_seen() -> None:
    file = GivenCandidates("0" * 12, pairs_of({(0, 1), (0, 2), (2, 5)}, 3, 6))
    user = torch.tensor([2, 1, 0])
    seen = restrict(pairs_of({(0, 2), (2, 1)}, 3, 6), user)
    pairs = file.pairs(user, pairs_of({(1, 4)}, 3, 6), seen, 6)
    assert as_sets(pairs, user) == {2: {5}, 1: set(), 0: {1}}


@pytest.mark.parametrize("count", [1, 49, 50])
def test_as_many_as_there_are_can_be_drawn(count: int) -> None:
    drawn = SampledCandidates(count).pairs(EVERYBODY, NOTHING, NOTHING, 50)
    assert drawn.start.diff().tolist() == [count] * 40
