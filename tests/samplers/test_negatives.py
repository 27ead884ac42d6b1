"""What negatives are drawn: their distribution, by chi-squared tests and by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.samplers import AdaptiveRank, AnyItem, Clustered, Popularity, Triplets
from recbench.samplers.negatives import count_up_to, whole_weights
from tests.samplers.proposals import (
    ITEMS,
    KINDS,
    TAKEN,
    chi_squared,
    columns,
    data_of,
    expected,
    proposal,
)


@pytest.mark.parametrize("user", [0, 1, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_the_distribution(kind: str, user: int) -> None:
    data = data_of(TAKEN)
    drawn, valid, log_q = (
        proposal(kind, len(TAKEN))
        .on(data)
        .draw(torch.full((500,), user), 80, torch.Generator().manual_seed(1000 * user + len(kind)))
    )
    probability = expected(kind, TAKEN, user)
    assert valid.all()
    assert chi_squared(drawn, probability) > 1e-3
    torch.testing.assert_close(log_q.exp(), torch.tensor(probability)[drawn], rtol=1e-5, atol=0)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.lists(st.sets(st.integers(0, ITEMS - 1), max_size=ITEMS), min_size=1, max_size=6).filter(any),
    st.integers(0, 2**31),
)
def test_drawn_items_are_free_and_users_without_any_are_marked(kind: str, taken: list[set[int]], seed: int) -> None:
    users = torch.arange(len(taken)).flip(0)
    negatives = proposal(kind, len(taken)).on(data_of(taken, unseen=2))
    drawn, valid, log_q = negatives.draw(users, 20, torch.Generator().manual_seed(seed))
    assert log_q.isfinite().all()
    for row, user in enumerate(users.tolist()):
        probability = expected(kind, taken, user) if len(taken[user]) < ITEMS else [0.0] * ITEMS
        assert bool(valid[row].all()) == bool(valid[row].any()) == (sum(probability) > 0)
        assert drawn[row].max() < ITEMS
        if sum(probability) > 0:
            torch.testing.assert_close(log_q[row].exp(), torch.tensor(probability)[drawn[row]], rtol=1e-4, atol=0)
            assert not set(drawn[row].tolist()) & taken[user]
            assert all(probability[item] > 0 for item in drawn[row].tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_with_every_item_spoils_no_other(kind: str) -> None:
    negatives = proposal(kind, len(TAKEN)).on(data_of(TAKEN))
    drawn, valid, _ = negatives.draw(torch.tensor([2, 0, 2]), 200, torch.Generator().manual_seed(5))
    assert valid.all(1).tolist() == [False, True, False]
    assert not valid[[0, 2]].any()
    assert not set(drawn[1].tolist()) & TAKEN[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_fixes_the_draws(kind: str, toy: Dataset) -> None:
    def epoch(seed: int) -> Tensor:
        sampler = Triplets(2, proposal(kind, 30, 40))
        return torch.cat([b.item for b in sampler.batches(toy, 64, torch.Generator().manual_seed(seed))])

    assert torch.equal(epoch(3), epoch(3))
    assert not torch.equal(epoch(3), epoch(4))


def test_looking_up_counts_the_keys_up_to_each_value() -> None:
    key = torch.tensor([1, 1, 4, 9, 2**62])
    value = torch.tensor([[9, 0], [1, 2**62], [3, 8]])
    assert count_up_to(key, value).tolist() == [[4, 0], [2, 5], [2, 3]]


@pytest.mark.parametrize(
    ("beta", "probability"),
    [(1.0, [0, 0.5, 1 / 3, 1 / 6]), (0.75, [0, 0.4594576, 0.3389823, 0.2015601]), (0.0, [0, 1 / 3, 1 / 3, 1 / 3])],
)
def test_popularity_by_hand(beta: float, probability: list[float]) -> None:
    """Items that 4, 3, 2 and 1 users have; user 3 has the first."""
    data = data_of([{0, 1, 2, 3}, {0, 1, 2}, {0, 1}, {0}], items=4)
    drawn, _, log_q = Popularity(beta).on(data).draw(torch.tensor([3]), 40_000, torch.Generator().manual_seed(2))
    torch.testing.assert_close(log_q.exp(), torch.tensor(probability)[drawn], rtol=1e-6, atol=1e-7)
    assert chi_squared(drawn, probability) > 1e-3


def test_popularity_without_a_power_draws_as_uniform_does(toy: Dataset) -> None:
    for beta_0, uniform in zip(
        Triplets(2, Popularity(0.0)).batches(toy, 64, torch.Generator().manual_seed(1)),
        Triplets(2).batches(toy, 64, torch.Generator().manual_seed(1)),
        strict=True,
    ):
        assert torch.equal(beta_0.item, uniform.item)


@pytest.mark.parametrize("made", [AdaptiveRank(), Clustered()], ids=str)
def test_a_proposal_without_vectors_says_so(made: AdaptiveRank | Clustered, toy: Dataset) -> None:
    with pytest.raises(UsageError, match="call its `refresh`"):
        made.on(toy)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30), st.integers(1, 10**8))
def test_whole_weights_keep_their_proportions(weight: list[int], users: int) -> None:
    given_weight = torch.tensor(weight)
    found = whole_weights(given_weight.double(), users)
    assert int(found.sum()) * users < 2**63
    if sum(weight):
        factor = int(found.max()) // max(weight)
        assert factor >= 1
        assert torch.equal(found, given_weight * factor)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30), st.integers(1, 10**6))
def test_broken_weights_become_whole_ones_in_nearly_the_same_proportions(weight: list[float], users: int) -> None:
    share = torch.tensor(weight, dtype=torch.double)
    found = whole_weights(share, users)
    assert int(found.sum()) * users < 2**63
    torch.testing.assert_close(found / found.sum(), (share / share.sum()), rtol=1e-4, atol=0, check_dtype=False)


def test_popularity_is_the_number_of_users_who_have_the_item(toy: Dataset) -> None:
    pairs = {(u, i) for u, i, y in zip(*map(Tensor.tolist, columns(toy.train)), strict=True) if any(y)}
    assert toy.popularity.tolist() == [sum(i == item for _, i in pairs) for item in range(40)]


def test_the_test_of_the_distribution_can_fail() -> None:
    drawn = torch.randint(4, (40_000,), generator=torch.Generator().manual_seed(0))
    assert chi_squared(drawn, [0.25] * 4) > 1e-3
    assert chi_squared(drawn, [0.24, 0.26, 0.25, 0.25]) < 1e-3


def test_any_item_is_drawn_whoever_the_user_is() -> None:
    negatives = AnyItem().on(data_of(TAKEN, unseen=2))
    drawn, valid, log_q = negatives.draw(torch.arange(len(TAKEN)), 600, torch.Generator().manual_seed(0))
    assert valid.all()
    assert log_q.exp().flatten().tolist() == pytest.approx([1 / ITEMS] * log_q.numel())
    assert chi_squared(drawn, [1 / ITEMS] * ITEMS) > 1e-3
