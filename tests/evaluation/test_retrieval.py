from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from recbench.data.dataset import Positives
from recbench.errors import TrainingError
from recbench.evaluation import retrieval
from recbench.evaluation.retrieval import search, search_and_measure
from tests.evaluation.helpers import brute, pairs_of


def random_pairs(users: int, items: int, per_user: int, generator: torch.Generator) -> Positives:
    user = torch.arange(users).repeat_interleave(per_user)
    return Positives.from_pairs(user, torch.randint(items, (len(user),), generator=generator), users, items)


def as_set(pairs: Positives) -> set[tuple[int, int]]:
    return set(zip(pairs.user.tolist(), pairs.item.tolist(), strict=True))


def vectors(count: int, dim: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, dim, generator=generator)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before, before_faiss = torch.get_num_threads(), faiss.omp_get_max_threads()
    torch.set_num_threads(count)
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        faiss.omp_set_num_threads(before_faiss)


@pytest.mark.parametrize("k", [1, 10, 500])
def test_flat_equals_brute_force(k: int) -> None:
    generator = torch.Generator().manual_seed(0)
    query, item = vectors(70, 16, generator), vectors(400, 16, generator)
    seen = random_pairs(70, 400, 40, generator)
    ranking = search(query, item, k, seen)
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
    ranking = search(query.float(), item.float(), k, pairs_of(seen, users, items))
    assert ranking.item.tolist() == brute((query @ item.T).float(), seen, k)


def test_many_equal_vectors_whatever_the_number_of_threads() -> None:
    generator = torch.Generator().manual_seed(1)
    number = torch.randint(12, (3000,), generator=generator)
    query, distinct = vectors(90, 24, generator), vectors(12, 24, generator)
    seen = random_pairs(90, 3000, 20, generator)
    expected = brute((query.double() @ distinct.double().T)[:, number], as_set(seen), 20)
    for count in (1, 2):
        with threads(count):
            assert search(query, distinct[number], 20, seen).item.tolist() == expected


def test_a_tie_at_the_cut_off_only() -> None:
    item = torch.tensor([[1.0], [3.0], [2.0], [2.0], [2.0]]).repeat(10, 1)
    item[0] = 4
    ranking = search(torch.ones(3, 1), item, 13, pairs_of(set(), 3, 50))
    assert ranking.item[0].tolist() == [0, *range(1, 50, 5), 2, 3]


def test_all_vectors_equal() -> None:
    ranking = search(torch.randn(5, 8), torch.ones(1000, 8), 4, pairs_of({(0, 0), (0, 2)}, 5, 1000))
    assert ranking.item.tolist() == [[1, 3, 4, 5], *[[0, 1, 2, 3]] * 4]


def test_nobody_pays_for_the_heaviest_user(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    query, item = vectors(40, 8, generator), vectors(900, 8, generator)
    heavy = {(7, i) for i in range(600)}
    light = {(u, int(i)) for u in range(40) for i in torch.randint(900, (5,), generator=generator)}
    seen = pairs_of(heavy | light, 40, 900)
    sizes: list[tuple[int, int]] = []
    original = retrieval._candidates

    def spy(index: object, query: Tensor, item: Tensor, size: int, seen: Positives) -> object:
        sizes.append((size, len(query)))
        return original(index, query, item, size, seen)

    monkeypatch.setattr(retrieval, "_candidates", spy)
    ranking = search(query, item, 10, seen)
    assert sizes == [(16, 39), (900, 1)]
    monkeypatch.setattr(retrieval, "_DEEPEST", 100)
    monkeypatch.setattr(retrieval, "_GATHERED", 16 * 8 * 7)
    again = search(query, item, 10, seen)
    assert sizes[2:] == [(16, 7)] * 5 + [(16, 4)]
    assert again.item.tolist() == ranking.item.tolist() == brute(query.double() @ item.double().T, heavy | light, 10)


def test_no_users_and_one_item() -> None:
    assert search(torch.empty(0, 3), torch.ones(5, 3), 2, pairs_of(set(), 0, 5)).item.shape == (0, 2)
    ranking = search(torch.ones(2, 3), torch.ones(1, 3), 2, pairs_of({(1, 0)}, 2, 1))
    assert ranking.item.tolist() == [[0, -1], [-1, -1]]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_vectors_that_are_not_finite_are_refused(bad: float) -> None:
    good = torch.ones(3, 2)
    broken = torch.tensor([[1.0, bad]])
    for query, item in ((good, broken), (broken, good)):
        with pytest.raises(TrainingError, match="not finite"):
            search(query, item, 1, pairs_of(set(), len(query), len(item)))


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_search_finds_most_and_says_how_much(kind: retrieval.IndexKind) -> None:
    generator = torch.Generator().manual_seed(3)
    centre = vectors(30, 16, generator)
    item = centre.repeat(100, 1) + 0.3 * vectors(3000, 16, generator)
    query = centre[torch.randint(30, (50,), generator=generator)] + 0.3 * vectors(50, 16, generator)
    seen = random_pairs(50, 3000, 10, generator)
    ranking, cost = search_and_measure(query, item, 10, seen, kind)
    exact = search(query, item, 10, seen)
    found = sum(len(set(a) & set(b)) for a, b in zip(ranking.item.tolist(), exact.item.tolist(), strict=True))
    assert cost.recall == pytest.approx(found / 500)
    assert cost.recall > 0.8
    assert min(cost.build_seconds, cost.seconds, cost.flat_seconds) > 0
    assert not as_set(seen) & {(u, i) for u, row in enumerate(ranking.item.tolist()) for i in row}
    assert torch.equal(ranking.item, search_and_measure(query, item, 10, seen, kind)[0].item)
    before = faiss.omp_get_max_threads()
    retrieval.build(item, kind)
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_search_of_a_tiny_catalogue(kind: retrieval.IndexKind, capfd: pytest.CaptureFixture[str]) -> None:
    ranking, cost = search_and_measure(torch.ones(2, 2), torch.eye(2), 5, pairs_of({(0, 1)}, 2, 2), kind)
    assert ranking.item.tolist() == [[0, -1, -1, -1, -1], [0, 1, -1, -1, -1]]
    assert cost.recall == 1
    assert capfd.readouterr() == ("", "")
