from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.errors import TrainingError
from recbench.evaluation import exact_search
from recbench.evaluation.exact_search import search_exactly
from tests.evaluation.helpers import as_set, brute, pairs_of, random_pairs, vectors


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("k", [1, 10, 500])
def test_flat_equals_brute_force(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query, item = vectors(70, 16, generator), vectors(400, 16, generator)
    seen = random_pairs(70, 400, 40, generator)
    ranking = search_exactly(query, item, k, seen)
    assert ranking.item.tolist() == brute(query.double() @ item.double().T, as_set(seen), k)
    known = ranking.item >= 0
    expected = (query.double() @ item.double().T).gather(1, ranking.item.clamp(min=0))
    assert torch.allclose(ranking.score[known], expected[known])


@settings(deadline=None)
@given(st.data())
def test_ties_and_seen_items(data: st.DataObject) -> None:
    users, items = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 12))
    k, dim = data.draw(st.integers(1, 14)), 2
    small = st.integers(-1, 1)
    query = torch.tensor(data.draw(st.lists(small, min_size=users * dim, max_size=users * dim))).view(users, dim)
    item = torch.tensor(data.draw(st.lists(small, min_size=items * dim, max_size=items * dim))).view(items, dim)
    seen = data.draw(st.sets(st.tuples(st.integers(0, users - 1), st.integers(0, items - 1)), max_size=12))
    ranking = search_exactly(query.float(), item.float(), k, pairs_of(seen, users, items))
    assert ranking.item.tolist() == brute((query @ item.T).float(), seen, k)


def test_many_equal_vectors_whatever_the_number_of_threads() -> None:
    generator = torch.Generator().manual_seed(1)
    number = torch.randint(12, (3000,), generator=generator)
    query, distinct = vectors(90, 24, generator), vectors(12, 24, generator)
    seen = random_pairs(90, 3000, 20, generator)
    expected = brute((query.double() @ distinct.double().T)[:, number], as_set(seen), 20)
    for count in (1, 2):
        with threads(count):
            assert search_exactly(query, distinct[number], 20, seen).item.tolist() == expected


def test_a_tie_at_the_cut_off_only() -> None:
    item = torch.tensor([[1.0], [3.0], [2.0], [2.0], [2.0]]).repeat(10, 1)
    item[0] = 4
    ranking = search_exactly(torch.ones(3, 1), item, 13, pairs_of(set(), 3, 50))
    assert ranking.item[0].tolist() == [0, *range(1, 50, 5), 2, 3]


def test_all_vectors_equal() -> None:
    ranking = search_exactly(torch.randn(5, 8), torch.ones(1000, 8), 4, pairs_of({(0, 0), (0, 2)}, 5, 1000))
    assert ranking.item.tolist() == [[1, 3, 4, 5], *[[0, 1, 2, 3]] * 4]


def test_blocks_of_users_and_those_who_need_more_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    query, item = vectors(40, 8, generator), vectors(900, 8, generator)
    heavy = {(7, i) for i in range(895)}
    light = {(u, int(i)) for u in range(40) for i in torch.randint(900, (5,), generator=generator)}
    seen = pairs_of(heavy | light, 40, 900)
    expected = brute(query.double() @ item.double().T, heavy | light, 10)
    assert search_exactly(query, item, 10, seen).item.tolist() == expected
    monkeypatch.setattr(exact_search, "_BYTES_ON_CPU", 1 << 17)  # seven users
    assert search_exactly(query, item, 10, seen).item.tolist() == expected
    monkeypatch.setattr(exact_search, "_DEEPEST", 21)
    assert search_exactly(query, item, 10, seen).item.tolist() == expected


def test_a_difference_that_float32_cannot_see() -> None:
    step = 2.0**-23
    item = torch.tensor([[1.0, 1.0]]).repeat(300, 1)
    item[250, 1] += step  # its product with (1e8, 1) is larger by 1e-7, far below what float32 adds to 1e8
    ranking = search_exactly(torch.tensor([[1e8, 1.0]]), item, 3, pairs_of({(0, 1)}, 1, 300))
    assert ranking.item.tolist() == [[250, 0, 2]]


def test_products_beyond_float32() -> None:
    item = torch.tensor([[-1e30], [1e30], [2e30], [1.0]]).repeat(20, 1)
    ranking = search_exactly(torch.tensor([[1e30], [-1e30]]), item, 25, pairs_of({(0, 2)}, 2, 80))
    scores = torch.tensor([[1e30], [-1e30]]).double() @ item.double().T
    assert ranking.item.tolist() == brute(scores, {(0, 2)}, 25)


def in_order_of_faiss(query: Tensor, item: Tensor, k: int, seen: set[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """All items as an exact index of faiss finds them, without the seen ones, scored and ordered in float64."""
    index = faiss.IndexFlatIP(item.shape[1])
    index.add(item.numpy())
    found = torch.from_numpy(index.search(query.numpy(), len(item))[1])
    score = (query.double()[:, None] * item[found].double()).sum(2)
    items, scores = torch.full((len(query), k), -1), torch.full((len(query), k), -torch.inf, dtype=torch.double)
    for user, row in enumerate(found.tolist()):
        kept = sorted((-float(score[user, p]), i) for p, i in enumerate(row) if (user, i) not in seen)[:k]
        items[user, : len(kept)] = torch.tensor([i for _, i in kept], dtype=torch.long)
        scores[user, : len(kept)] = torch.tensor([-s for s, _ in kept], dtype=torch.double)
    return items, scores


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_equal_to_faiss_bit_for_bit(data: st.DataObject) -> None:
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 10**6)))
    users, items, dim = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 400)), data.draw(st.integers(1, 17))
    distinct = vectors(data.draw(st.integers(1, items)), dim, generator)
    item = distinct[torch.randint(len(distinct), (items,), generator=generator)]  # many ties
    query = vectors(users, dim, generator) * data.draw(st.sampled_from([0.0, 1e-20, 1.0, 1e6]))
    per_user = data.draw(st.sampled_from([0, 3, items]))
    seen = as_set(random_pairs(users, items, per_user, generator))
    k = data.draw(st.sampled_from([1, 5, 20, items, items + 3]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_search, "_GROUP", data.draw(st.sampled_from([2, 8, 64])))
        patch.setattr(exact_search, "_BYTES_ON_CPU", data.draw(st.sampled_from([1, 1 << 16, 1 << 24])))
        ranking = search_exactly(query, item, k, pairs_of(seen, users, items))
    expected_items, expected_scores = in_order_of_faiss(query, item, k, seen)
    assert torch.equal(ranking.item, expected_items)
    torch.testing.assert_close(ranking.score, expected_scores, rtol=1e-12, atol=1e-12)


def test_no_users_and_one_item() -> None:
    assert search_exactly(torch.empty(0, 3), torch.ones(5, 3), 2, pairs_of(set(), 0, 5)).item.shape == (0, 2)
    ranking = search_exactly(torch.ones(2, 3), torch.ones(1, 3), 2, pairs_of({(1, 0)}, 2, 1))
    assert ranking.item.tolist() == [[0, -1], [-1, -1]]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_vectors_that_are_not_finite_are_refused(bad: float) -> None:
    good = torch.ones(3, 2)
    broken = torch.tensor([[1.0, bad]])
    for query, item in ((good, broken), (broken, good)):
        with pytest.raises(TrainingError, match="not finite"):
            search_exactly(query, item, 1, pairs_of(set(), len(query), len(item)))
