import pytest
import torch

from recbench.evaluation.predictions import (
    BlockScores,
    InnerProductScores,
    TowerVectors,
    score_vectors,
)

USERS, ITEMS = 60, 15


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_towers_are_weighed_for_each_feedback() -> None:
    user, item, weight = drawn(4, 2, 3), drawn(5, 2, 3, seed=1), torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    inner = torch.einsum("ukd,ikd->kui", user, item)
    for column in range(2):
        scores = TowerVectors(user, item, weight).catalogue(column)
        expected = torch.einsum("k,kui->ui", weight[column], inner)
        assert torch.allclose(scores.user @ scores.item.T, expected, atol=1e-6)


def test_only_the_towers_that_enter_a_score_count() -> None:
    near, far = drawn(50, 3) + 100, drawn(50, 3, seed=1)
    items_of_both = torch.cat([near, far], 1)
    user = torch.cat([far, 0 * far], 1)
    found = score_vectors(InnerProductScores(user, items_of_both))
    assert found is not None and torch.equal(found.item, near) and torch.equal(found.user, far)


def test_a_function_of_blocks_of_users_scores_pairs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recbench.evaluation.predictions._SCORES", 3 * ITEMS)  # three users in a block
    draw = torch.Generator().manual_seed(0)
    whole = torch.randn(USERS, ITEMS, generator=draw)
    user, item = torch.randint(USERS, (200,), generator=draw), torch.randint(ITEMS, (200,), generator=draw)
    sizes = []

    def score(block: torch.Tensor) -> torch.Tensor:
        sizes.append(len(block))
        return whole[block]

    assert torch.equal(BlockScores(score, ITEMS).rows(user.int(), item.int()), whole[user, item])
    assert max(sizes) == 3 and sum(sizes) == len(user.unique())
    assert len(BlockScores(score, ITEMS).rows(user[:0], item[:0])) == 0
