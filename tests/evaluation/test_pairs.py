import torch

from recbench.evaluation.pairs import contains, restrict, without
from tests.evaluation.helpers import pairs_of

NONE = pairs_of(set(), 4, 6)


def test_pairs() -> None:
    pairs = pairs_of({(0, 5), (2, 0), (2, 3), (3, 5)}, 4, 6)
    user, item = torch.tensor([0, 1, 2, 2, 3, 3]), torch.tensor([5, 5, 3, 1, -1, 5])
    assert contains(pairs, user, item, 6).tolist() == [True, False, True, False, False, True]
    assert contains(pairs, torch.tensor([[0], [2]]), torch.tensor([[5, 0], [0, -1]]), 6).tolist() == [
        [True, False],
        [True, False],
    ]
    assert not contains(NONE, user, item, 6).any()
    some = restrict(pairs, torch.tensor([3, 1, 2]))
    assert some.start.tolist() == [0, 1, 1, 3]
    assert some.item.tolist() == [5, 0, 3]
    left = without(pairs, pairs_of({(2, 0), (0, 5), (1, 1)}, 4, 6), 6)
    assert (left.user.tolist(), left.item.tolist()) == ([2, 3], [3, 5])
