"""Matrix factorisation: its penalty by hand, and entities unseen in training."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from recbench.backbones import base as backbones
from recbench.backbones.building_blocks.fold_in import FoldIn, Rule, folded_in
from recbench.backbones.mf import MF
from recbench.batch import Batch
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.settings import Value
from tests.training.test_validate import new_users


def test_entities_unseen_in_training_have_the_zero_vector(toy: Dataset) -> None:
    data = replace(toy, items=replace(toy.items, seen=35))
    _, items = MF(data, 1, False, dim=4).tables()
    assert (items[35:] == 0).all()
    assert (items[:35] != 0).any(-1).all()


def test_l2_is_half_the_squared_norm_of_the_batch_per_user(toy: Dataset) -> None:
    backbone = MF(toy, 1, False, dim=2, l2=1e-4)
    with torch.no_grad():
        backbone.user_table[0] = torch.tensor([1.0, 2.0])
        backbone.item_table[0] = torch.tensor([0.5, -1.0])
        backbone.item_table[1] = torch.tensor([0.0, 3.0])
        backbone.item_table[2] = torch.tensor([100.0, 100.0])
    user, item = torch.tensor([0]), torch.tensor([[0, 1, 2]])
    batch = Batch(user, item, torch.zeros(1, 3, 1), torch.tensor([[True, True, False]]))
    regulariser = torch.as_tensor(backbone(user, item).regulariser(batch))
    assert regulariser.item() == pytest.approx(1e-4 / 2 * (1**2 + 2**2 + 0.5**2 + 1**2 + 3**2))


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("rule", ["least-squares", "mean"])
def test_new_users_are_folded_in_and_others_are_not(rule: Rule, cosine: bool, toy: Dataset) -> None:
    data = new_users(toy).narrow(["view"])
    torch.manual_seed(0)
    made = MF(data, 2, cosine, dim=4, fold_in=rule)
    given, _ = data.given_and_scored(data.valid)
    histories = made.histories(given)
    assert histories is not None
    users, items = made.tables(histories)
    before, same = made.tables()
    assert torch.equal(users[:20], before[:20]) and torch.equal(items, same)
    expected = folded_in(FoldIn(rule), histories, torch.arange(20, 30), items[: data.items.seen])
    torch.testing.assert_close(users[20:], normalize(expected, dim=-1) if cosine else expected)
    assert bool(users[20:].any()) and not bool(before[20:].any())
    out = made(torch.tensor([2, 25]), torch.tensor([[3, 4]]), histories)
    torch.testing.assert_close(out.user, users[[2, 25]])


def test_where_users_are_not_new_a_user_unseen_in_training_stays_zero(toy: Dataset) -> None:
    data = replace(new_users(toy), new_test_users=False)
    assert MF(data, 1, False).histories(data.valid) is None


@pytest.mark.parametrize(
    ("words", "are_new", "message"),
    [
        ({"fold_in": "mean", "fold_in_weight": 3.0}, True, "backbone.fold_in=mean: a mean has no weight and no ridge"),
        ({"fold_in": "mean"}, False, "users of toy/global have training rows, so that none is folded in"),
        ({"fold_in_l2": 1.0}, False, "users of toy/global have training rows, so that none is folded in"),
    ],
)
def test_settings_of_folding_in_that_would_change_nothing_are_refused(
    words: dict[str, Value], are_new: bool, message: str, toy: Dataset
) -> None:
    with pytest.raises(UsageError, match=message):
        backbones.create(MF, replace(toy, new_test_users=are_new), 1, False, words)


def test_settings_of_folding_in_are_part_of_a_key_where_they_differ_alone() -> None:
    assert backbones.resolve(MF, {}) == {"dim": 64, "l2": 0.0, "std": 0.1}
    assert backbones.resolve(MF, {"fold_in": "mean"})["fold_in"] == "mean"
    assert MF.of_new_users({}) == "least squares against item vectors"
    assert MF.of_new_users({"fold_in": "mean"}) == "mean of item vectors"
