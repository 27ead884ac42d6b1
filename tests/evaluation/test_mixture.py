"""Search by several queries a user, against plain loops, and what the signature says of it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from recbench.data.dataset import Log
from recbench.errors import UsageError
from recbench.evaluation import mixture
from recbench.evaluation.evaluate import ScoredLog, evaluate
from recbench.evaluation.index import parse_index
from recbench.evaluation.mixture import Mixture, in_proportion
from recbench.evaluation.predictions import InnerProductScores, Predictions
from recbench.evaluation.request import parse
from recbench.evaluation.signature import Protocol
from tests.evaluation.helpers import as_set, pairs_of, random_pairs, vectors

USERS, ITEMS, CLUSTERS = 9, 30, 4


@pytest.fixture
def scores() -> InnerProductScores:
    generator = torch.Generator().manual_seed(2)
    return InnerProductScores(vectors(USERS, 5, generator), vectors(ITEMS, 5, generator))


@pytest.fixture
def clusters(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    number = [item % CLUSTERS for item in range(ITEMS)]
    monkeypatch.setattr(mixture, "k_means", lambda *_, **__: (torch.tensor(number), None))
    return number


def by_loops(
    of: Mixture, scores: InnerProductScores, k: int, seen: set[tuple[int, int]], had: set[tuple[int, int]], c: list[int]
) -> list[set[int]]:
    """The items of each user, by the definition."""
    user, item = normalize(scores.user.double(), dim=1), normalize(scores.item.double(), dim=1)
    own = {u: [i for v, i in had if v == u] for u in range(USERS)}
    found = []
    for u in range(USERS):
        others = sorted((v for v in range(USERS) if v != u and own[v]), key=lambda v: -float(user[u] @ user[v]))
        near = others[: of.neighbours]
        smoothing = of.smoothing if near else 0.0
        weight: Counter[int] = Counter()
        for i in own[u]:
            weight[i] += (1 - smoothing) / len(own[u])  # type: ignore[assignment]
        for v in near:
            for i in own[v]:
                weight[i] += smoothing / len(near) / len(own[v])  # type: ignore[assignment]
        share = [sum(w for i, w in weight.items() if c[i] == number) for number in range(CLUSTERS)]
        top = sorted(range(CLUSTERS), key=lambda number: -share[number])[: of.queries]
        left = [i for i in range(ITEMS) if (u, i) not in seen]
        turns: list[tuple[float, int]] = []
        for number in [number for number in top if share[number] > 0]:
            query = sum(w * item[i] for i, w in weight.items() if c[i] == number)
            assert isinstance(query, Tensor)
            ranked = sorted(left, key=lambda i: -float(query @ item[i]))
            turns += [(rank / share[number], i) for rank, i in enumerate(ranked, 1)]
        if not turns:
            turns = [(-float(user[u] @ item[i]), i) for i in left]
        items: list[int] = []
        for _, i in sorted(turns):
            items += [i] if i not in items and len(items) < k else []
        found.append(set(items))
    return found


@pytest.mark.parametrize(
    "of",
    [
        Mixture(),
        Mixture(queries=2, neighbours=3, smoothing=0.3),
        Mixture(queries=1, neighbours=0),
        Mixture(neighbours=2, smoothing=0.95),
    ],
)
def test_against_loops(of: Mixture, scores: InnerProductScores, clusters: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    had = {(u, i) for u, i in as_set(random_pairs(USERS, ITEMS, 6, generator)) if u not in (3, 7)}  # who have nothing
    seen = had | {(3, 1), (7, 2)}
    user = torch.tensor([0, 1, 2, 3, 5, 8])
    own = pairs_of({(p, i) for p, u in enumerate(user.tolist()) for v, i in seen if u == v}, len(user), ITEMS)
    found = of.search(scores, user, 7, own, pairs_of(had, USERS, ITEMS))
    expected = by_loops(of, scores, 7, seen, had, clusters)
    assert [set(row) for row in found.tolist()] == [expected[u] for u in user.tolist()]
    for u, row in zip(user.tolist(), found.tolist(), strict=True):
        score = [float(scores.user[u].double() @ scores.item[i].double()) for i in row]
        assert score == sorted(score, reverse=True)


def test_a_smoothed_mixture_by_hand() -> None:
    """(.5, .3, .2), smoothed by the mean (.3, .6, .1) of two neighbours with weight .8, is (.34, .54, .12)."""
    counts = {0: (5, 3, 2), 1: (1, 4, 0), 2: (2, 2, 1)}
    cluster = torch.arange(3).repeat_interleave(10)
    had = {(user, 10 * c + n) for user, of_clusters in counts.items() for c in range(3) for n in range(of_clusters[c])}
    unit = normalize(vectors(30, 4, torch.Generator().manual_seed(0)), dim=1)
    of, user, near = Mixture(queries=3, neighbours=2), torch.tensor([0]), torch.tensor([[1, 2]])
    share, query = of.interests(user, near, pairs_of(had, 3, 30), unit, cluster)
    assert share[0].tolist() == pytest.approx([0.54, 0.34, 0.12])
    alone = Mixture(queries=1, neighbours=0).interests(user, near[:, :0], pairs_of(had, 3, 30), unit, cluster)
    torch.testing.assert_close(alone.query[0, 0], unit[:5].sum(0) / 10)
    assert query.shape == (1, 3, 4)


def test_lists_are_filled_in_proportion_and_items_come_once() -> None:
    listed = torch.tensor([[[0, 1, 2, 3, 4, 5], [0, 6, 7, 8, 9, -1]]])
    share = torch.tensor([[0.75, 0.25]])
    assert in_proportion(listed, share, 4).tolist() == [[0, 1, 2, 3]]  # 0 takes the only turn of the second list
    assert in_proportion(listed, share, 6).tolist() == [[0, 1, 2, 3, 4, 5]]
    assert set(in_proportion(listed, share, 8)[0].tolist()) == {0, 1, 2, 3, 4, 5, 6, 7}
    assert in_proportion(listed[:, :, :2], torch.tensor([[0.5, 0.0]]), 4).tolist() == [[0, 1, -1, -1]]


def test_an_evaluation_says_how_it_searched(scores: InnerProductScores) -> None:
    log = Log(torch.arange(USERS), torch.arange(USERS), torch.ones(USERS, 1, dtype=torch.uint8))
    empty, had = pairs_of(set(), USERS, ITEMS), random_pairs(USERS, ITEMS, 4, torch.Generator().manual_seed(1))
    predictions = Predictions(torch.zeros(USERS, 1), lambda _: scores)
    scored = ScoredLog(log, ("click",), predictions, lambda _: empty, ITEMS, train=lambda _: had)
    protocol = Protocol("toy", "test", index=parse_index("mixture:clusters=3,smoothing=0.5"))
    (value,) = evaluate([parse("recall@5")], scored, protocol)
    assert "; search=kNN-Embed(clusters=3, queries=5, neighbours=10, smoothing=0.5); " in value.signature
    assert 0 < value.value < 1 and value.count == USERS and value.cost is None


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("mixtur", "unknown index `mixtur`.*mixture"),
        ("hnsw:m=3", "--index hnsw:m=3: hnsw has no settings; write --index hnsw"),
        ("mixture:queries=3,queries=4", "--index mixture:queries=3,queries=4: a setting is given twice; leave one out"),
        ("mixture:", "--index mixture:: expected mixture"),
        ("mixture:queries", "--index mixture:queries: expected mixture"),
        ("mixture:querys=3", "unknown setting `querys` of index.*queries"),
        ("mixture:queries=0", "index.queries=0: expected at least 1"),
        ("mixture:smoothing=2", r"index.smoothing=2.0: expected a number in \[0, 1\]"),
    ],
)
def test_what_is_no_index(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_index(word)
