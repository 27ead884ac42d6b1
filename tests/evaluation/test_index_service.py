"""What an export says of its index is what single queries find."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recbench.evaluation.index_service import serve


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_the_recall_is_that_of_single_queries(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    query, item = (torch.randn(n, 16, generator=generator) for n in (60, 3000))
    index, exact = serve(query, item, 10, kind)  # type: ignore[arg-type]
    want = (query @ item.T).topk(10).indices
    found = [set(index.index.search(row[None].numpy(), 10)[1][0]) for row in query]
    share = np.mean([len(set(best) & got) / 10 for best, got in zip(want.tolist(), found, strict=True)])
    assert index.recall == pytest.approx(share) and exact.recall == 1
    assert exact.index.ntotal == index.index.ntotal == 3000
    assert 0 < index.median <= index.slow


def test_ivf_that_misses_items_says_so() -> None:
    """Uniform directions in many dimensions have no cells to find them by."""
    vectors = torch.randn(3000, 64, generator=torch.Generator().manual_seed(0))
    assert 0 < serve(-vectors[:50], vectors, 10, "ivf")[0].recall < 0.9


def test_equal_scores_are_as_good_as_each_other_and_few_items_are_all_found() -> None:
    item = torch.ones(5, 4)
    index, exact = serve(torch.ones(3, 4), item, 10, "hnsw")
    assert index.recall == exact.recall == 1
