"""Proposals of negatives against their distributions, worked out item by item."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log
from recbench.errors import UsageError
from recbench.samplers import AdaptiveRank, Clustered, Popularity, Proposal, Triplets, Uniform, triplets
from recbench.samplers.clustered import k_means
from recbench.samplers.negatives import passed_by, whole
from tests.conftest import make_dataset

ITEMS, DIM, SHARE = 9, 3, 0.3
KINDS = ["uniform", "popularity", "root", "adaptive", "cluster", "cluster-uniform"]


def data_of(taken: list[set[int]], items: int = ITEMS, unseen: int = 0) -> Dataset:
    """A dataset whose users have these training positives, and `unseen` further items that nobody has."""
    pairs = [(user, item) for user, own in enumerate(taken) for item in sorted(own)]
    table = torch.tensor(pairs, dtype=torch.int32).reshape(-1, 2)
    data = make_dataset(users=len(taken), items=items + unseen, tasks=1)
    train = Log(table[:, 0].contiguous(), table[:, 1].contiguous(), torch.ones(len(table), 1, dtype=torch.uint8))
    return replace(data, train=train, items=replace(data.items, seen=items))


def vectors(users: int, items: int = ITEMS, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(users, DIM, generator=generator), torch.randn(items, DIM, generator=generator)


def proposal(kind: str, users: int, items: int = ITEMS) -> Proposal:
    made: Proposal
    match kind:
        case "uniform":
            return Uniform()
        case "popularity":
            return Popularity()
        case "root":
            return Popularity(0.5)
        case "adaptive":
            made = AdaptiveRank(SHARE)
        case "cluster":
            made = Clustered(3)
        case _:
            made = Clustered(3, 0.0)
    assert isinstance(made, AdaptiveRank | Clustered)
    made.refresh(*vectors(users, items))
    return made


def expected(kind: str, taken: list[set[int]], user: int) -> list[float]:
    """Return the probability of each item for a user, by loops over items."""
    popularity = [float(sum(item in own for own in taken)) for item in range(ITEMS)]
    mass = {
        "uniform": lambda: [1.0] * ITEMS,
        "popularity": lambda: popularity,
        "root": lambda: [count**0.5 for count in popularity],
        "adaptive": lambda: ranked(*vectors(len(taken)), user, SHARE * ITEMS),
        "cluster": lambda: clustered(popularity, user, len(taken)),
        "cluster-uniform": lambda: clustered([1.0] * ITEMS, user, len(taken)),
    }[kind]()
    free = [0.0 if item in taken[user] else value for item, value in enumerate(mass)]
    return [value / sum(free) if sum(free) else 0.0 for value in free]


def ranked(user_table: Tensor, item_table: Tensor, user: int, scale: float) -> list[float]:
    """Return the sum over factors of p(factor) p(rank of the item)."""
    items, dim = item_table.shape
    geometric = [exp(-rank / scale) for rank in range(items)]
    mass = [0.0] * items
    for factor in range(dim):
        column = item_table[:, factor].tolist()
        taste = float(user_table[user, factor])
        mean = sum(column) / items
        deviation = (sum((value - mean) ** 2 for value in column) / items) ** 0.5
        for rank, item in enumerate(sorted(range(items), key=lambda i: -taste * column[i])):
            mass[item] += abs(taste) * deviation * geometric[rank]
    return mass


def clustered(weight: list[float], user: int, users: int) -> list[float]:
    """Return exp(<user, centre of the item's cluster>) times the item's weight: free masses of clusters cancel."""
    user_table, item_table = vectors(users)
    cluster, centres = k_means(item_table, 3)
    return [weight[i] * exp(float(user_table[user] @ centres[cluster[i]])) for i in range(ITEMS)]


def chi_squared(drawn: Tensor, probability: list[float]) -> float:
    """Return the p-value of drawn items under these probabilities; those of probability 0 must not occur."""
    count = torch.bincount(drawn.flatten(), minlength=len(probability)).double()
    share = torch.tensor(probability, dtype=torch.double)
    assert count[share == 0].sum() == 0
    count, wanted = count[share > 0], share[share > 0] * drawn.numel()
    assert wanted.min() > 5
    statistic = ((count - wanted).square() / wanted).sum()
    return float(torch.special.gammaincc(torch.tensor((len(count) - 1) / 2, dtype=torch.double), statistic / 2))


TAKEN = [{0, 3, 4}, {1}, set(range(ITEMS)), {0, 1, 2, 3}, {8}, {0, 8}, {3, 5}, {2, 6, 7}]


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


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_drawn_does_not_depend_on_how_many_batches_are_filled_at_a_time(
    kind: str, toy: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def epoch() -> list[Batch]:
        return list(Triplets(2, proposal(kind, 30, 40)).batches(toy, 64, torch.Generator().manual_seed(3)))

    monkeypatch.setattr(triplets, "AHEAD", 64 * 3 * 4)
    some = epoch()
    monkeypatch.setattr(triplets, "AHEAD", 1)
    for batch, alone in zip(some, epoch(), strict=True):
        assert batch.rows == alone.rows == len(batch.user)
        for name in ("user", "item", "label", "mask", "log_q", "row"):
            assert torch.equal(getattr(batch, name), getattr(alone, name)), name


def test_looking_up_counts_the_keys_up_to_each_value() -> None:
    key = torch.tensor([1, 1, 4, 9, 2**62])
    value = torch.tensor([[9, 0], [1, 2**62], [3, 8]])
    assert passed_by(key, value).tolist() == [[4, 0], [2, 5], [2, 3]]


@pytest.mark.parametrize("kind", KINDS)
def test_triplets_hold_what_was_drawn(kind: str, toy: Dataset) -> None:
    positives = set(zip(toy.positives.user.tolist(), toy.positives.item.tolist(), strict=True))
    for batch in Triplets(3, proposal(kind, 30, 40)).batches(toy, 64, torch.Generator().manual_seed(0)):
        assert batch.log_q is not None
        assert batch.mask is not None
        assert batch.mask.all()
        assert (batch.log_q[:, 0] == 0).all()
        assert (batch.log_q[:, 1:] < 0).all()
        for user, items in zip(batch.user.tolist(), batch.item.tolist(), strict=True):
            assert (user, items[0]) in positives
            assert not {(user, item) for item in items[1:]} & positives


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


@pytest.mark.parametrize(
    ("taken", "probability"),
    [
        (set(), [0.1971930, 0.2462165, 0.1985034, 0.3580871]),
        ({3}, [0.30719588571849843, 0.38356678568095887, 0.3092373286005429, 0.0]),
    ],
)
def test_adaptive_ranks_by_hand(taken: set[int], probability: list[float]) -> None:
    data = data_of([taken, {0}], items=4)
    adaptive = AdaptiveRank(0.5)  # lambda 2
    adaptive.refresh(torch.tensor([[0.5, 1.0]] * 2), torch.tensor([[1.0, 0], [0, 1], [2, -1], [-1, 3]]))
    drawn, _, log_q = adaptive.on(data).draw(torch.tensor([0]), 40_000, torch.Generator().manual_seed(4))
    torch.testing.assert_close(log_q.exp(), torch.tensor(probability)[drawn], rtol=1e-6, atol=1e-7)
    assert chi_squared(drawn, probability) > 1e-3


def test_adaptive_ranks_of_a_negative_taste_are_turned_round() -> None:
    data, factors = data_of([set(), {0}], items=4), torch.tensor([[1.0, 0], [0, 1], [2, -1], [-1, 3]])
    found = []
    for sign in (1.0, -1.0):
        adaptive = AdaptiveRank(0.1)
        adaptive.refresh(sign * torch.tensor([[0.5, 1.0]] * 2), sign * factors)
        drawn, _, _ = adaptive.on(data).draw(torch.tensor([0]), 1000, torch.Generator().manual_seed(4))
        found.append(torch.bincount(drawn[0], minlength=4))
    assert found[0][[2, 3]].sum() > 900
    assert torch.equal(found[0], found[1])


def test_a_user_without_a_taste_has_all_factors_alike() -> None:
    adaptive = AdaptiveRank(0.5)
    item = torch.tensor([[1.0, 0], [0, 1], [2, -1], [-1, 3]])
    adaptive.refresh(torch.zeros(1, 2), item)
    _, _, log_q = adaptive.on(data_of([{0}], items=4)).draw(torch.tensor([0]), 100, torch.Generator().manual_seed(4))
    assert log_q.isfinite().all()


def test_the_last_rank_can_be_drawn_however_small_the_share() -> None:
    adaptive = AdaptiveRank(1e-4)
    adaptive.refresh(torch.ones(2, 1), torch.arange(50.0)[:, None])
    data = data_of([set(range(1, 50)), {0}], items=50)
    drawn, valid, log_q = adaptive.on(data).draw(torch.tensor([0]), 20, torch.Generator().manual_seed(4))
    assert valid.all()
    assert (drawn == 0).all()
    torch.testing.assert_close(log_q, torch.zeros(1, 20), rtol=0, atol=1e-3)


def test_more_clusters_than_items_are_as_many_as_items() -> None:
    made = Clustered(100)
    made.refresh(*vectors(len(TAKEN)))
    drawn, valid, _ = made.on(data_of(TAKEN)).draw(torch.tensor([0]), 50, torch.Generator().manual_seed(0))
    assert valid.all()
    assert not set(drawn[0].tolist()) & TAKEN[0]


@pytest.mark.parametrize("made", [AdaptiveRank(), Clustered()], ids=str)
def test_a_proposal_without_vectors_says_so(made: AdaptiveRank | Clustered, toy: Dataset) -> None:
    with pytest.raises(UsageError, match="call its `refresh`"):
        made.on(toy)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30), st.integers(1, 10**8))
def test_whole_weights_keep_their_proportions(weight: list[int], users: int) -> None:
    given_weight = torch.tensor(weight)
    found = whole(given_weight.double(), users)
    assert int(found.sum()) * users < 2**63
    if sum(weight):
        factor = int(found.max()) // max(weight)
        assert factor >= 1
        assert torch.equal(found, given_weight * factor)


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=30), st.integers(1, 10**6))
def test_broken_weights_become_whole_ones_in_nearly_the_same_proportions(weight: list[float], users: int) -> None:
    share = torch.tensor(weight, dtype=torch.double)
    found = whole(share, users)
    assert int(found.sum()) * users < 2**63
    torch.testing.assert_close(found / found.sum(), (share / share.sum()), rtol=1e-4, atol=0, check_dtype=False)


def test_popularity_is_the_number_of_users_who_have_the_item(toy: Dataset) -> None:
    pairs = {(u, i) for u, i, y in zip(*map(Tensor.tolist, columns(toy.train)), strict=True) if any(y)}
    assert toy.popularity.tolist() == [sum(i == item for _, i in pairs) for item in range(40)]


def columns(log: Log) -> tuple[Tensor, Tensor, Tensor]:
    return log.user, log.item, log.label


def test_the_test_of_the_distribution_can_fail() -> None:
    drawn = torch.randint(4, (40_000,), generator=torch.Generator().manual_seed(0))
    assert chi_squared(drawn, [0.25] * 4) > 1e-3
    assert chi_squared(drawn, [0.24, 0.26, 0.25, 0.25]) < 1e-3
