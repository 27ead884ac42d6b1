"""What every registered backbone must hold to, a new one included."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch

from recbench.backbones.base import BACKBONES, Backbone, defaults, resolve
from recbench.data.dataset import Dataset
from recbench.errors import UsageError
from recbench.gpu import everywhere_as_on_gpu
from recbench.inspect.loss_trial import InapplicableError, Trial
from recbench.inspect.step_checks import require_same_steps

NAMES = BACKBONES.names()
HISTORIES = {  # of other lengths in every batch, and what a CUDA graph cannot do with them
    **dict.fromkeys(("autoencoder", "variational-autoencoder"), "reads a number from the device"),
    "sasrec": "makes a tensor whose shape depends on values",
}


def made(name: str, data: Dataset, towers: int = 2, cosine: bool = False) -> Backbone:
    torch.manual_seed(0)
    return BACKBONES.get(name)(data, towers, cosine, dim=8).eval()  # type: ignore[call-arg]


def width(backbone: Backbone) -> int:
    """The length of its vectors: `dim`, and what a few have besides.

    That is of neumf `embedding`, for its two branches lie side by side, and of autoencoders the bias of an item; the
    variational one ends with its layer `hidden`; of ngcf its three layers.
    """
    return {"neumf": 8 + 64, "ngcf": 4 * 8, "autoencoder": 8 + 1, "variational-autoencoder": 600 + 1}.get(
        backbone.name, 8
    )


@pytest.mark.parametrize("towers", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_shapes(name: str, towers: int, toy: Dataset) -> None:
    backbone = made(name, toy, towers)
    out = backbone(torch.tensor([1, 2]), torch.tensor([[3, 4, 5], [6, 7, 8]]))
    assert out.user.shape == (2, towers, width(backbone))
    assert out.item.shape == (2, 3, towers, width(backbone))
    assert out.logit.shape == (2, 3, towers)


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_slate_equals_rows_of_the_tables(name: str, cosine: bool, toy: Dataset) -> None:
    backbone = made(name, toy, cosine=cosine)
    backbone.entities_at_once = 7
    users, items = backbone.tables()
    assert users.shape == (len(toy.users), 2, width(backbone))
    assert items.shape == (len(toy.items), 2, width(backbone))
    user, item = torch.tensor([0, 29]), torch.tensor([[39, 1], [5, 0]])
    out = backbone(user, item)
    torch.testing.assert_close(out.user, users[user])
    torch.testing.assert_close(out.item, items[item])


@pytest.mark.parametrize("name", NAMES)
def test_a_shared_slate_equals_the_same_slate_repeated(name: str, toy: Dataset) -> None:
    backbone = made(name, toy)
    user, item = torch.tensor([4, 5, 6]), torch.tensor([[7, 8]])
    torch.testing.assert_close(backbone(user, item).logit, backbone(user, item.expand(3, 2)).logit)


@pytest.mark.parametrize("name", NAMES)
def test_cosine_gives_unit_vectors(name: str, toy: Dataset) -> None:
    users, items = made(name, toy, cosine=True).tables()
    torch.testing.assert_close(users.norm(dim=-1), torch.ones(users.shape[:2]))
    torch.testing.assert_close(items.norm(dim=-1), torch.ones(items.shape[:2]))


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_weights(name: str, toy: Dataset) -> None:
    first, second = made(name, toy).state_dict(), made(name, toy).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", [name for name in NAMES if "std" in defaults(BACKBONES.get(name))])
def test_vectors_that_all_start_at_zero_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="backbone.std=0.0: expected a number above 0"):
        resolve(BACKBONES.get(name), {"std": "0"})


@pytest.mark.parametrize("name", NAMES)
def test_cites_its_source(name: str) -> None:
    assert "20" in (BACKBONES.get(name).__doc__ or "")


@pytest.mark.parametrize("name", NAMES)
def test_steps_that_are_recorded_and_repeated_are_as_others(name: str) -> None:
    refused: AbstractContextManager[object] = nullcontext()
    if name in HISTORIES:
        refused = pytest.raises(InapplicableError, match=HISTORIES[name])
    with everywhere_as_on_gpu(), refused:
        require_same_steps(Trial("gnolr"), name)
