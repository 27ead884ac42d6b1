"""Dual embeddings: the score by hand, that it has a direction, and what a shared table is."""

from __future__ import annotations

from dataclasses import replace

import torch

from recbench.backbones.dual import DualEmbeddings
from recbench.batch import Batch
from recbench.data.dataset import Dataset, Log
from recbench.data.toy import toy as make_toy
from recbench.training.model import build
from recbench.training.schedule import Schedule


def bought(toy: Dataset, rows: list[tuple[int, int]]) -> Dataset:
    """The toy with these training rows of user and item, all positive."""
    user, item = (torch.tensor(column, dtype=torch.int32) for column in zip(*rows, strict=True))
    narrow = toy.narrow(["view"])
    return replace(narrow, train=Log(user, item, torch.ones(len(rows), 1, dtype=torch.uint8)))


def test_the_score_is_the_mean_over_what_came_before(toy: Dataset) -> None:
    data = bought(toy, [(0, 5), (0, 6), (0, 7), (1, 6)])
    backbone = DualEmbeddings(data, 1, False, dim=3, length=2)
    context, target = backbone.context_table.detach(), backbone.target_table.detach()
    row = torch.tensor([2, 3])  # item 7 of user 0, who had 5 and 6, and the first item of user 1
    batch = Batch(torch.tensor([0, 1]), torch.tensor([[7, 9], [6, 9]]), torch.zeros(2, 2, 1), row=row)
    logit = backbone.encode(batch).logit[:, :, 0]
    expected = [(context[5] @ target[item] + context[6] @ target[item]) / 2 for item in (7, 9)]
    torch.testing.assert_close(logit, torch.stack([torch.stack(expected), torch.zeros(2)]))
    known = backbone(torch.tensor([0]), torch.tensor([[9]])).logit  # the last two: 6 and 7
    torch.testing.assert_close(known[0, 0, 0], (context[6] + context[7]) @ target[9] / 2)


def test_it_has_a_direction_unless_the_table_is_shared(toy: Dataset) -> None:
    data = bought(toy, [(0, 5), (1, 6)])
    user, item = torch.tensor([0, 1]), torch.tensor([[6], [5]])
    one_way, back = DualEmbeddings(data, 1, False, length=1)(user, item).logit.flatten().tolist()
    assert one_way != back
    shared = DualEmbeddings(data, 1, False, length=1, shared=True)
    one_way, back = shared(user, item).logit.flatten().tolist()
    assert one_way == back and len(list(shared.parameters())) == 1


def test_it_learns_which_item_follows_which() -> None:
    """Item 2k + 1 follows 2k and never the other way round: 2k complements nothing."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(15, (400,), generator=generator).mul(2).tolist()
    data = bought(make_toy(), [(n % 30, item + step) for n, item in enumerate(first) for step in (0, 1)])
    order = torch.argsort(data.train.user, stable=True)
    data = replace(data, train=data.train[order])
    made = build(
        data,
        "bpr",
        "dual",
        {"backbone.dim": 8, "backbone.length": 1, "loss.negatives": 1, "loss.cosine": False},
        seed=0,
        schedule=Schedule(lr=0.05),
    )
    for epoch in range(20):
        for batch in made.loss.sampler.batches(data, 64, torch.Generator().manual_seed(epoch)):
            made.update(batch)
    backbone = made.backbone
    assert isinstance(backbone, DualEmbeddings)
    score = (backbone.context_table @ backbone.target_table.T).detach()
    even = torch.arange(0, 30, 2)
    assert bool((score[even, even + 1] > score[even + 1, even]).all())
    assert bool((score[even, :30].argmax(1) == even + 1).float().mean() > 0.8)
