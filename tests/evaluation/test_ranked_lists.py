import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.data.dataset import Log
from recbench.errors import TrainingError
from recbench.evaluation import ranked_lists
from recbench.evaluation.candidate_sets import GivenCandidates, SampledCandidates
from recbench.evaluation.predictions import BlockScores, CatalogueScores, InnerProductScores
from recbench.evaluation.ranked_lists import RankedLists, RankingRules, rank_candidates, rank_catalogue, rank_rows
from tests.evaluation.helpers import brute, pairs_of


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


EVERY_USER = RankingRules("catalogue", users="with rows")
ITEMS = 6


@st.composite
def scored_logs(draw: st.DrawFn) -> tuple[Log, Tensor, set[tuple[int, int]]]:
    """Rows of up to five users, scores of whole numbers [5, ITEMS] and what was seen."""
    row = st.tuples(st.integers(0, 4), st.integers(0, ITEMS - 1), st.integers(0, 1))
    user, item, label = torch.tensor(draw(st.lists(row, min_size=1, max_size=20))).T
    numbers = st.lists(st.integers(-2, 2), min_size=5 * ITEMS, max_size=5 * ITEMS)
    score = torch.tensor(draw(numbers)).double().view(5, ITEMS)
    seen = draw(st.sets(st.tuples(st.integers(0, 4), st.integers(0, ITEMS - 1)), max_size=15))
    return Log(user.int(), item.int(), label[:, None].to(torch.uint8)), score, seen


def as_scores(score: Tensor, kind: str) -> CatalogueScores:
    if kind == "blocks":
        return BlockScores(lambda user: score[user], score.shape[1])
    return InnerProductScores(score, torch.eye(score.shape[1]).double())


def as_rows(lists: RankedLists) -> dict[int, tuple[list[int], list[bool], int, int]]:
    columns = (lists.user, lists.item, lists.hit, lists.relevant, lists.length)
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in zip(*(c.tolist() for c in columns), strict=True)}


def expected(
    log: Log, score: Tensor, seen: set[tuple[int, int]], left_out: set[tuple[int, int]], k: int
) -> dict[int, tuple[list[int], list[bool], int, int]]:
    """The list of every user with rows by a plain loop, without the pairs that are `left_out`."""
    ranked = brute(score, left_out, k)
    triples = zip(log.user.tolist(), log.item.tolist(), log.label[:, 0].tolist(), strict=True)
    relevant = {(user, item) for user, item, label in triples if label} - seen
    rows = {}
    for user in sorted(set(log.user.tolist())):
        own = {item for one, item in relevant if one == user}
        hits = [item in own for item in ranked[user]]
        rows[user] = (ranked[user], hits, len(own), sum(item >= 0 for item in ranked[user]))
    return rows


@pytest.mark.parametrize("kind", ["vectors", "blocks"])
@given(data=scored_logs(), k=st.integers(1, ITEMS + 1))
def test_every_user_with_rows_has_a_list_where_that_is_asked_for(
    kind: str, data: tuple[Log, Tensor, set[tuple[int, int]]], k: int
) -> None:
    log, score, seen = data
    arguments = (as_scores(score, kind), log, 0, pairs_of(seen, 5, ITEMS), k, "flat")
    every = as_rows(rank_catalogue(*arguments, EVERY_USER))  # type: ignore[arg-type]
    assert every == expected(log, score, seen, seen, k)
    some = rank_catalogue(*arguments)  # type: ignore[arg-type]
    assert as_rows(some) == {user: row for user, row in every.items() if row[2]}
    assert some.others == len(every) - len(some.user)


@given(data=scored_logs(), k=st.integers(1, 3))
def test_every_user_has_a_list_of_own_rows_where_that_is_asked_for(
    data: tuple[Log, Tensor, set[tuple[int, int]]], k: int
) -> None:
    log, score, _ = data
    user, item = log.user.long(), log.item.long()
    lists = as_rows(
        rank_rows(score[user, item], log.label[:, 0], user, item, k, RankingRules("rows", users="with rows"))
    )
    rows = set(zip(user.tolist(), item.tolist(), strict=True))
    others = {(u, i) for u in range(5) for i in range(ITEMS)} - rows
    assert lists == expected(log, score, set(), others, k)


@pytest.mark.parametrize("kind", ["vectors", "blocks"])
@pytest.mark.parametrize("users", [2, 4096])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(data=scored_logs(), k=st.integers(1, ITEMS), count=st.integers(1, 4), seed=st.integers(0, 2))
def test_sampled_candidates_are_ranked_as_a_plain_loop_does(
    monkeypatch: pytest.MonkeyPatch,
    users: int,
    kind: str,
    data: tuple[Log, Tensor, set[tuple[int, int]]],
    k: int,
    count: int,
    seed: int,
) -> None:
    monkeypatch.setattr(ranked_lists, "_USERS", users)
    log, score, seen = data
    sample, pairs = SampledCandidates(count, seed), pairs_of(seen, 5, ITEMS)
    relevant = expected(log, score, seen, set(), ITEMS)
    candidates = sample.pairs(
        torch.arange(5),
        pairs_of(
            {(user, item) for user, row in relevant.items() for item, hit in zip(*row[:2], strict=True) if hit},
            5,
            ITEMS,
        ),
        pairs,
        ITEMS,
    )
    ranked = set(zip(candidates.user.tolist(), candidates.item.tolist(), strict=True))
    left_out = {(user, item) for user in range(5) for item in range(ITEMS)} - ranked
    rows = expected(log, score, seen, left_out, k)
    scores = as_scores(score, kind)
    some = rank_candidates(scores, log, 0, pairs, k, sample, RankingRules(sample))
    assert as_rows(some) == {user: row for user, row in rows.items() if row[2]}
    every = rank_candidates(scores, log, 0, pairs, k, sample, RankingRules(sample, users="with rows"))
    assert as_rows(every) == {user: row for user, row in rows.items() if row[3]}


@pytest.mark.parametrize("kind", ["vectors", "blocks"])
def test_candidates_of_a_file_that_are_all_items_rank_as_the_catalogue(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    query, item = torch.randn(30, 8, generator=generator), torch.randn(50, 8, generator=generator)
    item[7] = item[3]
    user, row = torch.randint(30, (200,), generator=generator), torch.randint(50, (200,), generator=generator)
    log = Log(user.int(), row.int(), torch.randint(2, (200, 1), generator=generator).to(torch.uint8))
    seen = pairs_of({(u, i) for u in range(30) for i in range(50) if (u * 7 + i * 3) % 5 == 0}, 30, 50)
    everything = GivenCandidates("0" * 12, pairs_of({(u, i) for u in range(30) for i in range(50)}, 30, 50))
    scores: CatalogueScores = InnerProductScores(query, item)
    if kind == "blocks":
        scores = BlockScores(lambda user: query[user] @ item.T, 50)
    catalogue = rank_catalogue(scores, log, 0, seen, 10)
    given = rank_candidates(scores, log, 0, seen, 10, everything, RankingRules(everything))
    assert as_rows(given) == as_rows(catalogue)
    assert given.others == catalogue.others


def test_a_relevant_item_that_the_file_does_not_have_is_never_found() -> None:
    log = Log(torch.tensor([0, 0, 1, 2]).int(), torch.tensor([0, 1, 0, 3]).int(), torch.ones(4, 1, dtype=torch.uint8))
    file = GivenCandidates("0" * 12, pairs_of({(0, 1), (0, 2), (2, 3)}, 3, 4))
    scores = InnerProductScores(torch.ones(3, 1), torch.ones(4, 1))
    lists = rank_candidates(scores, log, 0, pairs_of(set(), 3, 4), 2, file, RankingRules(file))
    assert as_rows(lists) == {
        0: ([1, 2], [True, False], 2, 2),
        2: ([3, -1], [True, False], 1, 1),
    }  # 1 has no candidates


def test_a_candidate_whose_score_is_not_a_number_is_refused() -> None:
    log = Log(torch.tensor([0]).int(), torch.tensor([0]).int(), torch.ones(1, 1, dtype=torch.uint8))
    scores = InnerProductScores(torch.tensor([[torch.nan]]), torch.ones(4, 1))
    sample = SampledCandidates(2)
    with pytest.raises(TrainingError, match="not a number"):
        rank_candidates(scores, log, 0, pairs_of(set(), 1, 4), 2, sample, RankingRules(sample))
