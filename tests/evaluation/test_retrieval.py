import faiss
import pytest
import torch

from recbench.evaluation import retrieval
from recbench.evaluation.exact_search import search_exactly
from recbench.evaluation.retrieval import search_and_measure
from tests.evaluation.helpers import as_set, pairs_of, random_pairs, vectors


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_approximate_search_finds_most_and_says_how_much(kind: retrieval.ApproximateKind) -> None:
    generator = torch.Generator().manual_seed(3)
    centre = vectors(30, 16, generator)
    item = centre.repeat(100, 1) + 0.3 * vectors(3000, 16, generator)
    query = centre[torch.randint(30, (50,), generator=generator)] + 0.3 * vectors(50, 16, generator)
    seen = random_pairs(50, 3000, 10, generator)
    ranking, cost = search_and_measure(query, item, 10, seen, kind)
    exact = search_exactly(query, item, 10, seen)
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
def test_approximate_search_of_a_tiny_catalogue(
    kind: retrieval.ApproximateKind, capfd: pytest.CaptureFixture[str]
) -> None:
    ranking, cost = search_and_measure(torch.ones(2, 2), torch.eye(2), 5, pairs_of({(0, 1)}, 2, 2), kind)
    assert ranking.item.tolist() == [[0, -1, -1, -1, -1], [0, 1, -1, -1, -1]]
    assert cost.recall == 1
    assert capfd.readouterr() == ("", "")


def test_users_who_have_seen_much_are_searched_without_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(4)
    query, item = vectors(6, 8, generator), vectors(500, 8, generator)
    heavy = {(2, i) for i in range(300)}
    monkeypatch.setattr(retrieval, "_DEEPEST", 100)
    seen = pairs_of(heavy, 6, 500)
    ranking, _ = search_and_measure(query, item, 10, seen, "ivf")
    assert torch.equal(ranking.item[2], search_exactly(query, item, 10, seen).item[2])
