"""Autoencoders: what of a user's history is read, in training and in scoring."""

from __future__ import annotations

from dataclasses import replace

import torch

from recbench.backbones.autoencoder import Autoencoder
from recbench.backbones.base import BACKBONES
from recbench.backbones.variational_autoencoder import VariationalAutoencoder
from recbench.data.dataset import Dataset, Log
from recbench.samplers import Catalogue, Triplets


def made(data: Dataset, dropout: float = 0.5) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(data, 1, False, dim=8, dropout=dropout)


def log_of(rows: list[tuple[int, int, int]]) -> Log:
    table = torch.tensor(rows, dtype=torch.int32)
    return Log(table[:, 0].contiguous(), table[:, 1].contiguous(), table[:, 2:].to(torch.uint8))


def test_a_user_is_what_he_has_had_whoever_he_is(toy: Dataset) -> None:
    """Rows without feedback, repeated rows and items unseen in training do not count; nothing gives zero and biases."""
    data = replace(toy.narrow(["view"]), items=replace(toy.items, seen=30))
    backbone = made(data).eval()
    log = log_of([(3, 5, 1), (3, 9, 1), (7, 9, 1), (7, 5, 1), (7, 9, 1), (7, 4, 0), (7, 35, 1), (8, 5, 1)])
    users, _ = backbone.tables(backbone.histories(log))
    assert torch.equal(users[3], users[7])
    assert not torch.allclose(users[3], users[8])
    expected = ((backbone.first[5] + backbone.first[9]) / 2**0.5 + backbone.first_bias).tanh()
    torch.testing.assert_close(users[3, 0, :-1], expected)
    torch.testing.assert_close(users[0, 0, :-1], backbone.first_bias.tanh())
    assert bool((users[..., -1] == 1).all())


def test_catalogue_slates_and_rows_of_train_have_the_same_history(toy: Dataset) -> None:
    backbone = made(toy).eval()
    (batch,) = Catalogue().batches(toy, 10**9, torch.Generator().manual_seed(0))
    torch.testing.assert_close(backbone.encode(batch).user, backbone(batch.user, batch.item).user)
    torch.testing.assert_close(backbone.encode(batch).user, backbone.tables()[0][batch.user])


def test_other_slates_train_it_too(toy: Dataset) -> None:
    (batch, *_) = Triplets().batches(toy, 32, torch.Generator().manual_seed(0))
    backbone = made(toy).train()
    towers = backbone.encode(batch)
    assert towers.logit.shape == (*batch.item.shape, 1)
    towers.logit.sum().backward()
    assert backbone.first.grad is not None and bool(backbone.first.grad.any())


def test_training_leaves_out_a_share_of_the_items(toy: Dataset) -> None:
    """The pooled items are on average those of scoring, and with a dropout of 0 always."""
    (batch,) = Catalogue().batches(toy, 10**9, torch.Generator().manual_seed(0))
    assert batch.pairs is not None
    whole, drawn = made(toy, 0.0).train(), made(toy, 0.5).train()
    for backbone in (whole, drawn):
        with torch.no_grad():
            backbone.first_bias.zero_()
    scored = made(toy).eval()
    with torch.no_grad():
        scored.first_bias.zero_()
    expected = scored.encode(batch).user[:, 0, :-1].atanh()
    torch.testing.assert_close(whole.encode(batch).user[:, 0, :-1].atanh(), expected)
    draws = torch.stack([drawn.encode(batch).user[:, 0, :-1].atanh() for _ in range(400)])
    torch.testing.assert_close(draws.mean(0), expected, rtol=0, atol=0.1)
    assert float(draws.detach().std(0).mean()) > 0.02


def test_entities_unseen_in_training_have_no_weights(toy: Dataset) -> None:
    data = replace(toy, items=replace(toy.items, seen=30))
    for backbone in (made(data), VariationalAutoencoder(data, 2, False, dim=4)):
        _, items = backbone.tables()
        assert bool(items[:30].any()) and not bool(items[30:].any()) and not bool(backbone.first[30:].any())


def test_a_default_is_that_of_the_paper(toy: Dataset) -> None:
    shapes = {
        name: {tuple(p.shape) for p in BACKBONES.get(name)(toy, 1, False).parameters() if p.ndim > 1}
        for name in ("autoencoder", "variational-autoencoder")
    }
    items = len(toy.items)
    assert shapes["autoencoder"] == {(items, 200), (items, 1)}
    assert shapes["variational-autoencoder"] == {(items, 600), (400, 600), (600, 200), (items, 1)}
