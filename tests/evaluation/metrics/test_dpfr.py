"""DPFR: the published example, and frontiers whose every step is measured anew from the lists."""

from __future__ import annotations

import math
import random

import pytest
import torch

from recbench.errors import UsageError
from recbench.evaluation import oracle_to_fair as algorithm
from recbench.evaluation.metric import METRICS, TopKMetric
from recbench.evaluation.metrics.dpfr import DistanceToFrontier, middle
from recbench.evaluation.oracle_to_fair import oracle_to_fair
from recbench.evaluation.ranked_lists import RankedLists
from recbench.evaluation.request import parse
from tests.evaluation.helpers import catalogue_of, make_lists, pairs_of

ITEMS = 7
PAIRS = set[tuple[int, int]]


def lists_of(item: list[list[int]], relevant: PAIRS, seen: PAIRS, k: int) -> RankedLists:
    """The lists of users 0, 1, … with all that a search of the catalogue knows."""
    rows = torch.tensor([(row + [-1] * k)[:k] for row in item])
    hit = torch.tensor([[(user, one) in relevant for one in row] for user, row in enumerate(rows.tolist())])
    users = len(item)
    return RankedLists(
        hit=hit,
        relevant=torch.tensor([sum(user == u for u, _ in relevant) for user in range(users)]),
        length=(rows >= 0).sum(1),
        user=torch.arange(users),
        item=rows,
        catalogue=catalogue_of([0] * ITEMS),
        relevant_items=pairs_of(relevant, users, ITEMS),
        left_out=pairs_of(seen, users, ITEMS),
    )


def example(seed: int, users: int = 6, k: int = 3) -> tuple[RankedLists, PAIRS, PAIRS]:
    """Lists of some users at random, each with a relevant item, and without what they have seen."""
    chance = random.Random(seed)
    relevant: PAIRS = set()
    seen: PAIRS = set()
    for user in range(users):
        wanted = chance.sample(range(3 if user % 2 else ITEMS), chance.randint(1, 3))
        relevant |= {(user, item) for item in wanted}
        seen |= {(user, item) for item in range(ITEMS) if item not in wanted and chance.random() < 0.2}
    left = [[item for item in range(ITEMS) if (user, item) not in seen] for user in range(users)]
    rows = [chance.sample(items, min(k, len(items))) for items in left]
    return lists_of(rows, relevant, seen, k), relevant, seen


def measured(name: str, lists: RankedLists) -> float:
    metric = parse(name).metric
    assert isinstance(metric, TopKMetric)
    return metric.value(lists).value


def test_the_published_example() -> None:
    frontier = torch.tensor([[0.8, 0.1], [0.6, 0.6], [0.2, 0.9]]).double()
    assert middle(frontier).tolist() == pytest.approx([0.6, 0.6])
    assert math.dist((0.5, 0.3), middle(frontier).tolist()) == pytest.approx(0.3162278, abs=1e-7)


def test_of_equal_relevance_the_last_counts_and_the_first_point_is_never_chosen() -> None:
    frontier = torch.tensor([[1.0, 0.0], [1.0, 0.3], [0.9, 0.3], [0.9, 0.4]]).double()
    assert middle(frontier).tolist() == pytest.approx([0.9, 0.4])
    assert middle(frontier[:2]).tolist() == [1.0, pytest.approx(0.3)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("variant", DistanceToFrontier.variants)
def test_the_frontier_is_what_the_measures_say_of_the_lists_of_each_step(
    variant: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists, relevant, seen = example(seed)
    relevance, fairness = variant.split("-")
    steps: list[list[list[int]]] = []

    class Watched(algorithm._Lists):
        def fill(self, length: list[int]) -> None:
            super().fill(length)
            steps.append([list(row) for row in self.of_user])

        def _exchange(self, old: int) -> tuple[int, int] | None:
            found = super()._exchange(old)
            if found is not None:
                user, new = found
                rows = [list(row) for row in steps[-1]]
                rows[user].remove(old)
                rows[user].append(new)
                rows[user].sort(key=lambda item: (user, item) not in relevant)
                steps.append(rows)
            return found

    monkeypatch.setattr(algorithm, "_Lists", Watched)
    assert lists.relevant_items is not None and lists.left_out is not None
    exchanges = oracle_to_fair(lists.relevant_items, lists.left_out, lists.length, ITEMS)
    frontier = DistanceToFrontier(variant).frontier(exchanges, lists, ITEMS)
    assert len(frontier) == len(steps)
    for (found, fair), rows in zip(frontier.tolist(), steps, strict=True):
        own = lists_of(rows, relevant, seen, 3)
        assert own.length.equal(lists.length) and all(len(set(row)) == len(row) for row in rows)
        assert not any((user, item) in seen for user, row in enumerate(rows) for item in row)
        assert found == pytest.approx(measured(f"{relevance}@3", own), abs=1e-9)
        assert fair == pytest.approx(measured(f"{fairness}@3(corrected)", own), abs=1e-9)
    value = measured(f"dpfr@3({variant})", lists)
    own_point = measured(f"{relevance}@3", lists), measured(f"{fairness}@3(corrected)", lists)
    assert value == pytest.approx(math.dist(own_point, middle(frontier).tolist()))


@pytest.mark.parametrize("seed", range(12))
def test_from_as_relevant_to_as_fair_as_can_be(seed: int) -> None:
    lists, relevant, _ = example(seed)
    assert lists.relevant_items is not None and lists.left_out is not None
    exchanges = oracle_to_fair(lists.relevant_items, lists.left_out, lists.length, ITEMS)
    most = [min(len({i for u, i in relevant if u == user}), int(lists.length[user])) for user in range(6)]
    assert exchanges.hits.tolist() == most
    frontier = DistanceToFrontier("recall-jain").frontier(exchanges, lists, ITEMS)
    assert bool((frontier[1:, 1] > frontier[:-1, 1] - 1e-12).all()) and bool(
        (exchanges.more > exchanges.less + 1).all()
    )


def test_two_users_by_hand() -> None:
    """Both want item 0 alone and have one place: fairest is that one of them gets another item instead."""
    lists = lists_of([[0], [0]], {(0, 0), (1, 0)}, {(1, 1)}, k=1)
    assert lists.relevant_items is not None and lists.left_out is not None
    exchanges = oracle_to_fair(lists.relevant_items, lists.left_out, lists.length, ITEMS)
    assert (exchanges.user.tolist(), exchanges.before.tolist(), exchanges.after.tolist()) == ([0], [1], [0])
    assert (exchanges.more.tolist(), exchanges.less.tolist()) == ([2], [0])  # item 1, which user 1 has seen
    assert measured("dpfr@1", lists) == pytest.approx(math.dist((1, 0), (0.5, 1)))


def test_where_it_has_no_value() -> None:
    with pytest.raises(UsageError, match="`dpfr` needs lists of the whole catalogue; leave out --candidates"):
        measured("dpfr@2", make_lists([[1, 0]], [1]))
    assert METRICS.get("dpfr")().better == "low"
